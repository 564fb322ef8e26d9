-- Owners: admins whom only owners can change. A workspace that has people keeps at least one.
alter table users add column is_owner boolean not null default false,
  add column updated_at timestamptz, add check (not is_owner or role = 'admin');
alter table users no force row level security;
update users u set is_owner = true
where u.id in (select distinct on (workspace_id) id from users where role = 'admin' and is_active
               order by workspace_id, created_at, id);
alter table users force row level security;

-- How much a workspace may ask for, on surfaces that count by plan. Null: as the server's settings say.
alter table workspaces
  add column plan text check (plan in ('free', 'pro', 'enterprise')),
  add column plan_requests_per_minute int check (plan_requests_per_minute > 0);

