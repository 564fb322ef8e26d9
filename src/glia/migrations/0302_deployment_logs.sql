-- What programs write, line by line, and what they use. Replicas come and go, so nothing here hangs on their rows.
create table deployment_logs (
  id bigint generated always as identity primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  deployment_id uuid not null references deployments on delete cascade,
  replica_id uuid not null,
  at timestamptz not null,
  level smallint not null check (level between 0 and 3),
  message text not null
);
create index deployment_logs_deployment on deployment_logs (deployment_id, id);
create index deployment_logs_at on deployment_logs (deployment_id, at);
select isolate('deployment_logs');

create table deployment_metrics (
  workspace_id uuid not null references workspaces on delete cascade,
  deployment_id uuid not null references deployments on delete cascade,
  replica_id uuid not null,
  at timestamptz not null,
  cpu_percent real not null,
  memory_mib real not null,
  network_bytes_per_second real not null,
  primary key (deployment_id, at, replica_id)
);
select isolate('deployment_metrics');
