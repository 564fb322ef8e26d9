-- fill_run_id: the run that waits until the embedding model of this base answers again, and then makes the vectors that
-- are missing. The documents it is for name it as their run.
alter table knowledge_bases add column fill_run_id uuid;
