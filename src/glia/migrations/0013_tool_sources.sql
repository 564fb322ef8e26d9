-- Whether agents may call a tool without asking, only when a person has agreed, or not at all.
alter table tools add column permission text not null default 'always' check (permission in ('always', 'ask', 'never'));
