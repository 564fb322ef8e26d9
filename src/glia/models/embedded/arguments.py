"""Fills a tool's arguments from a message, by the schema alone. What cannot be filled is named, not invented."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from glia.models.embedded import literals
from glia.models.embedded.schema import Property, mapping, properties
from glia.models.embedded.text import stem, words_of

_TEXT_WORDS = words_of(
    "query q question text message content body prompt input note comment description reason search topic value data "
    "payload expression formula statement sentence"
)
_PLACE_WORDS = words_of("city location place country town region address destination origin")
_PERSON_WORDS = words_of("name recipient to customer person user client employee contact assignee owner who for")
_TITLE_WORDS = words_of("title subject name label heading headline summary")
_MONEY_WORDS = words_of("amount total price sum")
_CODE_WORDS = words_of("id identifier number key code reference ref uuid sku ticket order symbol ticker")

_CAPITALISED = r"((?:[A-ZÀ-ÞА-Я][\w’'.-]{0,40})(?: (?:[A-ZÀ-ÞА-Я][\w’'-]{0,40}|de|la|van|von|der)){0,4})"
_PLACE = re.compile(r"\b(?:in|for|at|of|to|near|from|around)\s" + _CAPITALISED)
_PLACE_LOWER = re.compile(
    r"\b(?:in|for|at|near)\s((?!the\b|a\b|my\b|an\b)[^\W\d_][\w’'-]{1,40}(?:\s(?!in\b|today\b|now\b"
    r"|right\b|please\b|and\b|with\b|for\b|tomorrow\b)[^\W\d_][\w’'-]{1,40})?)"
    r"(?=\s{0,3}[?.!,]|\s{0,3}$|\s(?:in|today|now|right|please|and|with|for|tomorrow)\b)"
)
_PERSON = re.compile(r"\b(?:to|for|with|named|called|from|of|by|assign|notify|invite|email|tell)\s" + _CAPITALISED)
# "send Acme an invoice", "pay Ana Silva 20 euros"
_GIVEN = re.compile(
    r"\b(?i:send|give|email|mail|pay|charge|bill|write|offer)\s" + _CAPITALISED + r"\s(?=an?\b|the\b|this\b|[\d€$£])"
)
_TITLE = re.compile(
    r"\b(?:titled|entitled|called|named|about|saying|that says|subject|regarding)[: ]\s{0,3}(.{1,300})$", re.IGNORECASE
)
_CODE = re.compile(r"#?(?<![\w-])(?=[\w-]{0,40}\d)[A-Za-z0-9][\w-]{0,63}(?![\w-])")
_AFTER = re.compile(r"\b(?:with|for|to|of|in|on|about|saying|that)\s(.{1,2000})$", re.IGNORECASE)
_TRUE = re.compile(r"\b(?:true|yes|on|enabled?)\b", re.IGNORECASE)
_FALSE = re.compile(r"\b(?:false|no|off|disabled?|without|not)\b", re.IGNORECASE)


@dataclass
class Filled:
    """arguments: what the message gave. missing: names of required arguments it did not give."""

    arguments: dict[str, object] = field(default_factory=dict[str, object])
    missing: list[str] = field(default_factory=list[str])


@dataclass
class _Source:
    """The message while values are taken from it; what one argument took is not offered to the next."""

    text: str
    remainder: str
    quoted: list[str]
    numbers: list[int | float]
    objects: list[dict[str, object]]


def fill(schema: Mapping[str, object], text: str, remainder: str, given: Mapping[str, object] | None = None) -> Filled:
    """Arguments for a tool with this schema.

    text: the part of the message meant for the tool. remainder: the same without the words that chose the tool.
    given: values already decided, such as the search query.
    """
    text, remainder = text[:20_000], remainder[:20_000]
    found = literals.json_objects(text)
    plain = _without(text, found)
    source = _Source(
        plain, remainder, literals.quoted(plain), literals.numbers(plain), [value for _, _, value in found]
    )
    filled = Filled(arguments=dict(given or {}))
    listed = properties(schema)
    _from_object(filled, source, {one.name for one in listed}, schema)
    todo = [one for one in listed if one.name not in filled.arguments]
    for one in todo:
        _set(filled, one, _explicit(one, source))
    todo = [one for one in todo if one.name not in filled.arguments]
    for one in sorted(todo, key=_difficulty):
        _set(filled, one, _guess(one, source, only=sum(other.is_required for other in todo) == 1))
    filled.missing = [one.name for one in listed if one.is_required and one.name not in filled.arguments]
    return filled


def _set(filled: Filled, one: Property, value: object) -> None:
    if value is not None:
        filled.arguments[one.name] = value


def _without(text: str, found: list[tuple[int, int, dict[str, object]]]) -> str:
    for start, end, _ in reversed(found):
        text = text[:start] + " " + text[end:]
    return text


def _from_object(filled: Filled, source: _Source, names: set[str], schema: Mapping[str, object]) -> None:
    """A JSON object in the message is the arguments themselves when its keys are the tool's."""
    is_open = not names or bool(mapping(schema.get("additionalProperties")))
    for value in list(source.objects):
        if set(value) & names or is_open:
            filled.arguments |= value
            source.objects.remove(value)
            return


