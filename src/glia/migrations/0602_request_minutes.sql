-- How many requests of a minute processes have taken for themselves, by who is limited: a workspace or a key. Of no use
-- after a crash, so it is not logged.
create unlogged table request_minutes (
  id uuid primary key,
  began_at timestamptz not null default now(),
  taken bigint not null,
  -- What whoever asked last was given.
  given bigint not null
);
revoke all on request_minutes from glia_app;
grant select, insert, update on request_minutes to glia_system;
