from __future__ import annotations

import pytest

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.feedback.service import Feedbacks
from glia.feedback.types import FeedbackSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.pages import Window
from glia.sessions.service import Sessions
from tests.conftest import make_principal


async def test_feedback_is_kept_counted_and_added_up(db: Database, principal: Principal) -> None:
    feedback = Feedbacks(db)
    agent = (await Agents(db).create(principal, AgentSpec(name="Clerk"))).id
    session = (await Sessions(db).create(principal, agent_id=agent)).id

    good = await feedback.give(principal, FeedbackSpec("positive", None, session, 3, "ada", 5, "Fine."))
    bad = await feedback.give(principal, FeedbackSpec("negative", agent, rating=2))
    await feedback.give(principal, FeedbackSpec("correction"))

    assert (good.agent_id, good.message_seq) == (agent, 3)
    assert bad.number > good.number
    assert [one.id for one in (await feedback.list(principal, Window(), agent_id=agent)).items] == [bad.id, good.id]
    assert [one.id for one in (await feedback.list(principal, Window(), kind="positive")).items] == [good.id]
    stats = await feedback.stats(principal, agent_id=agent)
    assert (stats.total, stats.positive, stats.negative, stats.average_rating) == (2, 1, 1, 3.5)
    assert (await feedback.stats(principal)).corrections == 1
    await feedback.delete(principal, bad.id)
    assert (await feedback.stats(principal, agent_id=agent)).total == 1


async def test_what_cannot_be_is_refused(db: Database, principal: Principal) -> None:
    feedback = Feedbacks(db)
    stranger = await make_principal(db)
    agent = (await Agents(db).create(stranger, AgentSpec(name="Clerk"))).id
    session = (await Sessions(db).create(stranger, agent_id=agent)).id

    for spec in (
        FeedbackSpec("great"),  # type: ignore[arg-type]
        FeedbackSpec("positive", rating=6),
        FeedbackSpec("positive", message_seq=3),
        FeedbackSpec("positive", comment="\0"),
    ):
        with pytest.raises(InvalidRequest):
            await feedback.give(principal, spec)
    for spec in (FeedbackSpec("positive", agent), FeedbackSpec("positive", session_id=session)):
        with pytest.raises(NotFound):
            await feedback.give(principal, spec)
