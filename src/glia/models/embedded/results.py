"""Shows what tools returned, in words where the shape allows it and compactly where it does not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from glia.models.embedded.answer import best_sentences, cited
from glia.models.embedded.digest import summary
from glia.models.embedded.passages import Passage, parsed
from glia.models.embedded.roles import Role
from glia.models.embedded.schema import is_array, is_object, mapping
from glia.models.embedded.text import READ_CHARACTERS, clean, shorten, squeeze

_LONG_TEXT = 600
_MOST_FIELDS = 20
_MOST_ITEMS = 10
_VALUE_NAMES = ("result", "value", "answer", "output")
_BODY_NAMES = ("text", "content", "body", "markdown", "result")
_TIME_NAMES = ("now", "time", "datetime", "iso", "current_time", "local", "utc", "result", "date", "at")
_UNKNOWN = re.compile(r"outcome[\s_-]{1,2}(?:is[\s_-])?unknown|unknown[\s_-]outcome|may or may not have", re.IGNORECASE)


def failure(name: str, text: str) -> str:
    """A failed or doubtful call, explained, with what to do next."""
    value = parsed(text[:READ_CHARACTERS])
    if is_object(value):
        inner = value.get("error", value)
        text = str(inner.get("message", "")) if is_object(inner) else str(inner)
        text = text or _line(value)
    said = shorten(squeeze(clean(text[:READ_CHARACTERS])), 400)
    if _UNKNOWN.search(text[:2000]):
        return (
            f"The outcome of `{name}` is unknown: the call was interrupted, so it may or may not have taken effect. "
            f"I have not called it again. Please check, then tell me whether to repeat it.{_told(said)}"
        )
    return f"The tool `{name}` failed{': ' + said if said else '.'}"


def is_doubtful(text: str) -> bool:
    return bool(_UNKNOWN.search(text[:500]))


def shown(name: str, role: Role, text: str, arguments: Mapping[str, object], question: str) -> str:
    """A successful result for the user. arguments: what the tool was called with."""
    value = parsed(text[: 10 * READ_CHARACTERS])
    match role:
        case Role.CALCULATOR:
            return _calculation(value, arguments) or _plain(name, value)
        case Role.CLOCK:
            return _time(value) or _plain(name, value)
        case Role.MEMORY_SAVE:
            return _saved(arguments)
        case Role.FETCH:
            return _page(value, arguments, question) or _plain(name, value)
        case _:
            return _plain(name, value)


def _told(said: str) -> str:
    return f" (The tool's record says: {said})" if said else ""


def _scalar(value: object, names: tuple[str, ...]) -> str:
    """The value itself, or the first of the named fields that is a plain value."""
    if is_object(value):
        fields = value
        value = next((fields[name] for name in names if isinstance(fields.get(name), (str, int, float))), None)
    return "" if value is None or isinstance(value, (list, dict)) else squeeze(clean(_word(value)))


def _calculation(value: object, arguments: Mapping[str, object]) -> str:
    result = _scalar(value, _VALUE_NAMES)
    asked = next((one for one in arguments.values() if isinstance(one, str) and re.search(r"\d", one)), "")
    if not result or len(result) > 200:
        return ""
    return result if "=" in result or not asked else f"{squeeze(asked)} = {result}"


def _time(value: object) -> str:
    said = _scalar(value, _TIME_NAMES)
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return f"It is {said}." if said and len(said) < 100 and is_object(value) else ""
    zone = _scalar(mapping(value).get("timezone") or mapping(value).get("zone"), ()) or moment.tzname() or ""
    clock = f", {moment:%H:%M} {zone}".rstrip() if len(said) > 10 else ""
    return f"It is {moment:%A}, {moment.day} {moment:%B %Y}{clock}."


def _saved(arguments: Mapping[str, object]) -> str:
    facts = [one for one in arguments.values() if isinstance(one, str)]
    fact = max(facts, key=len) if facts else ""
    return f"I will remember: {shorten(squeeze(fact), 300)}" if fact else "I have saved that."


def _page(value: object, arguments: Mapping[str, object], question: str) -> str:
    """Sentences of a fetched page that answer the question, or its main ones."""
    fields = mapping(value)
    body = (
        value
        if isinstance(value, str)
        else next((fields[one] for one in _BODY_NAMES if isinstance(fields.get(one), str)), "")
    )
    if not isinstance(body, str) or not body.strip():
        return ""
    url = next((one for one in arguments.values() if isinstance(one, str) and "://" in one), "")
    body = clean(body[:READ_CHARACTERS])
    title = fields.get("title")
    place = Passage(text="", rank=0, uri="" if re.search(r"[\s\[\]]", url) else url)
    chosen = best_sentences(question.replace(url, " "), body, least=0.5)
    lead = "From" if chosen else "The main sentences of"
    called = (
        f"“{shorten(squeeze(clean(title)), 120)}”" if isinstance(title, str) and title.strip() else url or "the page"
    )
    return "\n".join([f"{lead} {called}:", *(cited(one, place) for one in chosen or summary(body))])


def _plain(name: str, value: object) -> str:
    if is_object(value):
        fields = value
        label, only = next(iter(fields.items()), ("", None))
        if len(fields) == 1 and not is_object(only) and not is_array(only):
            return f"`{name}` returned {'' if label in _VALUE_NAMES else clean(label[:80]) + ' '}{_inline(only)}"
        return _block(f"`{name}` returned:", _fields(fields)) if fields else f"`{name}` returned an empty result."
    if is_array(value):
        listed = list(value)
        return (
            _block(f"`{name}` returned {_count(len(listed))}:", _listed(listed))
            if listed
            else f"`{name}` returned an empty list."
        )
    if isinstance(value, str) and not value.strip():
        return f"`{name}` finished and returned nothing."
    if isinstance(value, str) and ("\n" in value or len(value) > _LONG_TEXT):
        return f"`{name}` returned:\n\n{_clipped(value)}"
    return f"`{name}` returned {_inline(value)}"


def _clipped(text: str) -> str:
    text = clean(text[: 4 * _LONG_TEXT])
    return (
        text
        if len(text) <= 2 * _LONG_TEXT
        else shorten(text, 2 * _LONG_TEXT) + "\n(The result goes on; this is its beginning.)"
    )


def _count(number: int) -> str:
    return "1 item" if number == 1 else f"{number} items"


def _block(lead: str, lines: list[str]) -> str:
    return "\n".join([lead, *lines])


def _fields(fields: Mapping[str, object]) -> list[str]:
    lines = [
        f"- {shorten(squeeze(clean(str(name))), 80)}: {_line(value)}"
        for name, value in list(fields.items())[:_MOST_FIELDS]
    ]
    return [*lines, f"- and {len(fields) - _MOST_FIELDS} more fields"] if len(fields) > _MOST_FIELDS else lines


def _listed(listed: list[object]) -> list[str]:
    lines = [f"- {_line(one)}" for one in listed[:_MOST_ITEMS]]
    return [*lines, f"- and {len(listed) - _MOST_ITEMS} more"] if len(listed) > _MOST_ITEMS else lines


def _line(value: object) -> str:
    """One value on one line. Nested values beyond one level are shown as JSON."""
    if is_object(value):
        inner = value
        if all(not isinstance(one, (Mapping, list)) for one in inner.values()):
            return shorten(", ".join(f"{name}: {_word(one)}" for name, one in list(inner.items())[:_MOST_FIELDS]), 300)
    if is_object(value) or is_array(value):
        return shorten(_json(value), 300)
    return shorten(squeeze(clean(_word(value))), 300)


def _json(value: object) -> str:
    try:
        return clean(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return "(a value nested too deeply to show)"


def _inline(value: object) -> str:
    said = shorten(squeeze(clean(_word(value))), _LONG_TEXT)
    return said if said.endswith((".", "!", "?")) else said + "."


def _word(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case True:
            return "true"
        case False:
            return "false"
        case float():
            return f"{value:.12g}"
        case int():
            return str(value) if abs(value) < 10**400 else "a number of more than 400 digits"
        case _:
            return str(value)[:READ_CHARACTERS]
