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
  unique (workspace_id, slug)
);
select isolate('projects');

create table users (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  email text not null,
  name text not null default '',
  password_hash text not null,
  role text not null default 'admin' check (role in ('admin', 'user', 'read-only')),
  is_active boolean not null default true,
  created_at timestamptz not null default now()
);
create unique index users_email on users (lower(email));
create index users_workspace on users (workspace_id);
select isolate('users');
select open_to_system('users');
grant select on users to glia_system;

create table api_keys (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  user_id uuid references users on delete set null,
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
  created_at timestamptz not null default now()
);
create index api_keys_workspace on api_keys (workspace_id, id);
select isolate('api_keys');
select open_to_system('api_keys');
grant select, update (last_used_at) on api_keys to glia_system;

create table refresh_tokens (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  user_id uuid not null references users on delete cascade,
  family_id uuid not null,
  token_hash bytea not null unique,
  expires_at timestamptz not null,
  used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now()
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
