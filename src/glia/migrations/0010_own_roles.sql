-- A login that may make roles becomes one of those it made: PostgreSQL 15 knows no admin option that comes with making
-- a role, which 0001 looks for. Logins that may not grant are given the roles by an administrator.
do $$
begin
  if not (pg_has_role(current_user, 'glia_app', 'member') and pg_has_role(current_user, 'glia_system', 'member')) then
    execute format('grant glia_app, glia_system to %I', current_user);
  end if;
exception
  when insufficient_privilege then null;
end $$;