def _difficulty(one: Property) -> int:
    """Exact forms take their values first; free text takes what is left."""
    if one.choices or one.type in {"boolean", "object", "array"} or one.format:
        return 0
    if one.type in {"integer", "number"}:
        return 1
    last = one.words[-1] if one.words else ""
    return 3 if last in _TEXT_WORDS else 2


def _explicit(one: Property, source: _Source) -> object:
    """`city=Paris`, `city: "New York"`, `quantity 3`: the argument's name stands in the message."""
    label = r"[\s_-]?".join(re.escape(word) for word in one.words)
    if not label:
        return None
    value = r"\s{0,3}(\"[^\"]{1,2000}\"|“[^”]{1,2000}”|'[^']{1,2000}'|`[^`]{1,2000}`|[^\s,;]{1,500})"
    found = re.search(rf"(?<![\w]){label}\s{{0,3}}(?:=|:(?!//)|\bset to\b|\bis\b){value}", source.text, re.IGNORECASE)
    if not found and one.type in {"integer", "number"}:
        found = re.search(
            rf"(?<![\w]){label}\s{{1,3}}(?:of\s)?(-?\d[\d.,]{{0,20}})", source.text, re.IGNORECASE
        ) or re.search(rf"(-?\d[\d.,]{{0,20}})\s{{1,3}}{label}", source.text, re.IGNORECASE)
    if not found and one.type == "string" and one.is_required:
        rest = r"[^,;\n]{1,300}" if set(one.words) & (_TEXT_WORDS | _TITLE_WORDS) else r"[^\s,;]{1,200}"
        found = re.search(
            rf"\b(?:with|in|for|of|and)\s(?:the\s)?{label}\s{{1,3}}(\"[^\"]{{1,2000}}\"|{rest})",
            source.text,
            re.IGNORECASE,
        )
    if not found:
        return None
    raw = found.group(1).strip("\"“”'`")
    if raw in source.quoted:
        source.quoted.remove(raw)
    converted = _converted(one, raw.rstrip(".?!,") or raw)
    if isinstance(converted, (int, float)) and converted in source.numbers:
        source.numbers.remove(converted)
    return converted


def _converted(one: Property, raw: str) -> object:
    if one.choices:
        return next((choice for choice in one.choices if str(choice).lower() == raw.lower()), None)
    if one.type in {"integer", "number"}:
        return _number(one, literals.numbers(raw))
    if one.type == "boolean":
        return True if _TRUE.fullmatch(raw) else False if _FALSE.fullmatch(raw) else None
    if one.type == "array":
        return [raw] if one.item_type == "string" else list(literals.numbers(raw)) or None
    return raw if one.type == "string" else None


def _number(one: Property, found: list[int | float]) -> int | float | None:
    """Takes the first number that fits the type, out of `found`."""
    for value in found:
        if one.type == "number" or value == int(value):
            found.remove(value)
            return int(value) if one.type == "integer" else value
    return None


def _guess(one: Property, source: _Source, only: bool) -> object:
    if one.choices:
        return _choice(one, source.text)
    match one.type:
        case "integer" | "number":
            wanted = one.is_required or (bool(_MONEY_WORDS & set(one.words)) and len(source.numbers) == 1)
            return _number(one, source.numbers) if wanted else None
        case "boolean":
            return _boolean(one, source.text)
        case "array":
            return _array(one, source) if one.is_required else None
        case "object":
            return source.objects.pop(0) if source.objects else None
        case _:
            return _string(one, source, only)


