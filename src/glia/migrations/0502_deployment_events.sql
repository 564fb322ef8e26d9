-- What becomes of deployments is told to webhooks, in the transaction that changes them: by users, in their workspace,
-- and by the node that plans, which sees all workspaces.
grant insert on webhook_deliveries to glia_system;

create function tell_of_deployment(of_type text, d deployments) returns void language plpgsql as $$
declare
  before text := current_setting('glia.workspace', true);
begin
  perform set_config('glia.workspace', d.workspace_id::text, true);
  perform glia.tell_webhooks(of_type, null, null, null, json_build_object(
    'deployment_id', d.id, 'name', d.name, 'status', d.status, 'reason', d.reason, 'replicas', d.replicas,
    'region', d.region, 'metadata', d.metadata,
    'version', coalesce((select v.number from glia.deployment_versions v where v.id = d.version_id), 1)));
  perform set_config('glia.workspace', coalesce(before, ''), true);
end $$;

create function pass_on_deployment() returns trigger language plpgsql as $$
begin
  case tg_op
    when 'INSERT' then
      perform glia.tell_of_deployment('deployment.created', new);
    when 'DELETE' then
      perform glia.tell_of_deployment('deployment.deleted', old);
    else
      -- A generation goes back when a change that failed is undone.
      if new.status = 'error' or new.generation < old.generation then
        perform glia.tell_of_deployment('deployment.error', new);
      elsif new.status = 'running' then
        perform glia.tell_of_deployment('deployment.started', new);
      elsif new.status = 'stopped' then
        perform glia.tell_of_deployment('deployment.stopped', new);
      end if;
  end case;
  return null;
end $$;
create trigger tell_of_new after insert on deployments for each row execute function pass_on_deployment();
create trigger tell_of_end after delete on deployments for each row execute function pass_on_deployment();
create trigger tell_of_change after update on deployments for each row
  when (new.status is distinct from old.status or new.generation < old.generation) execute function pass_on_deployment();
