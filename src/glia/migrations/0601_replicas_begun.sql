-- When a replica's program was started for the first time: its download may take longer than its start may.
alter table deployment_replicas add column begun_at timestamptz;
