-- fill_run_id: the run that waits until the embedding model of this base answers again, and then makes the vectors that
-- are missing. The documents it is for name it as their run.
alter table knowledge_bases add column fill_run_id uuid;

-- A common word's arrays stay in their row up to a whole page: a search reads many of them, and each one that lies
-- elsewhere costs two further look-ups. Holds for what is written or packed from now on.
alter table postings alter column ids set storage main, alter column impacts set storage main;
alter table postings set (toast_tuple_target = 8160);

-- One agent may have tens of thousands of memories: comparing all of their vectors would take longer than the answer.
-- An index for each width that models commonly give, as documents have; an empty one costs nothing.
create index memory_vectors_384 on memory_vectors using hnsw ((embedding::halfvec(384)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 384;
create index memory_vectors_768 on memory_vectors using hnsw ((embedding::halfvec(768)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 768;
create index memory_vectors_1024 on memory_vectors using hnsw ((embedding::halfvec(1024)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 1024;
create index memory_vectors_1536 on memory_vectors using hnsw ((embedding::halfvec(1536)) halfvec_ip_ops)
  with (m = 16, ef_construction = 64) where vector_dims(embedding) = 1536;
