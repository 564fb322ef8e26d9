-- Calls of paid services by tools are metered beside model calls. Checked for new rows only: the old ones fit as well.
alter table usage_records drop constraint usage_records_operation_check;
alter table usage_records add constraint usage_records_operation_check
  check (operation in ('chat', 'embeddings', 'search', 'image', 'speech', 'video', 'inference')) not valid;

-- How many results a web search of the agent brings.
alter table agent_versions add column search_depth int not null default 15;
