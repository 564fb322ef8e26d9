-- Budgets and credits. A model call first holds the most it can cost, in one statement against everything that limits
-- it, and its usage record later replaces that by what it did cost.
--
-- Locks are taken in one order by everyone: hold, budget windows by (budget, window), the workspace's ledger.

create table budgets (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  name text not null default '',
  scope text not null check (scope in ('workspace', 'project', 'key', 'agent', 'session', 'run')),
  subject_id uuid not null,
  period text not null check (period in ('total', 'hour', 'day', 'week', 'month', 'year')),
  limit_micros bigint check (limit_micros >= 0),
  limit_tokens bigint check (limit_tokens >= 0),
  limit_calls bigint check (limit_calls >= 0),
  warn_at_percent smallint[] not null default '{80}',
  is_active boolean not null default true,
  starts_at timestamptz,
  ends_at timestamptz,
  metadata jsonb not null default '{}',
  -- Made by a run for its agent's own limit, and gone with the run's end.
  is_of_agent boolean not null default false,
  created_by text not null,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  check (limit_micros is not null or limit_tokens is not null or limit_calls is not null)
);
create index budgets_subject on budgets (workspace_id, subject_id);
create index budgets_page on budgets (workspace_id, id);
create unique index budgets_of_agents on budgets (subject_id) where is_of_agent;
select isolate('budgets');

