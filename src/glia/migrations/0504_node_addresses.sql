-- Where a node takes connections for its replicas from servers on other machines; empty when it does not.
alter table fleet_nodes add column address text not null default '';
