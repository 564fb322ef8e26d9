"""Model calls for a plan or a judgement that belong to no run: held against every budget and recorded, like any."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from glia.agents.service import Agents
from glia.identity.types import Principal
from glia.models.service import Models, Patience, ResolvedModel, ask_held
from glia.models.types import Message, ModelRequest, ModelSettings
from glia.runs.asides import Aside, step_usage
from glia.runs.types import Spent
from glia.tools.service import Tools
from glia.usage.service import Spending, Usage
from glia.usage.types import Payer, UsageRecord

_SECONDS = 180.0


@dataclass(frozen=True)
class Thinkers:
    """What thinking outside of a run takes."""

    agents: Agents
    tools: Tools
    models: Models
    spending: Spending
    usage: Usage


class Asking:
    """One call for one agent. record: what it took, for the transaction that keeps what came of it."""

    def __init__(self, models: Models, spending: Spending, principal: Principal, agent_id: UUID) -> None:
        self._models = models
        self._spending = spending
        self._principal = principal
        self._agent_id = agent_id
        self.record: UsageRecord | None = None

    async def ask(self, number: int, model: ResolvedModel, messages: list[Message], *, most_tokens: int) -> Aside:
        """Raises what a model call raises, BudgetExceeded and InsufficientCredit included."""
        del number  # holds of calls outside of runs replace nothing
        settings = ModelSettings(temperature=0.0, max_output_tokens=most_tokens)
        request = ModelRequest("", messages, (), settings)
        patience = Patience(
            _SECONDS,
            late=f"The model {model.id!r} did not answer within {_SECONDS:g} s.",
            silent="The model ended without an answer.",
        )
        who = self._principal
        payer = Payer(who.workspace_id, who.project_id, agent_id=self._agent_id, key_id=who.key_id)
        response, self.record = await ask_held(self._models, self._spending, model, request, payer, patience)
        return Aside(
            response.text, response.model, step_usage(response.usage), response.cost_micros, Spent(), record=None
        )