-- What one budget has seen in one window of its period. Windows are those of the calendar, in UTC.
create table budget_windows (
  budget_id uuid not null references budgets on delete cascade,
  window_start timestamptz not null,
  workspace_id uuid not null,
  spent_micros bigint not null default 0,
  reserved_micros bigint not null default 0,
  spent_tokens bigint not null default 0,
  reserved_tokens bigint not null default 0,
  spent_calls bigint not null default 0,
  reserved_calls bigint not null default 0,
  -- The part of spent_micros that belongs to calls whose end nobody reported.
  unconfirmed_micros bigint not null default 0,
  refused_calls bigint not null default 0,
  refused_at timestamptz,
  warned_percent smallint,
  warned_at timestamptz,
  primary key (budget_id, window_start)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
select isolate('budget_windows');

-- One row per call that is under way, and per call whose end nobody reported in time.
create table holds (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  run_id uuid,
  step int,
  key_id uuid,
  model text not null,
  micros bigint not null,
  tokens bigint not null,
  credit_micros bigint not null default 0,
  budget_ids uuid[] not null,
  window_starts timestamptz[] not null,
  is_open boolean not null default true,
  created_at timestamptz not null default clock_timestamp(),
  -- None for a run's: the run replaces it when it resumes, and ends it with itself.
  expires_at timestamptz
) with (autovacuum_vacuum_scale_factor = 0.02);
create unique index holds_step on holds (run_id, step) where is_open;
create index holds_overdue on holds (workspace_id, expires_at) where is_open;
create index holds_page on holds (workspace_id, id);
select isolate('holds');

-- Credits: an account of a workspace is a column here, and the sum of its entries. Sources (granted, adjusted,
-- shortfall) are negative, so that everything together is zero.
create table ledgers (
  workspace_id uuid primary key references workspaces on delete cascade,
  is_enabled boolean not null default false,
  balance_micros bigint not null default 0 check (balance_micros >= 0),
  held_micros bigint not null default 0 check (held_micros >= 0),
  spent_micros bigint not null default 0,
  granted_micros bigint not null default 0,
  adjusted_micros bigint not null default 0,
  shortfall_micros bigint not null default 0,
  updated_at timestamptz not null default clock_timestamp(),
  check (balance_micros + held_micros + spent_micros + granted_micros + adjusted_micros + shortfall_micros = 0)
) with (fillfactor = 50);
select isolate('ledgers');

create table ledger_transactions (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  at timestamptz not null default clock_timestamp(),
  kind text not null check (kind in ('grant', 'adjustment', 'hold', 'release', 'settlement', 'expiry', 'charge')),
  note text not null default '',
  hold_id uuid,
  usage_id uuid,
  run_id uuid,
  key_id uuid,
  created_by text not null default 'system'
);
create index ledger_transactions_page on ledger_transactions (workspace_id, id);
select isolate('ledger_transactions');
revoke update, delete on ledger_transactions from glia_app;

create table ledger_entries (
  transaction_id uuid not null references ledger_transactions,
  workspace_id uuid not null references workspaces on delete cascade,
  account text not null check (account in ('balance', 'held', 'spent', 'granted', 'adjusted', 'shortfall')),
  amount_micros bigint not null check (amount_micros <> 0),
  primary key (transaction_id, account)
);
select isolate('ledger_entries');
revoke update, delete on ledger_entries from glia_app;

create function require_balanced_entries() returns trigger language plpgsql as $$
begin
  if (select sum(amount_micros) from glia.ledger_entries where transaction_id = new.transaction_id) <> 0 then
    raise exception 'The entries of ledger transaction % do not add up to zero.', new.transaction_id
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger ledger_entries_balanced after insert on ledger_entries
  deferrable initially deferred for each row execute function require_balanced_entries();

-- Entries are the truth, the columns of the ledger follow them.
create function follow_entries() returns trigger language plpgsql as $$
begin
  update glia.ledgers l set
    balance_micros = l.balance_micros + e.balance, held_micros = l.held_micros + e.held,
    spent_micros = l.spent_micros + e.spent, granted_micros = l.granted_micros + e.granted,
    adjusted_micros = l.adjusted_micros + e.adjusted, shortfall_micros = l.shortfall_micros + e.shortfall,
    updated_at = clock_timestamp()
  from (
    select workspace_id,
      coalesce(sum(amount_micros) filter (where account = 'balance'), 0) as balance,
      coalesce(sum(amount_micros) filter (where account = 'held'), 0) as held,
      coalesce(sum(amount_micros) filter (where account = 'spent'), 0) as spent,
      coalesce(sum(amount_micros) filter (where account = 'granted'), 0) as granted,
      coalesce(sum(amount_micros) filter (where account = 'adjusted'), 0) as adjusted,
      coalesce(sum(amount_micros) filter (where account = 'shortfall'), 0) as shortfall
    from added group by workspace_id) e
  where l.workspace_id = e.workspace_id;
  return null;
end $$;
create trigger ledger_entries_followed after insert on ledger_entries
  referencing new table as added for each statement execute function follow_entries();

-- Ids that sort by time, as those that the program makes (UUIDv7).
create function time_ordered_id() returns uuid language sql volatile as $$
  select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
          || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$;

create function window_start_of(period text, moment timestamptz) returns timestamptz language sql stable as $$
  select case when period = 'total' then to_timestamp(0)
              else date_trunc(period, moment at time zone 'UTC') at time zone 'UTC' end
$$;

create function window_end_of(period text, moment timestamptz) returns timestamptz language sql stable as $$
  select case when period = 'total' then null
              else (date_trunc(period, moment at time zone 'UTC') + ('1 ' || period)::interval) at time zone 'UTC' end
$$;

-- A transaction of the ledger. The caller holds the ledger's row.
create function post_credits(
  in_id uuid, in_workspace uuid, in_kind text, to_balance bigint, to_held bigint, to_spent bigint,
  to_granted bigint default 0, to_adjusted bigint default 0, to_shortfall bigint default 0,
  in_note text default '', in_hold uuid default null, in_usage uuid default null, in_run uuid default null,
  in_key uuid default null, in_by text default 'system'
) returns void language plpgsql as $$
begin
  if to_balance = 0 and to_held = 0 and to_spent = 0 and to_granted = 0 and to_adjusted = 0 and to_shortfall = 0 then
    return;
  end if;
  insert into glia.ledger_transactions (id, workspace_id, kind, note, hold_id, usage_id, run_id, key_id, created_by)
  values (in_id, in_workspace, in_kind, in_note, in_hold, in_usage, in_run, in_key, in_by);
  insert into glia.ledger_entries (transaction_id, workspace_id, account, amount_micros)
  select in_id, in_workspace, e.account, e.amount
  from unnest(array['balance', 'held', 'spent', 'granted', 'adjusted', 'shortfall'],
              array[to_balance, to_held, to_spent, to_granted, to_adjusted, to_shortfall]) as e (account, amount)
  where e.amount <> 0;
end $$;

-- Everything that a call counts against: where it happens, who asks, and the run with all that started it.
create function spending_subjects(in_workspace uuid, in_project uuid, in_key uuid, in_agent uuid, in_run uuid)
returns uuid[] language plpgsql stable as $$
begin
  if in_run is null then
    return array[in_workspace, in_project, in_key, in_agent];
  end if;
  return (
    with recursive line as (
      select r.id, r.session_id, r.agent_id, r.parent_run_id from glia.runs r where r.id = in_run
      union all
      select r.id, r.session_id, r.agent_id, r.parent_run_id from line join glia.runs r on r.id = line.parent_run_id
    )
    select array[in_workspace, in_project, in_key, in_agent]
      || coalesce(array_agg(id) || array_agg(session_id) || array_agg(agent_id), '{}') from line);
end $$;

-- The budgets that are in force for these subjects, and the window each is in, in the order in which they are locked.
create function budgets_in_force(in_workspace uuid, subjects uuid[], moment timestamptz)
returns table (budget_ids uuid[], window_starts timestamptz[]) language sql stable as $$
  select array_agg(b.id order by b.id), array_agg(glia.window_start_of(b.period, moment) order by b.id)
  from glia.budgets b
  where b.workspace_id = in_workspace and b.subject_id = any(subjects) and b.is_active
    and (b.starts_at is null or b.starts_at <= moment) and (b.ends_at is null or b.ends_at > moment)
$$;

create function lock_windows(ids uuid[], starts timestamptz[]) returns void language plpgsql as $$
begin
  perform from glia.budget_windows w
  where (w.budget_id, w.window_start) in (select * from unnest(ids, starts))
  order by w.budget_id, w.window_start for update;
end $$;

create function open_windows(in_workspace uuid, ids uuid[], starts timestamptz[]) returns void language plpgsql as $$
begin
  insert into glia.budget_windows (budget_id, window_start, workspace_id)
  select u.id, u.start, in_workspace from unnest(ids, starts) as u (id, start)
  where not exists (select from glia.budget_windows x where x.budget_id = u.id and x.window_start = u.start)
  order by 1 on conflict do nothing;
end $$;

-- Changes what windows have counted, and notes the highest threshold that this crosses.
create function count_in(
  ids uuid[], starts timestamptz[], held_micros bigint, held_tokens bigint, held_calls int,
  cost bigint, tokens bigint, calls int, unconfirmed bigint default 0
) returns void language plpgsql as $$
begin
  if cardinality(ids) > 1 then
    perform glia.lock_windows(ids, starts);
  end if;
  update glia.budget_windows w set
    reserved_micros = w.reserved_micros + held_micros, reserved_tokens = w.reserved_tokens + held_tokens,
    reserved_calls = w.reserved_calls + held_calls,
    spent_micros = w.spent_micros + cost, spent_tokens = w.spent_tokens + tokens, spent_calls = w.spent_calls + calls,
    unconfirmed_micros = w.unconfirmed_micros + unconfirmed
  from unnest(ids, starts) as u (id, start)
  where w.budget_id = u.id and w.window_start = u.start;
  if cost = 0 and tokens = 0 and calls = 0 then
    return;
  end if;
  update glia.budget_windows w set warned_percent = n.percent, warned_at = clock_timestamp()
  from unnest(ids, starts) as u (id, start) join glia.budgets b on b.id = u.id
  cross join lateral (
    select max(p.percent) as percent
    from unnest(b.warn_at_percent) as p (percent), glia.budget_windows x
    where x.budget_id = u.id and x.window_start = u.start
      and (x.spent_micros >= b.limit_micros::numeric * p.percent / 100
        or x.spent_tokens >= b.limit_tokens::numeric * p.percent / 100
        or x.spent_calls >= b.limit_calls::numeric * p.percent / 100)
  ) n
  where w.budget_id = u.id and w.window_start = u.start and n.percent > coalesce(w.warned_percent, -1);
end $$;

-- Holds the most that a call can cost. outcome:
--   free     nothing limits this call; nothing is held
--   held     output_tokens is how long the answer may become
--   budget   a budget has no room; the columns after held_micros say which, and how much is missing
--   credit   the balance does not cover it
--   price    money is limited here, and nobody knows what this model costs
-- An answer is given as many tokens as there is room for, from least_output up to most_output.
-- A run's hold belongs to its step: one of an earlier attempt is given back first.
create function reserve_call(
  in_workspace uuid, in_hold uuid, in_project uuid, in_key uuid, in_agent uuid, in_run uuid, in_step int,
  in_model text, most_input bigint, input_micros bigint, output_rate bigint, most_output bigint, least_output bigint,
  run_limit bigint, hold_seconds float8
) returns table (
  outcome text, output_tokens bigint, held_micros bigint, budget_id uuid, scope text, unit text, limit_amount bigint,
  spent bigint, reserved bigint, needed bigint, period_end timestamptz
) language plpgsql set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  moment timestamptz := clock_timestamp();
  ids uuid[];
  starts timestamptz[];
  earlier glia.holds;
  ledger glia.ledgers;
  limits_money boolean := false;
  room_micros numeric;
  budget_micros numeric;
  room_tokens bigint;
  room_calls bigint;
  given bigint := most_output;
  cost bigint;
  tokens bigint;
  b glia.budgets;
  w glia.budget_windows;
begin
  perform set_config('glia.workspace', in_workspace::text, true);
  if run_limit is not null then
    insert into glia.budgets (id, workspace_id, scope, subject_id, period, limit_micros, is_of_agent, created_by)
    values (glia.time_ordered_id(), in_workspace, 'run', in_run, 'total', run_limit, true, 'system')
    on conflict (subject_id) where is_of_agent do nothing;
  end if;
  if in_run is not null then
    select h.* into earlier from glia.holds h where h.run_id = in_run and h.step = in_step and h.is_open for update;
  end if;
  select f.budget_ids, f.window_starts into ids, starts
  from glia.budgets_in_force(in_workspace,
    glia.spending_subjects(in_workspace, in_project, in_key, in_agent, in_run), moment) f;
  if earlier.id is not null then
    perform glia.open_windows(in_workspace, ids, starts);
    perform glia.lock_windows(ids || earlier.budget_ids, starts || earlier.window_starts);
    perform glia.count_in(earlier.budget_ids, earlier.window_starts, -earlier.micros, -earlier.tokens, -1, 0, 0, 0);
    delete from glia.holds h where h.id = earlier.id;
    if earlier.credit_micros > 0 then
      perform glia.settle_credits(in_workspace, glia.time_ordered_id(), 'release', earlier.id, earlier.credit_micros, 0,
        0, in_run, in_key);
    end if;
  end if;
  if ids is not null then
    -- Before any lock, so that windows are made and locked in the same order.
    if exists (select from unnest(ids, starts) as u (id, start) where not exists (
        select from glia.budget_windows x where x.budget_id = u.id and x.window_start = u.start)) then
      perform glia.open_windows(in_workspace, ids, starts);
    end if;
    with locked as materialized (
      select w.*, b.limit_micros, b.limit_tokens, b.limit_calls
      from unnest(ids, starts) as u (id, start)
      join glia.budgets b on b.id = u.id
      join glia.budget_windows w on w.budget_id = u.id and w.window_start = u.start
      order by w.budget_id, w.window_start for update of w)
    select coalesce(bool_or(limit_micros is not null), false),
      min(limit_micros - spent_micros - reserved_micros), min(limit_tokens - spent_tokens - reserved_tokens),
      min(limit_calls - spent_calls - reserved_calls)
    into limits_money, room_micros, room_tokens, room_calls from locked;
  end if;
  select l.* into ledger from glia.ledgers l where l.workspace_id = in_workspace and l.is_enabled for update;
  if ids is null and ledger.is_enabled is not true then
    return query select 'free', null::bigint, null::bigint, null::uuid, null::text, null::text, null::bigint,
      null::bigint, null::bigint, null::bigint, null::timestamptz;
    return;
  end if;
  budget_micros := room_micros;
  if ledger.is_enabled then
    limits_money := true;
    room_micros := least(room_micros, ledger.balance_micros);
  end if;
  if limits_money and input_micros is null then
    return query select 'price', null::bigint, null::bigint, null::uuid, null::text, null::text, null::bigint,
      null::bigint, null::bigint, null::bigint, null::timestamptz;
    return;
  end if;
  if limits_money and output_rate > 0 then
    given := least(given, floor((room_micros - input_micros) * 1000000 / output_rate)::bigint);
  end if;
  given := greatest(least_output, least(given, room_tokens - most_input));
  cost := coalesce(input_micros, 0) + ceil(given::numeric * coalesce(output_rate, 0) / 1000000)::bigint;
  tokens := most_input + given;

  if (cost > 0 and cost > budget_micros) or tokens > room_tokens or room_calls < 1 then
    select x.* into b
    from unnest(ids, starts) as u (id, start)
    join glia.budgets x on x.id = u.id
    join glia.budget_windows y on y.budget_id = u.id and y.window_start = u.start
    where (cost > 0 and x.limit_micros < y.spent_micros + y.reserved_micros + cost)
      or x.limit_tokens < y.spent_tokens + y.reserved_tokens + tokens
      or x.limit_calls < y.spent_calls + y.reserved_calls + 1
    order by (x.limit_micros < y.spent_micros + cost) desc nulls last, x.id limit 1;
    update glia.budget_windows y set refused_calls = y.refused_calls + 1, refused_at = moment
    where y.budget_id = b.id and y.window_start = glia.window_start_of(b.period, moment) returning y.* into w;
    return query select 'budget', null::bigint, null::bigint, b.id, b.scope, r.unit, r.limit_amount, r.spent,
      r.reserved, r.needed, glia.window_end_of(b.period, moment)
    from (values
      ('micros', b.limit_micros, w.spent_micros, w.reserved_micros, cost),
      ('tokens', b.limit_tokens, w.spent_tokens, w.reserved_tokens, tokens),
      ('calls', b.limit_calls, w.spent_calls, w.reserved_calls, 1::bigint)
    ) as r (unit, limit_amount, spent, reserved, needed)
    where r.limit_amount < r.spent + r.reserved + r.needed and r.needed > 0 limit 1;
    return;
  end if;
  if ledger.is_enabled and cost > ledger.balance_micros then
    return query select 'credit', null::bigint, null::bigint, null::uuid, null::text, 'micros', ledger.balance_micros,
      ledger.spent_micros, ledger.held_micros, cost, null::timestamptz;
    return;
  end if;

  update glia.budget_windows y set reserved_micros = y.reserved_micros + cost,
    reserved_tokens = y.reserved_tokens + tokens, reserved_calls = y.reserved_calls + 1
  from unnest(ids, starts) as u (id, start)
  where y.budget_id = u.id and y.window_start = u.start;
  insert into glia.holds (id, workspace_id, run_id, step, key_id, model, micros, tokens, credit_micros, budget_ids,
    window_starts, expires_at)
  values (in_hold, in_workspace, in_run, in_step, in_key, in_model, cost, tokens,
    case when ledger.is_enabled then cost else 0 end, coalesce(ids, '{}'), coalesce(starts, '{}'),
    case when in_run is null then moment + make_interval(secs => hold_seconds) end);
  if ledger.is_enabled then
    perform glia.post_credits(in_hold, in_workspace, 'hold', -cost, cost, 0, in_hold => in_hold, in_run => in_run,
      in_key => in_key);
  end if;
  return query select 'held',
    case when (limits_money and output_rate > 0) or room_tokens is not null then given end, cost,
    null::uuid, null::text, null::text, null::bigint, null::bigint, null::bigint, null::bigint, null::timestamptz;
end $$;

-- Moves what a call cost, and the rest of what was held for it. A cost beyond the hold comes out of the balance as far
-- as that goes; what is left shows as shortfall, so that the balance is never negative.
create function settle_credits(in_workspace uuid, in_transaction uuid, in_kind text, hold_id uuid, held bigint,
  already_spent bigint, cost bigint, in_run uuid, in_key uuid) returns void language plpgsql as $$
declare
  balance bigint;
  more bigint := cost - held - already_spent;
  covered bigint;
begin
  select l.balance_micros into balance from glia.ledgers l where l.workspace_id = in_workspace for update;
  if not found then
    return;
  end if;
  covered := least(more, balance);
  perform glia.post_credits(in_transaction, in_workspace, in_kind, -covered, -held, cost - already_spent,
    to_shortfall => covered - more, in_hold => hold_id,
    in_usage => case when in_kind in ('settlement', 'charge') then in_transaction end, in_run => in_run,
    in_key => in_key);
end $$;

-- What a usage record means for budgets and credits. With a `hold_id` it replaces that hold; without one, or when the
-- hold is gone, it counts against what is in force now: nothing that cost money goes by uncounted.
create function settle_usage(record jsonb) returns void
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  r glia.usage_records := jsonb_populate_record(null::glia.usage_records, record);
  cost bigint := coalesce(r.cost_micros, 0);
  tokens bigint := r.input_tokens + r.output_tokens;
  h glia.holds;
  ids uuid[];
  starts timestamptz[];
  is_enabled boolean;
begin
  if record->>'hold_id' is not null then
    select x.* into h from glia.holds x where x.id = (record->>'hold_id')::uuid for update;
  end if;
  if h.id is null then
    select f.budget_ids, f.window_starts into ids, starts
    from glia.budgets_in_force(r.workspace_id, glia.spending_subjects(r.workspace_id, r.project_id, r.key_id,
      r.agent_id, r.run_id), clock_timestamp()) f;
    perform glia.open_windows(r.workspace_id, ids, starts);
    perform glia.count_in(ids, starts, 0, 0, 0, cost, tokens, 1);
    select l.is_enabled into is_enabled from glia.ledgers l where l.workspace_id = r.workspace_id;
    if is_enabled then
      perform glia.settle_credits(r.workspace_id, r.id, 'charge', null, 0, 0, cost, r.run_id, r.key_id);
    end if;
    return;
  end if;
  if h.is_open then
    perform glia.count_in(h.budget_ids, h.window_starts, -h.micros, -h.tokens, -1, cost, tokens, 1);
  else  -- it was booked as spent in full; now the truth is known
    perform glia.count_in(h.budget_ids, h.window_starts, 0, 0, 0, cost - h.micros, tokens - h.tokens, 0, -h.micros);
  end if;
  delete from glia.holds x where x.id = h.id;
  select l.is_enabled into is_enabled from glia.ledgers l where l.workspace_id = r.workspace_id;
  if h.credit_micros > 0 or is_enabled then
    perform glia.settle_credits(r.workspace_id, r.id, 'settlement', h.id,
      case when h.is_open then h.credit_micros else 0 end, case when h.is_open then 0 else h.credit_micros end,
      cost, r.run_id, r.key_id);
  end if;
end $$;

-- Gives a hold back whose call was never made.
create function release_hold(in_workspace uuid, in_hold uuid) returns table (is_done boolean) language plpgsql as $$
declare
  h glia.holds;
begin
  perform set_config('glia.workspace', in_workspace::text, true);
  select x.* into h from glia.holds x where x.id = in_hold for update;
  if h.id is null then
    return query select false;
    return;
  end if;
  if h.is_open then
    perform glia.count_in(h.budget_ids, h.window_starts, -h.micros, -h.tokens, -1, 0, 0, 0);
  else
    perform glia.count_in(h.budget_ids, h.window_starts, 0, 0, 0, -h.micros, -h.tokens, -1, -h.micros);
  end if;
  delete from glia.holds x where x.id = h.id;
  if h.credit_micros > 0 then
    perform glia.settle_credits(in_workspace, glia.time_ordered_id(), 'release', h.id,
      case when h.is_open then h.credit_micros else 0 end, case when h.is_open then 0 else h.credit_micros end,
      0, h.run_id, h.key_id);
  end if;
  return query select true;
end $$;

-- Books open holds as spent in full: nobody came to say what the calls did cost. They stay, closed, for people to see
-- and for a late report to correct. Returns how many.
create function book_holds(in_workspace uuid, hold_ids uuid[]) returns bigint language plpgsql as $$
declare
  found_holds glia.holds[];
  h glia.holds;
begin
  select array_agg(x.h) into found_holds from (
    select y as h from glia.holds y where y.id = any(hold_ids) and y.is_open order by y.id for update) x;
  if found_holds is null then
    return 0;
  end if;
  perform glia.lock_windows(array_agg(u.id), array_agg(u.start))
  from unnest(found_holds) f cross join lateral unnest(f.budget_ids, f.window_starts) as u (id, start);
  foreach h in array found_holds loop
    perform glia.count_in(h.budget_ids, h.window_starts, -h.micros, -h.tokens, -1, h.micros, h.tokens, 1, h.micros);
    update glia.holds x set is_open = false where x.id = h.id;
    if h.credit_micros > 0 then
      perform glia.settle_credits(in_workspace, glia.time_ordered_id(), 'expiry', h.id, h.credit_micros, 0,
        h.credit_micros, h.run_id, h.key_id);
    end if;
  end loop;
  return cardinality(found_holds);
end $$;

create function has_limits(in_workspace uuid) returns boolean language plpgsql stable as $$
begin
  return exists (select from glia.budgets b where b.workspace_id = in_workspace and b.is_active)
    or exists (select from glia.ledgers l where l.workspace_id = in_workspace and l.is_enabled);
end $$;

create or replace function record_usage(record jsonb) returns void language plpgsql as $$
begin
  insert into glia.usage_records (id, workspace_id, project_id, at, operation, model, agent_id, run_id, key_id,
    input_tokens, output_tokens, cached_input_tokens, thinking_tokens, is_estimated, is_streamed, cost_micros,
    latency_ms, status)
  select r.id, r.workspace_id, r.project_id, r.at, r.operation, r.model, r.agent_id, r.run_id, r.key_id,
    r.input_tokens, r.output_tokens, r.cached_input_tokens, r.thinking_tokens, r.is_estimated, r.is_streamed,
    r.cost_micros, r.latency_ms, r.status
  from jsonb_populate_record(null::glia.usage_records, record) r
  on conflict (id) do nothing;
  -- What is recorded already has been counted.
  if found and (record->>'hold_id' is not null or glia.has_limits((record->>'workspace_id')::uuid)) then
    perform glia.settle_usage(record);
  end if;
end $$;

-- A usage record outside of a run, in one round trip.
create function settle_call(in_workspace uuid, record jsonb) returns table (is_done boolean) language plpgsql as $$
begin
  perform set_config('glia.workspace', in_workspace::text, true);
  perform glia.record_usage(record);
  return query select true;
end $$;

-- A run that has ended makes no more calls. What one of them may have cost and nobody reported is booked in full.
create function close_spending() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('glia.workspace', true), '') = '' then
    return null;
  end if;
  if exists (select from glia.holds h where h.run_id = new.id and h.is_open) then
    perform glia.book_holds(new.workspace_id, array(select h.id from glia.holds h where h.run_id = new.id and h.is_open));
  end if;
  delete from glia.budgets b where b.subject_id = new.id and b.is_of_agent;
  return null;
end $$;
-- Deferred, so that the usage record which comes in the same transaction settles its hold first.
create constraint trigger runs_spending after update on runs deferrable initially deferred for each row
  when (old.status is distinct from new.status and new.status in ('completed', 'failed', 'cancelled'))
  execute function close_spending();
