"""Code that a message brings and wants to be run, and what running it gave."""

from __future__ import annotations

import re
from collections.abc import Sequence

from glia.models.embedded.roles import Candidate, Role, candidates
from glia.models.embedded.text import clean
from glia.models.embedded.wishes import Wish
from glia.models.types import ToolSpec

_MOST_PIECES = 4
_LONGEST_MESSAGE = 100_000
_MOST_SHOWN = 4_000

_FENCE = re.compile(r"```[ \t]*([\w+#.-]{0,30})[^\n]{0,200}\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
_WANTS = re.compile(
    r"\b(?:run|execute|evaluate|try|output|prints?|plot|draw|compute|calculate|results?|returns?)\b", re.IGNORECASE
)
_WANTS_ELSE = re.compile(
    r"\b(?:explain|review|summari[sz]e|translate|describe|fix|refactor|rewrite|quote|(?:do not|don['’]t|without)"
    r" (?:run|execut)\w{0,5})\b",
    re.IGNORECASE,
)
_INLINE = re.compile(
    r"(?:please |can you |could you )?(?:run|execute|evaluate)(?: (?:this|that|the following|some|my))?"
    r"(?: (python|py|javascript|js|node|shell|bash|sh))?(?: (?:code|script|program|command|snippet))?[ ]?:\s{0,5}(.+)",
    re.IGNORECASE | re.DOTALL,
)
_LANGUAGES = {
    "": "",
    "python": "python",
    "python3": "python",
    "py": "python",
    "javascript": "javascript",
    "js": "javascript",
    "node": "javascript",
    "shell": "shell",
    "bash": "shell",
    "sh": "shell",
    "zsh": "shell",
    "console": "shell",
}


def runs(text: str, tools: Sequence[ToolSpec]) -> list[Wish]:
    """The calls that run the message's code, if that is what it asks for and a tool can do it."""
    if len(text) > _LONGEST_MESSAGE:
        return []
    one = next((each for each in candidates(tools) if each.role is Role.CODE), None)
    pieces = _pieces(text) if one else []
    if one is None or not pieces or any(language not in _LANGUAGES for language, _ in pieces):
        return []
    return [_wish(one, _LANGUAGES[language], code) for language, code in pieces[:_MOST_PIECES]]


def _pieces(text: str) -> list[tuple[str, str]]:
    """Languages as written, with their code."""
    if fenced := [(found[1].lower(), found[2]) for found in _FENCE.finditer(text) if found[2].strip()]:
        around = _FENCE.sub(" ", text)
        wants = not around.strip() or (_WANTS.search(around) and not _WANTS_ELSE.search(around))
        return fenced if wants else []
    inline = _INLINE.match(text.strip())
    return [((inline[1] or "").lower(), inline[2].strip().strip("`"))] if inline else []


def _wish(one: Candidate, language: str, code: str) -> Wish:
    named = {each.name.lower(): each for each in one.properties}
    arguments: dict[str, object] = {named["code"].name: code}
    if language and "language" in named:
        choices = named["language"].choices
        arguments[named["language"].name] = language if language in choices or not choices else choices[0]
    return Wish(one.tool, one.role, arguments, (), f"The message brings code to run: calling {one.tool.name}.")


def ran(text: str, *, is_error: bool) -> str:
    """What running code gave, with its lines as they are."""
    text = clean(text.strip("\n"))
    if len(text) > _MOST_SHOWN:
        text = f"{text[: _MOST_SHOWN // 2]}\n...\n{text[-_MOST_SHOWN // 2 :]}"
    fence = "```" if "```" not in text else "~~~~"
    return f"{'The code failed' if is_error else 'The code ran'}:\n\n{fence}text\n{text}\n{fence}"
