-- A further style: the HMAC of time and body under one's own secret, in headers and fields that have a receiver's names.
alter table webhook_endpoints
  drop constraint webhook_endpoints_style_check,
  add constraint webhook_endpoints_style_check check (style in ('standard', 'sha256', 'alert', 'timestamped')),
  add column header_prefix text not null default '',
  add column fields jsonb not null default '{}';
