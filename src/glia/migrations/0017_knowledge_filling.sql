-- fill_run_id: the run that waits until the embedding model of this base answers again, and then makes the vectors that
-- are missing. The documents it is for name it as their run.
alter table knowledge_bases add column fill_run_id uuid;

-- A common word's arrays stay in their row up to a whole page: a search reads many of them, and each one that lies
-- elsewhere costs two further look-ups. Holds for what is written or packed from now on.
alter table postings alter column ids set storage main, alter column impacts set storage main;
alter table postings set (toast_tuple_target = 8160);
