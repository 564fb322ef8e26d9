-- Private trees of files: one for each agent, and one for each session of an agent. The content lies in files.
create table virtual_files (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  session_id uuid references sessions on delete cascade,
  path text not null check (path like '/%' and length(path) between 2 and 1024),
  file_id uuid not null references files on delete cascade,
  media_type text not null,
  size_bytes bigint not null check (size_bytes between 0 and 104857600),
  version int not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index virtual_files_path on virtual_files (agent_id, session_id, path) nulls not distinct;
create index virtual_files_session on virtual_files (session_id) where session_id is not null;
create index virtual_files_content on virtual_files (file_id);
create index virtual_files_workspace on virtual_files (workspace_id);
create index virtual_files_project on virtual_files (project_id);
select isolate('virtual_files');

-- Who did what to which path. It outlives the file, not the agent.
create table virtual_file_accesses (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  session_id uuid,
  path text not null,
  action text not null check (action in ('create', 'read', 'write', 'delete', 'copy', 'move')),
  other_path text,
  accessed_by text not null,
  at timestamptz not null default now()
);
create index virtual_file_accesses_agent on virtual_file_accesses (agent_id, id);
create index virtual_file_accesses_workspace on virtual_file_accesses (workspace_id);
select isolate('virtual_file_accesses');
