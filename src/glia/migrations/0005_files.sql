-- Uploaded files, in the database by default, so that a worker on any machine can read them.
create table files (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  media_type text not null,
  size_bytes bigint not null check (size_bytes >= 0),
  sha256 text not null check (length(sha256) = 64),
  created_at timestamptz not null default now()
);
create index files_workspace on files (workspace_id, id);
select isolate('files');

create table file_parts (
  file_id uuid not null references files on delete cascade,
  part int not null,
  workspace_id uuid not null,
  data bytea not null check (length(data) <= 1048576),
  primary key (file_id, part)
);
-- Most uploads are compressed already; trying again would only cost time.
alter table file_parts alter column data set storage external;
select isolate('file_parts');
