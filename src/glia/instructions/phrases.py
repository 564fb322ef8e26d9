"""What plain words say: a frequency as a schedule, a condition as a trigger. Pure rules.

A condition that names a figure or an event that Glia knows becomes a trigger on it, which costs nothing. Any other
one is judged by a model after each finished run.
"""

from __future__ import annotations

import re
from uuid import UUID

from glia.kit.errors import InvalidRequest
from glia.triggers.types import Comparison, Cron, Interval, Metric, OnCondition, OnEvent, OnMetric, Schedule, When

_LOOKS_EVERY_SECONDS = 15
_WORDS = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 9 * * *",
    "nightly": "0 0 * * *",
    "weekdays": "0 9 * * 1-5",
    "weekly": "0 9 * * 1",
    "monthly": "0 9 1 * *",
    "yearly": "0 9 1 1 *",
}
_SAME = {
    "every minute": "minutely",
    "every hour": "hourly",
    "every day": "daily",
    "every night": "nightly",
    "every weekday": "weekdays",
    "every week": "weekly",
    "every month": "monthly",
    "every year": "yearly",
    "annually": "yearly",
}
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
_EVERY = re.compile(r"every (\d{1,6}) (second|minute|hour|day|week)s?")
_LEAST_EVERY_SECONDS = 10

_UNIT = r"%|percent|k|m|million|thousand|ms|milliseconds?|s|sec(?:ond)?s?|minutes?|usd|dollars?|cents?|tokens?"
_NUMBER = rf"\$?\s*(?P<number>\d[\d,]*(?:\.\d+)?)\s*(?P<unit>{_UNIT})?"
_ABOVE = (
    r"(?:\b(?:is|are|goes|go|rises?|gets?|becomes?|climbs?)\s+)?(?:\b(?:exceeds?|exceeded|above|over|higher than"
    r"|greater than|more than|surpass(?:es)?|reach(?:es)?|slower than|longer than|crosses)\b|>=?)\s*"
)
_WINDOW = re.compile(
    r"(?:\b(?:in|within|over|during|for|per|each|every)\s+(?:the\s+|an?\s+)?(?:last\s+|past\s+)?)"
    r"(?P<count>\d+)?\s*(?P<span>minute|hour|day|week)s?\b|\b(?P<daily>today|daily)\b|\b(?P<hourly>hourly)\b"
)
_METRICS: tuple[tuple[str, Metric], ...] = (
    (
        r"(?:error|failure)\s+(?:rate|ratio|percentage)|(?:rate|share|percentage) of (?:errors|failures|failed runs)",
        "error_rate",
    ),
    (r"(?:average\s+|mean\s+)?(?:latency|response time|answer time|duration)", "latency_seconds"),
    (r"(?:total\s+)?(?:cost|costs|spend|spending|expenses|bill)", "cost_micros"),
    (r"(?:token usage|tokens? (?:use|used|consumption)|tokens)", "tokens"),
    (r"(?:queue (?:time|wait)|waiting time|wait time)", "queue_wait_seconds"),
    (r"(?:number of )?(?:failed model calls|model failures|model errors)", "failed_model_calls"),
    (r"(?:number of )?(?:failed runs|errors|failures|failed requests)", "failed_runs"),
    (r"(?:number of )?(?:model calls|requests|calls)", "model_calls"),
)
_COUNTED: tuple[tuple[str, Metric], ...] = (
    (r"failed model calls|model failures|model errors", "failed_model_calls"),
    (r"failed runs|errors|failures|failed requests", "failed_runs"),
    (r"model calls", "model_calls"),
    (r"tokens", "tokens"),
)
_EVENTS: tuple[tuple[str, str], ...] = (
    (r"(?:an? |the |any )?(?:run|agent|task|job|request) (?:fails|failed|has failed|crashes)"
     r"|(?:an? |any )?(?:error|failure) (?:occurs|happens|occurred|is raised)|on (?:error|failure)", "run.failed"),
    (r"(?:an? |the |any |each |every )?(?:run|task|job|conversation|answer)"
     r" (?:completes|finishes|ends|succeeds|is (?:done|finished|complete))"
     r"|after (?:each|every) (?:run|answer|conversation)", "run.completed"),
    (r"(?:an? |the )?(?:run|task|job) is cancell?ed", "run.cancelled"),
    (r"(?:an? |the |any )?(?:approval|permission) is (?:requested|needed|required|asked for)", "approval.requested"),
    (r"(?:an? |the |any )?budget is (?:exceeded|used up|exhausted)|(?:an? |the )?budget runs out", "budget.exceeded"),
    (r"(?:an? |the |any )?(?:artifact|file|image) is (?:created|made|generated)", "artifact.created"),
)  # fmt: skip
_TOOL = re.compile(r"(?:the )?(?:tool )?[`'\"]?(?P<tool>[a-z][\w-]{1,63})[`'\"]?(?: tool)? is (?:called|used|invoked)")
_LEAD = re.compile(r"^(?:alert me |notify me |tell me )?(?:if|when|whenever|once|as soon as|in case|on)\s+")


