"""What a workspace may ask for in all: its plan, or the server's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from glia.identity import audit, queries, user_queries
from glia.identity.keys import LARGEST_RATE
from glia.identity.types import Allowance, Authenticated, Plan, Principal, Workspace
from glia.identity.workspaces import Workspaces
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest

REQUESTS_PER_MINUTE: Final = {Plan.FREE: 100, Plan.PRO: 1000}


@dataclass(frozen=True)
class PlanSettings:
    """plan: of workspaces that have none of their own. enterprise_requests_per_minute: where nothing was agreed on.

    The usual ones stop nobody: whoever hosts Glia for themselves is not their own customer.
    """

    plan: Plan = Plan.ENTERPRISE
    enterprise_requests_per_minute: int = LARGEST_RATE


class WorkspacePlans:
    def __init__(
        self, db: Database, workspaces: Workspaces, forget: Callable[[str], None], settings: PlanSettings
    ) -> None:
        self._db = db
        self._workspaces = workspaces
        self._forget = forget
        self._settings = settings

    def allowance(self, of: Authenticated | Workspace | None = None) -> Allowance:
        """None: of somebody who has not said who they are."""
        plan = None if of is None else of.plan
        agreed = None if of is None else of.plan_requests_per_minute
        chosen = plan or self._settings.plan
        usual = REQUESTS_PER_MINUTE.get(chosen, self._settings.enterprise_requests_per_minute)
        return Allowance(chosen, agreed or usual, is_own=plan is not None)

    async def get(self, principal: Principal) -> Allowance:
        return self.allowance(await self._workspaces.get(principal))

    async def set(
        self, principal: Principal, plan: Plan | None, *, requests_per_minute: int | None = None
    ) -> Allowance:
        """In force at once, in every process. plan: None for the server's.

        requests_per_minute: of an enterprise, instead of the server's. The operator may do this for every workspace;
        over the wire only the admins of the one that the installation began with, for it.
        """
        await self.require_operator(principal)
        if requests_per_minute is not None:
            if plan is not Plan.ENTERPRISE:
                raise InvalidRequest(
                    "Only the plan `enterprise` has a limit of its own; leave `requests_per_minute` away.",
                    field="requests_per_minute",
                )
            if not 1 <= requests_per_minute <= LARGEST_RATE:
                raise InvalidRequest(
                    f"`requests_per_minute` is {requests_per_minute}; it must be between 1 and {LARGEST_RATE}.",
                    field="requests_per_minute",
                )
        async with self._db.transaction(principal.workspace_id) as tx:
            await user_queries.set_plan(tx, principal.workspace_id, plan, requests_per_minute)
            name = None if plan is None else plan.value
            about = f"workspace:{principal.workspace_id}"
            await audit.record(tx, principal, "workspace.plan_set", about, plan=name, rate=requests_per_minute)
            await queries.notify(tx, "*")
            tx.after_commit.append(lambda: self._forget("*"))
        return await self.get(principal)

    async def require_operator(self, principal: Principal) -> None:
        """Raises Forbidden for whoever does not look after the installation: prices and plans are not a customer's."""
        principal.require("identity:write")
        if principal.is_operator:
            return
        async with self._db.across_workspaces() as tx:
            is_home = await queries.first_workspace(tx) == principal.workspace_id
        if not is_home:
            raise Forbidden("Only whoever operates this server sets plans, prices and payments; ask them.")
