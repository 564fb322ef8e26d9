-- Objects under a pathname. Contents lie on a disk or in a bucket; here is what they are called and where they lie.
create table stored_objects (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text collate "C" not null check (length(name) > 0),
  media_type text not null,
  size_bytes bigint not null check (size_bytes >= 0),
  sha256 text not null check (length(sha256) = 64),
  store text not null,
  store_key text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (workspace_id, name)
);
select isolate('stored_objects');

-- Kept beside the objects, so that a quota need not add them all up, and two uploads cannot both take the last byte.
create table stored_object_totals (
  workspace_id uuid primary key references workspaces on delete cascade,
  objects bigint not null check (objects >= 0),
  size_bytes bigint not null check (size_bytes >= 0)
);
select isolate('stored_object_totals');

-- Contents that no object names: those being uploaded, and those of deleted objects. What a killed process leaves here
-- is deleted by another once it is due.
create table stored_object_leftovers (
  store_key text primary key,
  store text not null,
  workspace_id uuid not null,
  due_at timestamptz not null
);
create index stored_object_leftovers_due on stored_object_leftovers (store, due_at);
select isolate('stored_object_leftovers');
select open_to_system('stored_object_leftovers');
grant select, update, delete on stored_object_leftovers to glia_system;

-- Some clients know keys by whole numbers.
alter table api_keys add column number bigint generated always as identity;
create unique index api_keys_number on api_keys (number);
