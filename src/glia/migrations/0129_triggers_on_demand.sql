-- Triggers that fire only when somebody fires them.
alter table triggers drop constraint triggers_kind_check;
alter table triggers add constraint triggers_kind_check
  check (kind in ('cron', 'interval', 'at', 'event', 'metric', 'webhook', 'judged', 'manual')) not valid;