def schedule_of(schedule: str | None, frequency: str | None, timezone: str | None) -> Schedule:
    """Raises InvalidRequest when neither says a time, or a word is not known. The cron itself is checked elsewhere."""
    if schedule is not None and schedule.strip():
        return Cron(" ".join(schedule.split()), timezone or "UTC")
    word = " ".join((frequency or "").lower().split())
    if not word:
        raise InvalidRequest(
            "A scheduled instruction needs a `schedule` (five fields of cron, as `0 9 * * *`) or a `frequency`, as"
            " `daily`.",
            field="schedule",
        )
    if (cron := _WORDS.get(_SAME.get(word, word))) is not None:
        return Cron(cron, timezone or "UTC")
    if every := _EVERY.fullmatch(word):
        seconds = int(every[1]) * _SECONDS[every[2]]
        if seconds >= _LEAST_EVERY_SECONDS:
            return Interval(seconds)
    raise InvalidRequest(
        f"`frequency` {word[:100]!r} is not known; there are {', '.join(_WORDS)}, and `every 15 minutes` and the like,"
        f" from {_LEAST_EVERY_SECONDS} seconds on.",
        field="frequency",
    )


def when_of(condition: str, agent_id: UUID) -> When:
    """The trigger that a condition means, for the runs of one agent."""
    text = _LEAD.sub("", " ".join(condition.lower().split()).rstrip(" .!"))
    return _figure(text, agent_id) or _event(text, agent_id) or OnCondition(condition.strip(), agent_id)


def _figure(text: str, agent_id: UUID) -> OnMetric | None:
    window = 3600
    if found := _WINDOW.search(text):
        window = _window_seconds(found)
        text = " ".join((text[: found.start()] + text[found.end() :]).split())
    for pattern, metric in _METRICS:
        match = re.fullmatch(rf"(?:the |our |my |agent'?s? )*(?:{pattern}) {_ABOVE}{_NUMBER}(?: \w+)?", text)
        if match is not None:
            return _on_metric(metric, match, window, agent_id)
    for pattern, metric in _COUNTED:
        match = re.fullmatch(
            rf"(?:there (?:are|were) )?(?:more than|over|>)\s*{_NUMBER}\s*(?:{pattern})(?: occur| happen)?", text
        )
        if match is not None:
            return _on_metric(metric, match, window, agent_id)
    return None


def _on_metric(metric: Metric, match: re.Match[str], window: int, agent_id: UUID) -> OnMetric | None:
    number, unit = float(match["number"].replace(",", "")), match["unit"] or ""
    is_share = unit in {"%", "percent"}
    if is_share != (metric == "error_rate"):
        if metric != "error_rate" or unit:
            return None
        number = number * 100 if number <= 1 else number  # `error rate above 0.05`
    number *= {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}.get(unit, 1)
    if metric == "cost_micros":
        number *= 10_000 if unit.startswith("cent") else 1_000_000
    elif metric in {"latency_seconds", "queue_wait_seconds"}:
        number *= 0.001 if unit.startswith("m") and not unit.startswith("min") else 60 if unit.startswith("min") else 1
    return OnMetric(metric, number, window_seconds=window, every_seconds=_LOOKS_EVERY_SECONDS, agent_id=agent_id)


def _window_seconds(found: re.Match[str]) -> int:
    if found["daily"]:
        return 86400
    if found["hourly"]:
        return 3600
    return min(31 * 86400, max(60, int(found["count"] or 1) * _SECONDS[found["span"]]))


def _event(text: str, agent_id: UUID) -> OnEvent | None:
    for pattern, event_type in _EVENTS:
        if re.fullmatch(pattern, text):
            return OnEvent(event_type, agent_id)
    if tool := _TOOL.fullmatch(text):
        return OnEvent("tool.called", agent_id, [Comparison("tool", "eq", tool["tool"])])
    return None
