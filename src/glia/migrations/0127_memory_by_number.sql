-- Memories have a number beside their id, for clients that count them.
alter table memories add column number bigint generated always as identity;
create unique index memories_number on memories (number);

-- keeps_answers: each answer is kept for an hour with what it answers, and longer if it proves itself.
-- recalls: what fits the user's message is put into the prompt.
alter table memory_settings
  add column keeps_answers boolean not null default false,
  add column recalls boolean not null default false;
grant select (keeps_answers) on memory_settings to glia_system;
-- How far answers have been kept.
alter table conversations add column kept_seq bigint not null default 0;

-- A conflict that was decided by another strategy than `newest`. merged: both were superseded by a third memory.
alter table memory_conflicts drop constraint memory_conflicts_kept_check;
alter table memory_conflicts add constraint memory_conflicts_kept_check check (kept in ('newer', 'older', 'both', 'merged'));

-- Feedback that neither praises nor blames.
alter table memory_feedback alter column is_useful drop not null;
