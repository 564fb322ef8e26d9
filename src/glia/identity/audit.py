"""Who changed what: one entry per change, written in the transaction that makes the change."""

from __future__ import annotations

from uuid import UUID

from glia.identity import audit_queries
from glia.identity.types import Principal
from glia.kit.db import Transaction
from glia.kit.ids import new_id
from glia.kit.origin import address

_NEVER = frozenset({"password", "secret", "token", "api_key", "access_token", "refresh_token", "authorization", "raw"})


async def record(tx: Transaction, principal: Principal, action: str, subject: str, **data: object) -> None:
    """Adds an entry that is kept exactly when the change is.

    action: what happened, as `key.revoked`. subject: to what, as `key:<id>`. data: further facts that JSON can hold;
    never secrets nor what people wrote.
    """
    if forbidden := _NEVER.intersection(data):
        raise ValueError(f"The audit log must not hold {sorted(forbidden)[0]!r}.")
    kind, actor_id = _actor(principal)
    await audit_queries.insert_audit(
        tx,
        id=new_id(),
        workspace_id=principal.workspace_id,
        actor_kind=kind,
        actor_id=actor_id,
        action=action,
        subject=subject,
        data=data,
        address="" if kind == "system" else address(),
    )


def _actor(principal: Principal) -> tuple[str, UUID | None]:
    if principal.key_id is not None:
        return "key", principal.key_id
    if principal.user_id is not None:
        return "user", principal.user_id
    return ("operator" if principal.is_operator else "system"), None
