-- Server processes that hold sandboxes. A sandbox lives where its files are: on one machine, in one process at a time.
create table sandbox_hosts (
  id uuid primary key,
  name text not null,
  -- The same for all processes that share a data folder, and so can take over each other's files.
  machine text not null,
  -- The process namespace of one boot: within it, a pid with its start time tells whether the process still lives.
  namespace text not null,
  pid int not null,
  process_started bigint not null,
  seen_at timestamptz not null default now()
);
revoke all on sandbox_hosts from glia_app;
grant select on sandbox_hosts to glia_app;
grant select, insert, update, delete on sandbox_hosts to glia_system;

create table sandboxes (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  session_id uuid references sessions on delete cascade,
  name text not null default '',
  template text not null,
  status text not null check (status in ('starting', 'running', 'paused', 'sleeping', 'stopped')),
  reason text not null default '',
  limits jsonb not null,
  env jsonb not null default '{}',
  allow_hosts text[] not null default '{}',
  -- What is attached to which requests; the values are sealed and never leave the server but in those requests.
  secrets jsonb not null default '[]',
  sealed_secrets bytea,
  metadata jsonb not null default '{}',
  backend text not null,
  backend_id text not null,
  host_id uuid,
  host_name text not null,
  machine text not null,
  lease_seconds int not null check (lease_seconds > 0),
  lease_until timestamptz not null,
  on_timeout text not null check (on_timeout in ('kill', 'pause')),
  created_by text not null,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz
);
create index sandboxes_workspace on sandboxes (workspace_id, id);
create index sandboxes_host on sandboxes (host_id) where host_id is not null;
create unique index sandboxes_session on sandboxes (session_id) where session_id is not null and status <> 'stopped';
select isolate('sandboxes');
-- A process looks after its sandboxes of all workspaces at once: their leases, and what a dead process left.
select open_to_system('sandboxes');
grant select, update, delete on sandboxes to glia_system;

create table sandbox_snapshots (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  session_id uuid references sessions on delete cascade,
  sandbox_id uuid references sandboxes on delete set null,
  name text not null default '',
  -- Several snapshots share a file when nothing changed between them, or when a session was forked.
  file_id uuid not null references files on delete cascade,
  content_sha256 text not null,
  size_bytes bigint not null,
  created_at timestamptz not null default now()
);
create index sandbox_snapshots_session on sandbox_snapshots (session_id, id);
create index sandbox_snapshots_sandbox on sandbox_snapshots (sandbox_id, id);
create index sandbox_snapshots_file on sandbox_snapshots (file_id);
select isolate('sandbox_snapshots');

create table artifacts (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  session_id uuid not null references sessions on delete cascade,
  run_id uuid,
  path text not null,
  name text not null,
  media_type text not null,
  size_bytes bigint not null,
  sha256 text not null,
  file_id uuid not null references files on delete cascade,
  created_at timestamptz not null default now()
);
create index artifacts_session on artifacts (session_id, id);
select isolate('artifacts');

-- Each try of a sandbox to reach the outside; the newest few thousand of each sandbox are kept.
create table sandbox_egress (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  sandbox_id uuid not null references sandboxes on delete cascade,
  at timestamptz not null,
  method text not null,
  host text not null,
  port int,
  verdict text not null check (verdict in ('allowed', 'denied', 'failed')),
  reason text not null default '',
  sent_bytes bigint not null default 0,
  received_bytes bigint not null default 0
);
create index sandbox_egress_sandbox on sandbox_egress (sandbox_id, id);
select isolate('sandbox_egress');

-- What sandboxes used, one row for about each minute of each. Outlives the sandbox.
create table sandbox_usage (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null,
  sandbox_id uuid not null,
  session_id uuid,
  at timestamptz not null default now(),
  wall_seconds double precision not null,
  cpu_seconds double precision not null,
  memory_gib_seconds double precision not null
);
create index sandbox_usage_workspace on sandbox_usage (workspace_id, at);
select isolate('sandbox_usage');
