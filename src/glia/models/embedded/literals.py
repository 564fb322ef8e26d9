"""Values a message holds literally: quoted strings, JSON objects, numbers, dates, addresses, arithmetic."""

from __future__ import annotations

import json
import math
import re
from typing import cast

_QUOTED = re.compile(
    r"\"([^\"\n]{1,2000})\"|“([^”\n]{1,2000})”|«([^»\n]{1,2000})»|`([^`\n]{1,2000})`|(?<!\w)'([^'\n]{1,500})'(?!\w)"
)
_NUMBER = re.compile(
    r"(?<![\w.\-/:])-?\d{1,3}(?:,\d{3}){1,5}(?:\.\d{1,15})?(?![\w:/])"
    r"|(?<![\w.\-/:])-?\d{1,18}(?:\.\d{1,15})?(?![\w:/-])"
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_URL = re.compile(r"(?<!\w)https?://[^\s<>\"'`|\\^{}]{1,2000}", re.IGNORECASE)
_BARE_URL = re.compile(r"(?<![\w@.-])www\.[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}(?:/[^\s<>\"'`]{0,500})?", re.IGNORECASE)
_ISO_DATE = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:?\d{2})?))?(?!\d)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DAY_MONTH = re.compile(r"(?<!\w)(\d{1,2})(?:st|nd|rd|th)?(?: of)? " + _MONTH + r",? (\d{4})(?!\w)", re.IGNORECASE)
_MONTH_DAY = re.compile(r"(?<!\w)" + _MONTH + r" (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})(?!\w)", re.IGNORECASE)

_NUM = r"\d{1,15}(?:,\d{3}){0,4}(?:\.\d{1,12})?"
_PERCENT_OF = re.compile(rf"({_NUM}) ?(?:%|percent|per cent) of (?:[$€£] ?)?({_NUM})", re.IGNORECASE)
_ROOT_OF = re.compile(rf"square root of ({_NUM})", re.IGNORECASE)
_SPOKEN = (
    (re.compile(r"(?<=[\d)]) {0,2}(?:multiplied by|times)(?= {0,2}[\d(-])", re.IGNORECASE), " * "),
    (re.compile(r"(?<=[\d)]) {0,2}(?:divided by|over)(?= {0,2}[\d(-])", re.IGNORECASE), " / "),
    (re.compile(r"(?<=[\d)]) {0,2}plus(?= {0,2}[\d(-])", re.IGNORECASE), " + "),
    (re.compile(r"(?<=[\d)]) {0,2}minus(?= {0,2}[\d(-])", re.IGNORECASE), " - "),
    (re.compile(r"(?<=[\d)]) {0,2}to the power of(?= {0,2}[\d(-])", re.IGNORECASE), " ** "),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<=[\d) ])[x×](?=[\d( ])"), "*"),
    (re.compile(r"÷"), "/"),
    (re.compile(r"(?<=[\d)]) ?\^ ?(?=[\d(-])"), "**"),
)
_RANGE = re.compile(r"^\d+-\d+$")
_EXPRESSION = re.compile(r"(?:sqrt(?=\()|[\d.()+*/% -]){3,400}")
_OPERATION = re.compile(r"[\d)] {0,3}(?:\*\*|//|[-+*/%]) {0,3}[-(\ds]|sqrt\(")
_LOOKS_LIKE_DATE = re.compile(
    r"^\(?\d{1,4}([-/])\d{1,2}\1\d{1,4}\)?$|^\(?\+?\d[\d ]{0,6}(?:-\d{2,5}){1,4}\)?$|^\d{4}-\d{2,4}$|^24/7$"
)


def quoted(text: str) -> list[str]:
    return [next(group for group in found.groups() if group) for found in _QUOTED.finditer(text)]


def numbers(text: str) -> list[int | float]:
    """Plain numbers in order; digits inside words, dates and times do not count."""
    found: list[int | float] = []
    for raw in _NUMBER.findall(text)[:100]:
        plain = raw.replace(",", "")
        value = float(plain) if "." in plain else int(plain)
        if math.isfinite(value):
            found.append(value)
    return found


def emails(text: str) -> list[str]:
    return [one.rstrip(".") for one in _EMAIL.findall(text)]


def urls(text: str) -> list[str]:
    found = [_trimmed(one) for one in _URL.findall(text)]
    return found or ["https://" + _trimmed(one) for one in _BARE_URL.findall(text)]


def dates(text: str) -> list[str]:
    """Calendar dates in ISO form. Dates that need today's date (`tomorrow`) are not guessed."""
    found = [(one.start(), one.group(0).replace(" ", "T")) for one in _ISO_DATE.finditer(text)]
    found += [(one.start(), _iso(one[3], one[2], one[1])) for one in _DAY_MONTH.finditer(text)]
    found += [(one.start(), _iso(one[3], one[1], one[2])) for one in _MONTH_DAY.finditer(text)]
    return [date for _, date in sorted(found)]


def json_objects(text: str) -> list[tuple[int, int, dict[str, object]]]:
    """JSON objects written in the text, as (start, end, value). At most a few places are tried."""
    decoder = json.JSONDecoder()
    found: list[tuple[int, int, dict[str, object]]] = []
    at = text.find("{")
    for _ in range(8):
        if at < 0:
            break
        try:
            value, end = cast("tuple[object, int]", decoder.raw_decode(text, at))
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        found.append((at, end, cast("dict[str, object]", value)))  # what starts with `{` is an object with text keys
        at = text.find("{", end)
    return found


def expressions(text: str) -> list[str]:
    """Arithmetic in the text, written for a calculator: `17% of 2,300` gives `17 / 100 * 2300`."""
    found = [f"{_plain(one[1])} / 100 * {_plain(one[2])}" for one in _PERCENT_OF.finditer(text)]
    text = _ROOT_OF.sub(lambda one: f"sqrt({one[1]})", _PERCENT_OF.sub(" . ", text))
    for pattern, symbol in _SPOKEN:
        text = pattern.sub(symbol, text)
    for run in _EXPRESSION.findall(text):
        candidate = run.strip(" .%*/+-" if not run.lstrip().startswith("-") else " .%*/+")
        if _OPERATION.search(candidate) and not _LOOKS_LIKE_DATE.match(candidate):
            candidate = _balanced(" ".join(candidate.split()))
            # `pages 3-4` is a range; `what is 5-3` is not.
            is_range = bool(_RANGE.match(candidate)) and len(text.strip()) > len(candidate) + 14
            if candidate and not is_range:
                found.append(candidate)
    return found[:4]


def _plain(number: str) -> str:
    return number.replace(",", "")


def _balanced(expression: str) -> str:
    """The expression without a bracket that only belonged to the sentence around it, or nothing."""
    opened, closed = expression.count("("), expression.count(")")
    if opened < closed:
        expression = expression.rstrip(") ") + ")" * (expression[: len(expression.rstrip(") "))].count("("))
    elif opened > closed:
        expression = expression.lstrip("( ")
    return expression.strip() if expression.count("(") == expression.count(")") else ""


def _trimmed(url: str) -> str:
    url = url.rstrip(".,;:!?*_]")
    return url.rstrip(").,") if url.count(")") > url.count("(") else url


def _iso(year: str, month: str, day: str) -> str:
    return f"{year}-{_MONTHS.index(month[:3].lower()) + 1:02}-{int(day):02}"
