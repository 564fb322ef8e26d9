-- From which address a change was asked for, and where a sign-in was begun and last used.
alter table audit_log add column address text not null default '';
create index audit_log_actor on audit_log (workspace_id, actor_id, id);

alter table refresh_tokens add column address text not null default '';
