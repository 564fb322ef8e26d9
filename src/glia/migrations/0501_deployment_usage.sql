-- What deployments used, hour by hour, as nodes measured it. It outlives the deployment, because it is billed later.
create table deployment_usage (
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null,
  deployment_id uuid not null,
  hour timestamptz not null check (extract(epoch from hour)::bigint % 3600 = 0),
  name text not null,
  replica_seconds double precision not null default 0,
  cpu_core_seconds double precision not null default 0,
  cpu_seconds double precision not null default 0,
  memory_byte_seconds bigint not null default 0,
  storage_byte_seconds bigint not null default 0,
  network_bytes bigint not null default 0,
  primary key (workspace_id, hour, deployment_id)
);
select isolate('deployment_usage');
select open_to_system('deployment_usage');
grant select, insert, update on deployment_usage to glia_system;

-- Up to when a replica's use has been counted, so that counting it again adds nothing.
alter table deployment_replicas add column metered_until timestamptz;
-- Up to when the node has counted what programs take on disk, while it was the one to do so.
alter table fleet_nodes add column stored_until timestamptz;
