-- Also what came after 0029: drafts, relationships, plans, judgements, files, instructions, feedback, rules, snapshots,
-- budgets. Sessions, their logs and what they cost stay, unless they are deleted by themselves.
create or replace function purge_agent(in_agent uuid) returns void language plpgsql as $$
begin
  delete from glia.triggers where agent_id = in_agent;
  delete from glia.permission_grants where agent_id = in_agent;
  delete from glia.memory_settings where agent_id = in_agent;
  delete from glia.memory_block_agents where agent_id = in_agent;
  delete from glia.memory_blocks where agent_id = in_agent;
  delete from glia.memories where agent_id = in_agent;
  delete from glia.agent_drafts where agent_id = in_agent;
  delete from glia.agent_relationships where in_agent in (from_agent_id, to_agent_id);
  delete from glia.agent_specializations where agent_id = in_agent;
  delete from glia.plans where agent_id = in_agent;
  delete from glia.reflections where agent_id = in_agent;
  delete from glia.virtual_files where agent_id = in_agent;
  delete from glia.virtual_file_accesses where agent_id = in_agent;
  delete from glia.instructions where agent_id = in_agent;
  delete from glia.feedback where agent_id = in_agent;
  delete from glia.space_participants where agent_id = in_agent;
  delete from glia.verifications where agent_id = in_agent;
  delete from glia.verification_rules where agent_id = in_agent;
  delete from glia.run_snapshots where agent_id = in_agent;
  delete from glia.budgets where scope = 'agent' and subject_id = in_agent;
  delete from glia.agent_versions where agent_id = in_agent;
  update glia.agents set slug = id::text, purged_at = now(), deleted_at = coalesce(deleted_at, now()), updated_at = now()
  where id = in_agent;
end $$;
