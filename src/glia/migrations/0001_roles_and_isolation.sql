-- Who may see what. Three roles, none of which skips row-level security: the owner (runs migrations), glia_app (what
-- services connect as; sees one workspace per transaction) and glia_system (taken for single transactions by the few
-- queries that must see every workspace; it has rights on the tables those queries need and on no others).
do $$
begin
  if not exists (select from pg_roles where rolname = 'glia_app') then
    create role glia_app nologin nobypassrls;
  end if;
  if not exists (select from pg_roles where rolname = 'glia_system') then
    create role glia_system nologin nobypassrls;
  end if;
  -- With a database of your own, one login role does everything and takes glia_app when it connects.
  if pg_has_role(current_user, 'glia_app', 'usage with admin option') then
    execute format('grant glia_app, glia_system to %I', current_user);
  end if;
end $$;

grant usage on schema glia to glia_app, glia_system;
alter default privileges in schema glia grant select, insert, update, delete on tables to glia_app;

create function current_workspace() returns uuid language sql stable
  return nullif(current_setting('glia.workspace', true), '')::uuid;

-- Closes a table to every workspace but the current one. Every table with a workspace_id calls this; a test checks it.
create function isolate(name regclass) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', name);
  execute format('alter table %s force row level security', name);
  execute format('create policy workspace on %s to glia_app using (workspace_id = (select glia.current_workspace()))', name);
end $$;

-- Lets the system role see all rows of a table; which verbs it may use is granted beside each call.
create function open_to_system(name regclass) returns void language plpgsql as $$
begin
  execute format('create policy system on %s to glia_system using (true)', name);
end $$;
