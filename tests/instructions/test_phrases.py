import pytest

from glia.instructions.phrases import schedule_of, when_of
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.triggers.types import Comparison, Cron, Interval, OnCondition, OnEvent, OnMetric

AGENT = new_id()


@pytest.mark.parametrize(
    ("words", "metric", "above", "window"),
    [
        ("error rate exceeds 5%", "error_rate", 5, 3600),
        ("Alert me when error rate exceeds 5%", "error_rate", 5, 3600),
        ("If the failure rate is above 2.5 percent in the last 30 minutes.", "error_rate", 2.5, 1800),
        ("error rate > 0.05", "error_rate", 5, 3600),
        ("cost exceeds $5 per day", "cost_micros", 5_000_000, 86400),
        ("daily spending goes over 1,000 dollars", "cost_micros", 1_000_000_000, 86400),
        ("the cost is higher than 50 cents", "cost_micros", 500_000, 3600),
        ("average latency exceeds 800 ms", "latency_seconds", 0.8, 3600),
        ("response time is slower than 2 minutes", "latency_seconds", 120, 3600),
        ("token usage exceeds 2 million in a week", "tokens", 2_000_000, 7 * 86400),
        ("more than 10 errors within 2 hours", "failed_runs", 10, 7200),
        ("there are more than 3 failed runs today", "failed_runs", 3, 86400),
    ],
)
def test_a_figure_in_words_is_watched(words: str, metric: str, above: float, window: int) -> None:
    found = when_of(words, AGENT)

    assert isinstance(found, OnMetric), found
    assert (found.metric, found.above, found.window_seconds, found.agent_id) == (metric, above, window, AGENT)


@pytest.mark.parametrize(
    ("words", "event"),
    [
        ("when a run fails", "run.failed"),
        ("an error occurs", "run.failed"),
        ("after every run", "run.completed"),
        ("an approval is requested", "approval.requested"),
        ("the budget is exceeded", "budget.exceeded"),
        ("an image is created", "artifact.created"),
    ],
)
def test_an_event_in_words_is_waited_for(words: str, event: str) -> None:
    assert when_of(words, AGENT) == OnEvent(event, AGENT)


def test_a_tool_in_words_is_waited_for() -> None:
    assert when_of("when the tool book_room is called", AGENT) == OnEvent(
        "tool.called", AGENT, [Comparison("tool", "eq", "book_room")]
    )


@pytest.mark.parametrize(
    "words",
    ["The user asks for a refund", "error rate looks odd", "temperature exceeds 30%", "cost exceeds 5%", "it rains"],
)
def test_whatever_else_is_said_is_judged(words: str) -> None:
    assert when_of(words, AGENT) == OnCondition(words, AGENT)


@pytest.mark.parametrize(
    ("schedule", "frequency", "found"),
    [
        ("0 9 * * *", None, Cron("0 9 * * *", "Europe/Berlin")),
        (" */5  * * * 1-5 ", "daily", Cron("*/5 * * * 1-5", "Europe/Berlin")),
        (None, "hourly", Cron("0 * * * *", "Europe/Berlin")),
        ("", "Daily", Cron("0 9 * * *", "Europe/Berlin")),
        (None, "every week", Cron("0 9 * * 1", "Europe/Berlin")),
        (None, "every 15 minutes", Interval(900)),
    ],
)
def test_times_in_words(schedule: str | None, frequency: str | None, found: Cron | Interval) -> None:
    assert schedule_of(schedule, frequency, "Europe/Berlin") == found


@pytest.mark.parametrize(
    ("frequency", "field"),
    [(None, "schedule"), ("  ", "schedule"), ("sometimes", "frequency"), ("every 1 second", "frequency")],
)
def test_a_time_that_is_none_names_its_field(frequency: str | None, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        schedule_of(None, frequency, None)

    assert refused.value.field == field
