create table workspaces (
  id uuid primary key,
  name text not null,
  slug text not null unique,
  created_at timestamptz not null default now()
);
alter table workspaces enable row level security;
alter table workspaces force row level security;
create policy workspace on workspaces to glia_app using (id = (select glia.current_workspace()));
select open_to_system('workspaces');
grant select, insert on workspaces to glia_system;

create table projects (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  name text not null,
  slug text not null,
  created_at timestamptz not null default now(),
  unique (workspace_id, slug),
  unique (workspace_id, id)
);
select isolate('projects');

create table users (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  email text not null,
  name text not null default '',
  password_hash text not null,
  role text not null default 'user' check (role in ('admin', 'user', 'read-only')),
  is_active boolean not null default true,
  -- Access tokens carry it; raising it ends all that are out.
  token_generation int not null default 0,
  created_at timestamptz not null default now(),
  unique (workspace_id, id)
);
create unique index users_email on users (lower(email));
select isolate('users');
select open_to_system('users');
grant select on users to glia_system;

-- Foreign keys look past row-level security, so they name the workspace too: a key can only be of its own.
create table api_keys (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null,
  user_id uuid,
  name text not null,
  surface text not null default 'native',
  prefix text not null,
  key_hash bytea not null unique,
  scopes text[] not null,
  role text not null default 'user' check (role in ('admin', 'user', 'read-only')),
  rate_per_minute int check (rate_per_minute > 0),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_by text not null,
  created_at timestamptz not null default now(),
  foreign key (workspace_id, project_id) references projects (workspace_id, id) on delete cascade,
  foreign key (workspace_id, user_id) references users (workspace_id, id) on delete set null (user_id)
);
create index api_keys_workspace on api_keys (workspace_id, id);
create index api_keys_user on api_keys (user_id);
select isolate('api_keys');
select open_to_system('api_keys');
grant select, update (last_used_at) on api_keys to glia_system;

create table refresh_tokens (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  user_id uuid not null,
  family_id uuid not null,
  token_hash bytea not null unique,
  expires_at timestamptz not null,
  used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  foreign key (workspace_id, user_id) references users (workspace_id, id) on delete cascade
);
create index refresh_tokens_family on refresh_tokens (family_id);
create index refresh_tokens_user on refresh_tokens (user_id);
select isolate('refresh_tokens');
select open_to_system('refresh_tokens');
grant select on refresh_tokens to glia_system;

create table audit_log (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  at timestamptz not null default now(),
  actor_kind text not null check (actor_kind in ('user', 'key', 'operator', 'system')),
  actor_id uuid,
  action text not null,
  subject text not null,
  data jsonb not null default '{}'
);
create index audit_log_workspace on audit_log (workspace_id, id);
select isolate('audit_log');
revoke update, delete on audit_log from glia_app;

-- Facts of this installation that no tenant may read: the secret that signs tokens and encrypts stored secrets.
create table installation (
  name text primary key,
  value text not null
);
revoke all on installation from glia_app;
grant select, insert on installation to glia_system;
