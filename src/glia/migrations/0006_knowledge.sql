-- embedding_model: what every vector of this base was made with; null until there is an embedder, or for ever.
-- chunks and lexemes: how many are searchable, and how long they are together, for BM25.
create table knowledge_bases (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  description text not null default '',
  embedding_model text,
  dimensions int check (dimensions between 1 and 4000),
  text_config text not null default 'english',
  dense_weight real not null default 1 check (dense_weight >= 0),
  lexical_weight real not null default 1 check (lexical_weight >= 0),
  chunks bigint not null default 0,
  lexemes bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((embedding_model is null) = (dimensions is null))
);
create index knowledge_bases_workspace on knowledge_bases (workspace_id, id);
select isolate('knowledge_bases');

-- run_id names the run that processes it; runs may be cleared away before their documents.
-- is_indexed: all its chunks are there, at most vectors are missing.
create table documents (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  project_id uuid not null references projects on delete cascade,
  knowledge_base_id uuid not null references knowledge_bases on delete cascade,
  name text not null,
  media_type text not null,
  size_bytes bigint not null,
  sha256 text not null,
  file_id uuid references files on delete set null,
  run_id uuid,
  status text not null default 'processing' check (status in ('processing', 'ready', 'failed')),
  error_code text,
  error_message text,
  phase text not null default 'queued',
  progress_done int not null default 0,
  progress_total int not null default 0,
  is_indexed boolean not null default false,
  chunks int not null default 0,
  lexemes bigint not null default 0,
  pages int,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index documents_knowledge_base on documents (knowledge_base_id, id);
create index documents_workspace on documents (workspace_id);
create index documents_file on documents (file_id);
create index documents_processing on documents (run_id) where status = 'processing';
-- The same content is indexed once in a base; after a failure it may come again.
create unique index documents_content on documents (knowledge_base_id, sha256) where status <> 'failed';
select isolate('documents');

-- id is what postings and vectors name a chunk by; people name it by its document and ordinal.
create table chunks (
  id bigint generated always as identity primary key,
  workspace_id uuid not null,
  knowledge_base_id uuid not null,
  document_id uuid not null references documents on delete cascade,
  ordinal int not null,
  page int,
  last_page int,
  heading text not null,
  start_character int not null,
  end_character int not null,
  text text not null,
  unique (document_id, ordinal)
);
select isolate('chunks');

-- BM25 with the arithmetic done when the chunk is written: one row for a lexeme in one batch of one document's chunks.
-- impacts[i] is what the lexeme adds to the score of chunk ids[i], before it is weighed by how rare the lexeme is.
create table postings (
  workspace_id uuid not null,
  knowledge_base_id uuid not null,
  document_id uuid not null references documents on delete cascade,
  lexeme text not null,
  df int not null,
  ids bigint[] not null,
  impacts real[] not null
);
create index postings_lexeme on postings (knowledge_base_id, lexeme);
create index postings_document on postings (document_id);
select isolate('postings');

-- Apart from the chunks: writing vectors later then rewrites nothing, and an exact scan reads vectors only. The column
-- has no fixed width because each base has its own model; an index is made for a width, here for the built-in model's.
create table embeddings (
  chunk_id bigint primary key references chunks on delete cascade,
  workspace_id uuid not null,
  knowledge_base_id uuid not null,
  document_id uuid not null,
  embedding halfvec not null
);
alter table embeddings alter column embedding set storage plain;
create index embeddings_knowledge_base on embeddings (knowledge_base_id);
create index embeddings_document on embeddings (document_id);
create index embeddings_384 on embeddings using hnsw ((embedding::halfvec(384)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 384;
select isolate('embeddings');
