-- Programs of users that are kept running: what is wanted, and what runs where.
create table fleet_nodes (
  id uuid primary key,
  name text not null,
  region text not null default '',
  limits jsonb not null default '{}',
  problem text not null default '',
  lease_until timestamptz not null,
  started_at timestamptz not null default now()
);
revoke all on fleet_nodes from glia_app;
grant select, insert, update, delete on fleet_nodes to glia_system;

create table deployments (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  -- What its address is made of. Names are a workspace's own, addresses one for the installation.
  route text not null unique,
  replicas int not null check (replicas between 0 and 1000),
  region text not null default '',
  is_wanted boolean not null default true,
  status text not null check (status in ('deploying', 'running', 'stopped', 'error')),
  reason text not null default '',
  version_id uuid not null,
  generation int not null default 1,
  -- What served last without complaint: a roll that fails goes back there.
  good_version_id uuid,
  good_generation int,
  listens boolean not null default false,
  changed_at timestamptz not null default now(),
  metadata jsonb not null default '{}',
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (workspace_id, name)
);
select isolate('deployments');
select open_to_system('deployments');
grant select, update on deployments to glia_system;

create table deployment_versions (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  deployment_id uuid not null references deployments on delete cascade,
  number int not null,
  runtime text not null check (runtime in ('rust', 'go', 'native', 'python', 'node')),
  binary_url text not null,
  sha256 text check (length(sha256) = 64),
  digest text check (length(digest) = 64),
  size_bytes bigint,
  cpu text not null,
  memory text not null,
  command text[] not null,
  port int not null,
  health_path text not null,
  must_listen boolean not null,
  environment_names text[] not null,
  sealed_environment bytea not null,
  created_at timestamptz not null default now(),
  unique (deployment_id, number)
);
select isolate('deployment_versions');
select open_to_system('deployment_versions');
grant select, update on deployment_versions to glia_system;

create table deployment_replicas (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  deployment_id uuid not null references deployments on delete cascade,
  version_id uuid not null references deployment_versions on delete cascade,
  generation int not null,
  node_id uuid not null references fleet_nodes on delete cascade,
  is_wanted boolean not null default true,
  state text not null default 'pending'
    check (state in ('pending', 'starting', 'running', 'unhealthy', 'backoff', 'failed', 'stopping')),
  is_ready boolean not null default false,
  reason text not null default '',
  failures int not null default 0,
  restarts int not null default 0,
  address text not null default '',
  log_place bigint[] not null default '{0,0}',
  created_at timestamptz not null default now(),
  started_at timestamptz
);
create index deployment_replicas_deployment on deployment_replicas (deployment_id);
create index deployment_replicas_node on deployment_replicas (node_id);
select isolate('deployment_replicas');
select open_to_system('deployment_replicas');
grant select, insert, update, delete on deployment_replicas to glia_system;
