-- The words by which things are called, so that the search finds old ones too. Behind row-level security an index serves
-- only comparisons that cannot leak, which those of plain words can not, and those of patterns and tsvectors may.
create table search_words (
  workspace_id uuid not null references workspaces on delete cascade,
  kind text not null check (kind in ('document', 'session', 'memory')),
  word text collate "C" not null,
  document_id uuid references documents on delete cascade,
  session_id uuid references sessions on delete cascade,
  memory_id uuid references memories on delete cascade,
  thing_id uuid not null generated always as (coalesce(document_id, session_id, memory_id)) stored,
  primary key (workspace_id, kind, word, thing_id)
);
create index search_words_document on search_words (document_id) where document_id is not null;
create index search_words_session on search_words (session_id) where session_id is not null;
create index search_words_memory on search_words (memory_id) where memory_id is not null;

-- At most so many of one name, each cut: a name is no text.
create function words_of_name(name text) returns setof text language sql immutable as $$
  select distinct left(word, 64) from regexp_split_to_table(lower(left(name, 1000)), '[^[:alnum:]]+') word
  where word <> '' limit 40
$$;

create function note_document_words() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    delete from glia.search_words where document_id = new.id;
  end if;
  insert into glia.search_words (workspace_id, kind, word, document_id)
    select new.workspace_id, 'document', word, new.id
    from glia.words_of_name(concat_ws(' ', new.name, new.title, new.path, new.source_url)) word;
  return null;
end $$;
create function note_session_words() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    delete from glia.search_words where session_id = new.id;
  end if;
  insert into glia.search_words (workspace_id, kind, word, session_id)
    select new.workspace_id, 'session', word, new.id from glia.words_of_name(new.title) word;
  return null;
end $$;
create function note_memory_words() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    delete from glia.search_words where memory_id = new.id;
  end if;
  insert into glia.search_words (workspace_id, kind, word, memory_id)
    select new.workspace_id, 'memory', word, new.id from glia.words_of_name(left(new.content, 200)) word;
  return null;
end $$;

create trigger note_words after insert on documents for each row execute function note_document_words();
create trigger note_new_words after update of name, title, path, source_url on documents for each row
  when ((old.name, old.title, old.path, old.source_url) is distinct from (new.name, new.title, new.path, new.source_url))
  execute function note_document_words();
create trigger note_words after insert on sessions for each row when (new.title <> '')
  execute function note_session_words();
create trigger note_new_words after update of title on sessions for each row
  when (old.title is distinct from new.title) execute function note_session_words();
create trigger note_words after insert on memories for each row execute function note_memory_words();
create trigger note_new_words after update of content on memories for each row
  when (left(old.content, 200) is distinct from left(new.content, 200)) execute function note_memory_words();

-- What is there already. Its owner is held by row-level security too, so that it is lifted for these statements.
alter table documents no force row level security;
alter table sessions no force row level security;
alter table memories no force row level security;
insert into search_words (workspace_id, kind, word, document_id)
  select workspace_id, 'document', word, id
  from documents, words_of_name(concat_ws(' ', name, title, path, source_url)) word;
insert into search_words (workspace_id, kind, word, session_id)
  select workspace_id, 'session', word, id from sessions, words_of_name(title) word where title <> '';
insert into search_words (workspace_id, kind, word, memory_id)
  select workspace_id, 'memory', word, id from memories, words_of_name(left(content, 200)) word;
alter table documents force row level security;
alter table sessions force row level security;
alter table memories force row level security;

select isolate('search_words');
