-- Bills: what a workspace used, priced and booked hour by hour, and one invoice a month of what was booked.
--
-- The workspace's account is locked by whoever books or closes, so that several servers do it once.
create table billing_accounts (
  workspace_id uuid primary key references workspaces on delete cascade,
  -- Prices in dollars that are this workspace's own; null for the server's.
  price_core_hour numeric(20, 10) check (price_core_hour >= 0),
  price_memory_gib_hour numeric(20, 10) check (price_memory_gib_hour >= 0),
  price_storage_gb_month numeric(20, 10) check (price_storage_gb_month >= 0),
  price_network_gb numeric(20, 10) check (price_network_gb >= 0),
  -- All hours before are booked, as far as nodes had told of them.
  booked_until timestamptz,
  -- All months before are closed: what is booked from now on belongs to this month at the earliest.
  open_month date,
  check (open_month = date_trunc('month', open_month))
);
select isolate('billing_accounts');
select open_to_system('billing_accounts');
grant select on billing_accounts to glia_system;

-- What one deployment, or all stored objects (subject_id is the workspace), used in one hour. A node that tells late
-- leads to a further part. Rows never change.
create table billing_bookings (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  hour timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
  subject_kind text not null check (subject_kind in ('deployment', 'objects')),
  subject_id uuid not null,
  part int not null check (part > 0),
  name text not null,
  -- Whose invoice it is on.
  month date not null check (month = date_trunc('month', month)),
  core_seconds double precision not null default 0,
  memory_byte_seconds numeric(40) not null default 0,
  storage_byte_seconds numeric(40) not null default 0,
  network_bytes numeric(40) not null default 0,
  compute_micros bigint not null default 0,
  memory_micros bigint not null default 0,
  storage_micros bigint not null default 0,
  network_micros bigint not null default 0,
  booked_at timestamptz not null default now(),
  unique (workspace_id, hour, subject_id, part)
);
create index billing_bookings_month on billing_bookings (workspace_id, month);
select isolate('billing_bookings');
revoke update, delete on billing_bookings from glia_app;

create table invoices (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  month date not null check (month = date_trunc('month', month)),
  amount_micros bigint not null check (amount_micros >= 0),
  issued_at timestamptz not null default now(),
  due_date date not null,
  paid_at timestamptz,
  paid_by text,
  payment_note text,
  unique (workspace_id, month),
  unique (workspace_id, id)
);
select isolate('invoices');
revoke update, delete on invoices from glia_app;
grant update (paid_at, paid_by, payment_note) on invoices to glia_app;

create table invoice_lines (
  invoice_id uuid not null,
  workspace_id uuid not null references workspaces on delete cascade,
  position int not null,
  kind text not null check (kind in ('compute', 'memory', 'storage', 'network')),
  subject_kind text not null,
  subject_id uuid not null,
  name text not null,
  quantity numeric(40, 9) not null,
  unit text not null,
  amount_micros bigint not null,
  primary key (invoice_id, position),
  foreign key (workspace_id, invoice_id) references invoices (workspace_id, id) on delete cascade
);
select isolate('invoice_lines');
revoke update, delete on invoice_lines from glia_app;

-- The ledger takes what is billed: `used` is what it cost, `owed` what is still to be paid of it, `paid` what was.
-- These three add up to zero by themselves, and touch no credit.
alter table ledger_transactions
  drop constraint ledger_transactions_kind_check,
  add constraint ledger_transactions_kind_check check (kind in ('grant', 'adjustment', 'hold', 'release', 'settlement',
    'expiry', 'charge', 'usage', 'payment'));
alter table ledger_entries
  drop constraint ledger_entries_account_check,
  add constraint ledger_entries_account_check check (account in ('balance', 'held', 'spent', 'granted', 'adjusted',
    'shortfall', 'used', 'owed', 'paid'));

-- One transaction of the ledger: `usage` moves an amount from owed to used, `payment` from paid to owed.
create function post_bill(in_id uuid, in_workspace uuid, in_kind text, amount bigint, in_note text, in_usage uuid,
  in_by text) returns void language plpgsql as $$
begin
  if amount = 0 then
    return;
  end if;
  insert into glia.ledger_transactions (id, workspace_id, kind, note, usage_id, created_by)
  values (in_id, in_workspace, in_kind, in_note, in_usage, in_by);
  insert into glia.ledger_entries (transaction_id, workspace_id, account, amount_micros)
  select in_id, in_workspace, e.account, e.amount
  from (values (case in_kind when 'usage' then 'used' else 'owed' end, amount),
               (case in_kind when 'usage' then 'owed' else 'paid' end, -amount)) as e (account, amount);
end $$;
