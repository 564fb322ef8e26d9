-- Workflows: named graphs of steps. An execution is a run of the kind `workflow`; its state is a reading of its log.
create table workflows (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  slug text not null,
  version int not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index workflows_slug on workflows (workspace_id, slug) where deleted_at is null;
create index workflows_page on workflows (workspace_id, id);
select isolate('workflows');

-- A version never changes: executions that were begun with it go on with it.
create table workflow_versions (
  workflow_id uuid not null references workflows on delete cascade,
  version int not null,
  workspace_id uuid not null,
  name text not null,
  description text not null,
  -- json, not jsonb: shown as it was written.
  definition json not null,
  metadata jsonb not null default '{}',
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (workflow_id, version)
);
select isolate('workflow_versions');

create index runs_workflow on runs ((input ->> 'workflow_id'), id) where kind = 'workflow';

-- A child has ended. An agent goes on once all its children have; a workflow at each of them, because what comes after
-- one branch need not wait for the others.
create or replace function resume_parent(in_parent uuid, in_child uuid) returns void language plpgsql as $$
declare
  parent_kind text;
begin
  select r.kind into parent_kind from glia.runs r where r.id = in_parent for update;
  if parent_kind = 'workflow' or not exists (select from glia.runs c where c.parent_run_id = in_parent
      and c.id <> in_child and c.status in ('queued', 'running', 'waiting')) then
    perform glia.resume_run(in_parent, 'run');
  end if;
end $$;
