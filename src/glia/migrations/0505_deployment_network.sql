-- Whom a program may reach.
alter table deployment_versions
  add column network text not null default 'none' check (network in ('none', 'hosts', 'public')),
  add column network_hosts text[] not null default '{}';