def _choice(one: Property, text: str) -> object:
    if len(one.choices) == 1 and one.is_required:
        return one.choices[0]
    for choice in one.choices[:100]:
        if isinstance(choice, str) and re.search(rf"(?<!\w){re.escape(choice[:100])}(?!\w)", text, re.IGNORECASE):
            return choice
    return None


def _boolean(one: Property, text: str) -> bool | None:
    for word in one.words:
        found = re.search(rf"(\w{{1,20}}\s)?\b{re.escape(word)}\b", text, re.IGNORECASE)
        if found and len(word) > 2:
            return not _FALSE.search(found.group(1) or "")
    if not one.is_required:
        return None
    return True if _TRUE.search(text) else False if _FALSE.search(text) else None


def _array(one: Property, source: _Source) -> list[object] | None:
    if one.item_type in {"integer", "number"}:
        found: list[object] = [int(value) if one.item_type == "integer" else value for value in source.numbers]
        source.numbers.clear()
        return found or None
    if literals.emails(source.text) and one.words and one.words[-1] in {"emails", "recipients", "to", "addresses"}:
        return list(literals.emails(source.text))
    if source.quoted:
        taken: list[object] = [*source.quoted]
        source.quoted.clear()
        return taken
    after = source.remainder.rpartition(":")[2] if ":" in source.remainder else source.remainder
    parts = [part.strip(" .?!") for part in re.split(r",|;| and ", after)]
    kept: list[object] = [part for part in parts if part]
    return kept[:50] if len(kept) > 1 else None


def _string(one: Property, source: _Source, only: bool) -> str | None:
    kinds = set(one.words)
    exact = _by_form(one, kinds, source.text)
    if exact is not None or not one.is_required:
        return exact or None
    if one.format in {"email", "uri", "url", "date", "date-time", "uuid"} or kinds & {"email", "url", "uri", "date"}:
        return None
    return _by_name(kinds, source) or _free_text(kinds, source, only)


def _by_form(one: Property, kinds: set[str], text: str) -> str | None:
    """Values recognised by what they look like."""
    if one.format == "email" or kinds & {"email", "mail"}:
        return next(iter(literals.emails(text)), None)
    if one.format in {"uri", "url"} or kinds & {"url", "uri", "link", "website"}:
        return next(iter(literals.urls(text)), None)
    if one.format in {"date", "date-time"} or kinds & {"date", "day", "deadline"}:
        return next(iter(literals.dates(text)), None)
    if kinds & {"to", "recipient"}:
        return next(iter(literals.emails(text)), None)
    return None


def _by_name(kinds: set[str], source: _Source) -> str | None:
    """Values recognised by what the argument is called."""
    if kinds & _PLACE_WORDS and (found := _PLACE.search(source.text) or _PLACE_LOWER.search(source.text)):
        return found.group(1).rstrip(".")
    if kinds & _CODE_WORDS and (found := _CODE.search(source.remainder)):
        return found.group(0).lstrip("#")
    if kinds & _TITLE_WORDS and source.quoted:
        return source.quoted.pop(0)
    if kinds & (_PERSON_WORDS | {"recipient"}) and (found := _PERSON.search(source.text) or _GIVEN.search(source.text)):
        return found.group(1).rstrip(".")
    if kinds & _TITLE_WORDS and (found := _TITLE.search(source.remainder)):
        return found.group(1).strip(" .\"'")
    return None


def _free_text(kinds: set[str], source: _Source, only: bool) -> str | None:
    if source.quoted:
        return source.quoted.pop(0)
    if stem("expression") in {stem(kind) for kind in kinds} and (found := literals.expressions(source.text)):
        return found[0]
    if not (kinds & _TEXT_WORDS or only) or kinds & (_PLACE_WORDS | _CODE_WORDS):
        return None
    after = _AFTER.search(source.remainder)
    rest = (after.group(1) if after and not kinds & _TEXT_WORDS else source.remainder).strip(" .,:;?!-")
    return rest or None
