"""SQL of the credits ledger. Entries are only ever added; the accounts in `ledgers` follow them by trigger."""

from __future__ import annotations

from uuid import UUID

from glia.kit.db import Transaction
from glia.kit.pages import Window
from glia.usage.types import Account, CreditBalance, CreditTransaction


async def balance(tx: Transaction, workspace_id: UUID) -> CreditBalance | None:
    return await tx.one_or_none(
        CreditBalance,
        """
        select is_enabled, balance_micros, held_micros, spent_micros, -granted_micros as granted_micros,
          -adjusted_micros as adjusted_micros, -shortfall_micros as shortfall_micros
        from ledgers where workspace_id = %(workspace_id)s""",
        workspace_id=workspace_id,
    )


async def enable(tx: Transaction, workspace_id: UUID, *, is_enabled: bool) -> None:
    await tx.execute(
        """
        insert into ledgers (workspace_id, is_enabled) values (%(workspace_id)s, %(is_enabled)s)
        on conflict (workspace_id) do update set is_enabled = excluded.is_enabled, updated_at = clock_timestamp()""",
        workspace_id=workspace_id,
        is_enabled=is_enabled,
    )


async def lock(tx: Transaction, workspace_id: UUID) -> int:
    """The free balance, held for this transaction. A workspace without a ledger gets one that is switched off."""
    await tx.execute(
        "insert into ledgers (workspace_id) values (%(id)s) on conflict do nothing",
        id=workspace_id,
    )
    return int(
        await tx.value("select balance_micros from ledgers where workspace_id = %(id)s for update", id=workspace_id)
    )


async def lacks(tx: Transaction, workspace_id: UUID, needed_micros: int) -> bool:
    """Whether credits are on and do not cover an amount. Nobody changes that before tx ends."""
    return bool(
        await tx.value(
            """
            select balance_micros < %(needed)s from ledgers where workspace_id = %(workspace_id)s and is_enabled
            for share""",
            workspace_id=workspace_id,
            needed=needed_micros,
        )
    )


async def grant(
    tx: Transaction, id: UUID, *, workspace_id: UUID, amount_micros: int, note: str, created_by: str
) -> None:
    await tx.execute(
        """
        select glia.post_credits(%(id)s, %(workspace_id)s, 'grant', %(amount)s, 0, 0, to_granted => -%(amount)s::bigint,
          in_note => %(note)s, in_by => %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        amount=amount_micros,
        note=note,
        created_by=created_by,
    )


async def adjust(
    tx: Transaction, id: UUID, *, workspace_id: UUID, amount_micros: int, note: str, created_by: str
) -> None:
    await tx.execute(
        """
        select glia.post_credits(%(id)s, %(workspace_id)s, 'adjustment', %(amount)s, 0, 0,
          to_adjusted => -%(amount)s::bigint, in_note => %(note)s, in_by => %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        amount=amount_micros,
        note=note,
        created_by=created_by,
    )


async def list_page(
    tx: Transaction, window: Window, id: UUID | None = None, account: Account | None = None
) -> list[CreditTransaction]:
    """id: only this transaction. account: only those that changed it.

    step: of the call that a transaction ends, or that something is still held for.
    """
    return await tx.many(
        CreditTransaction,
        """
        select t.id, t.at, t.kind, t.note, t.hold_id, t.usage_id, t.run_id, t.key_id, t.created_by,
          coalesce((select u.step from usage_records u where u.id = t.usage_id),
            (select h.step from holds h where h.id = t.hold_id)) as step,
          (select u.tool_call_id from usage_records u where u.id = t.usage_id) as tool_call_id,
          (select jsonb_agg(jsonb_build_object('account', e.account, 'amount_micros', e.amount_micros)
             order by e.account) from ledger_entries e where e.transaction_id = t.id) as entries
        from ledger_transactions t
        where (%(after)s::uuid is null or t.id < %(after)s) and (%(id)s::uuid is null or t.id = %(id)s)
          and (%(account)s::text is null or exists (
            select from ledger_entries e where e.transaction_id = t.id and e.account = %(account)s))
        order by t.id desc limit %(rows)s""",
        after=window.after,
        id=id,
        account=account,
        rows=window.limit + 1,
    )
