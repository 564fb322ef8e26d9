-- Knowledge that can be filtered, renewed and re-embedded without a moment in which it is not found.

-- embedding_set names the vectors that a search compares; next_* are being made and take their place when whole.
-- text_configs: all that were used in this base, which a question is cut by.
-- compact_run_id: packs the postings of small documents together.
alter table knowledge_bases
  add column embedding_set uuid,
  add column next_embedding_model text,
  add column next_dimensions int check (next_dimensions between 1 and 4000),
  add column next_embedding_set uuid,
  add column reembed_run_id uuid,
  add column text_configs text[] not null default '{}',
  add column compact_run_id uuid;
-- The owner is held by row-level security like everyone else, unless it lets itself out.
alter table knowledge_bases no force row level security;
alter table documents no force row level security;
alter table embeddings no force row level security;
update knowledge_bases set embedding_set = id, text_configs = array[text_config];
alter table knowledge_bases alter column embedding_set set not null, alter column dense_weight set default 1.5;

-- path: the folder it lies in, as `handbook/travel`; blank at the top. title: what the document calls itself.
-- source_url: where it was fetched from. text_config: how its words were cut; null until it is indexed.
alter table documents
  add column path text not null default '',
  add column metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  add column title text not null default '',
  add column text_config text,
  add column source_url text;
update documents d set text_config = b.text_config from knowledge_bases b where b.id = d.knowledge_base_id;
create index documents_path on documents (knowledge_base_id, path text_pattern_ops);
create index documents_metadata on documents using gin (metadata jsonb_path_ops);
create index documents_source on documents (knowledge_base_id, source_url) where source_url is not null;

-- document_id is null where the postings of many documents were packed together. What is deleted from such a document
-- stays in the arrays until its base is packed again; dead_chunks keeps it out of searches until then.
alter table postings alter column document_id drop not null;
create table dead_chunks (
  chunk_id bigint primary key,
  workspace_id uuid not null,
  knowledge_base_id uuid not null references knowledge_bases on delete cascade
);
create index dead_chunks_base on dead_chunks (knowledge_base_id);
select isolate('dead_chunks');
alter table documents add column is_packed boolean not null default false;
create index documents_loose on documents (knowledge_base_id, id) where status = 'ready' and not is_packed;

-- A foreign key would be checked for each of a base's many rows; this is asked once.
create function forget_postings() returns trigger language plpgsql as $$
begin
  delete from glia.postings where knowledge_base_id = old.id;
  return null;
end $$;
create trigger forget_postings after delete on knowledge_bases for each row execute function forget_postings();

-- A chunk may have a vector in the set that is used and in the one that is being made.
alter table embeddings add column set_id uuid;
update embeddings set set_id = knowledge_base_id;
alter table embeddings
  alter column set_id set not null,
  drop constraint embeddings_pkey,
  add primary key (chunk_id, set_id);
drop index embeddings_knowledge_base;
create index embeddings_set on embeddings (set_id);
alter table embeddings drop column knowledge_base_id;

-- One index for each width that models commonly give; an empty one costs nothing. Other widths are compared exactly.
create index embeddings_512 on embeddings using hnsw ((embedding::halfvec(512)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 512;
create index embeddings_768 on embeddings using hnsw ((embedding::halfvec(768)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 768;
create index embeddings_1024 on embeddings using hnsw ((embedding::halfvec(1024)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 1024;
create index embeddings_1536 on embeddings using hnsw ((embedding::halfvec(1536)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 1536;
create index embeddings_3072 on embeddings using hnsw ((embedding::halfvec(3072)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 3072;

alter table knowledge_bases force row level security;
alter table documents force row level security;
alter table embeddings force row level security;
