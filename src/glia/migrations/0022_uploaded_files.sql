-- Files that clients upload for use by their name, apart from those that belong to documents, artifacts and sessions.

-- purpose: what the client said it is for; null for every other file. expires_at: when it may be deleted.
alter table files add column purpose text, add column expires_at timestamptz;
create index files_uploaded on files (workspace_id, id) where purpose is not null;
