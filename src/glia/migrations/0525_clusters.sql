-- A Kubernetes cluster is a node that takes whole deployments and keeps their replicas by itself. Processes that look
-- after one cluster share its row; `holder` is the one that acts.
alter table fleet_nodes add column kind text not null default 'sandboxes' check (kind in ('sandboxes', 'kubernetes'));
alter table fleet_nodes add column holder uuid;
alter table deployments add column cluster_id uuid references fleet_nodes on delete set null;
-- Not every cluster tells how much goes over the network.
alter table deployment_metrics alter column network_bytes_per_second drop not null;
