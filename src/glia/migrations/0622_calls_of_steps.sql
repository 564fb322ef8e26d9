-- Which part of its run a usage record belongs to: a call of the model by its step, a paid tool by its call besides.
alter table usage_records add column step int;
alter table usage_records add column tool_call_id text;

create or replace function record_usage(record jsonb) returns void language plpgsql as $$
begin
  insert into glia.usage_records (id, workspace_id, project_id, at, operation, model, agent_id, run_id, key_id,
    input_tokens, output_tokens, cached_input_tokens, thinking_tokens, is_estimated, is_streamed, cost_micros,
    latency_ms, status, step, tool_call_id)
  select r.id, r.workspace_id, r.project_id, r.at, r.operation, r.model, r.agent_id, r.run_id, r.key_id,
    r.input_tokens, r.output_tokens, r.cached_input_tokens, r.thinking_tokens, r.is_estimated, r.is_streamed,
    r.cost_micros, r.latency_ms, r.status, r.step, r.tool_call_id
  from jsonb_populate_record(null::glia.usage_records, record) r
  on conflict (id) do nothing;
  -- What is recorded already has been counted.
  if found and (record->>'hold_id' is not null or glia.has_limits((record->>'workspace_id')::uuid)) then
    perform glia.settle_usage(record);
  end if;
end $$;
