-- Why a replica ended the last time, also once it runs again.
alter table deployment_replicas add column last_failure text not null default '';
