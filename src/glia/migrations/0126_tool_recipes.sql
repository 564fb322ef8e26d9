-- Tools that a workspace makes from what is there: a built-in tool with fixed arguments, a program for the sandbox, an
-- HTTP endpoint. metadata: what a surface gives back.
create table tool_recipes (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  description text not null,
  schema jsonb not null default '{}',
  kind text not null check (kind in ('tool', 'code', 'http')),
  config jsonb not null default '{}',
  sealed_headers bytea,
  header_names text[] not null default '{}',
  is_enabled boolean not null default true,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (workspace_id, name)
);
select isolate('tool_recipes');

-- Numbered or named states of a recipe; the default one is at work.
create table tool_recipe_versions (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  recipe_id uuid not null references tool_recipes on delete cascade,
  version text not null,
  schema jsonb not null default '{}',
  code text not null default '',
  is_default boolean not null default false,
  is_deprecated boolean not null default false,
  migration jsonb,
  created_at timestamptz not null default now(),
  unique (recipe_id, version)
);
select isolate('tool_recipe_versions');
