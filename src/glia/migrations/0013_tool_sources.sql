-- Whether agents may call a tool without asking, only when a person has agreed, or not at all.
alter table tools add column permission text not null default 'always' check (permission in ('always', 'ask', 'never'));

-- Tools that were imported together, as from an OpenAPI document.
create table toolsets (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  title text not null default '',
  base_url text not null,
  source_url text,
  header_names text[] not null default '{}',
  sealed_headers bytea,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index toolsets_name on toolsets (workspace_id, name);
select isolate('toolsets');

-- placements: where each argument goes, by its name; what is not named there goes to the query or the JSON body.
-- operation: the method and path in the document, by which a later import finds the tool again.
alter table tools add column toolset_id uuid references toolsets on delete cascade;
alter table tools add column operation text;
alter table tools add column placements jsonb not null default '{}';
create index tools_toolset on tools (toolset_id) where toolset_id is not null;

-- tools: the list that the server gave last; agents get their tools from it without waiting for the server.
create table mcp_servers (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  url text not null,
  sealed_headers bytea,
  header_names text[] not null default '{}',
  auth text not null default 'none' check (auth in ('none', 'oauth')),
  allowed_tools text[],
  permission text not null default 'always' check (permission in ('always', 'ask', 'never')),
  permissions jsonb not null default '{}',
  timeout_seconds real not null default 60,
  is_enabled boolean not null default true,
  status text not null default 'pending' check (status in ('pending', 'ready', 'failed', 'needs_authorization')),
  last_error text,
  protocol_version text,
  title text,
  tools jsonb not null default '[]',
  listed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index mcp_servers_name on mcp_servers (workspace_id, name);
select isolate('mcp_servers');

-- sealed: the client registration and the tokens. pending: a sign-in that was begun and not finished.
-- refreshing_until: one process at a time trades a refresh token in, because it may be worth something only once.
create table mcp_authorizations (
  server_id uuid primary key references mcp_servers on delete cascade,
  workspace_id uuid not null references workspaces on delete cascade,
  sealed bytea,
  expires_at timestamptz,
  pending bytea,
  pending_until timestamptz,
  refreshing_until timestamptz,
  updated_at timestamptz not null default now()
);
select isolate('mcp_authorizations');
