"""What a tool seems to be for, read from its name, description and schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from glia.models.embedded.schema import Property, properties, query_property
from glia.models.embedded.text import content_stems, name_words, sentences, stem
from glia.models.types import ToolSpec


class Role(StrEnum):
    KNOWLEDGE = "knowledge"
    WEB_SEARCH = "web search"
    CALCULATOR = "calculator"
    CLOCK = "clock"
    FETCH = "fetch"
    MEMORY_SAVE = "memory save"
    MEMORY_SEARCH = "memory search"
    CODE = "code"
    OTHER = "other"


def _stems(listed: str) -> frozenset[str]:
    return frozenset(stem(word) for word in listed.split())


_SEARCH = _stems("search find retrieve query lookup ask browse")
_KNOWLEDGE = _stems("knowledge document documents doc docs kb passage passages file files library handbook corpus rag")
_MEMORY = _stems("memory memories remember recall fact facts")
_SAVE = _stems("save store remember add write put create keep insert append")
_RECALL = _stems("search recall find get list query read retrieve lookup load")
_DROP = _stems("delete remove forget clear update edit")
_CALCULATE = _stems("calculator calculate calculation calc math maths arithmetic evaluate compute")
_CLOCK = _stems("time date clock now today datetime")
_FETCH = _stems("fetch web page url http browse download scrape crawl read open visit website link get")
_WEB = _stems("web internet google bing online")
_ACTIONS = _stems(
    """send create delete update add remove set post put write cancel pay book order run execute deploy
    start stop restart transfer assign close open publish upload move rename approve reject schedule invite
    notify trigger refund charge submit email message call save store insert edit change enable disable
    grant revoke merge archive turn switch make"""
)
_SENDS = _stems("create send post delete hook webhook upload")
_RUN = _stems("run execute evaluate exec interpreter python code sandbox")
_NOW = _stems("current now today")
_READS = _stems("get list find search lookup check read show fetch query count describe")
_FILLER = _stems("get list fetch tool tools do make api mcp the a of for to by current function new all my show call")


@dataclass(frozen=True)
class Profile:
    """A tool's words, as stems. name: its meaning words. acts: it changes something, so a question never calls it."""

    name: frozenset[str]
    description: frozenset[str]
    acts: bool


@dataclass(frozen=True)
class Candidate:
    tool: ToolSpec
    role: Role
    profile: Profile
    properties: tuple[Property, ...]
    query: Property | None


def candidates(tools: Iterable[ToolSpec]) -> list[Candidate]:
    return [_candidate(tool) for tool in list(tools)[:200]]


def _candidate(tool: ToolSpec) -> Candidate:
    listed = properties(tool.schema)
    query = query_property(listed)
    names = tuple(one.name.lower() for one in listed)
    role = _role(tool.name[:200], tool.description[:1000], names, query is not None)
    return Candidate(tool, role, _profile(tool.name[:200], tool.description[:1000]), tuple(listed), query)


@lru_cache(maxsize=1024)
def _profile(name: str, description: str) -> Profile:
    named = [stem(word) for word in name_words(name)]
    meaning = frozenset(named) - _FILLER
    described = frozenset(content_stems(description)) - _FILLER
    acts = any(one in _ACTIONS for one in named) and not set(named[:1]) & _READS
    return Profile(meaning or frozenset(named), described, acts=acts)


@lru_cache(maxsize=1024)
def _role(name: str, description: str, names: tuple[str, ...], has_query: bool) -> Role:
    named = frozenset(stem(word) for word in name_words(name))
    described = frozenset(content_stems((sentences(description) or [""])[0]))
    if named & _MEMORY:
        return _memory_role(named) if has_query else Role.OTHER
    if named & _SEARCH and has_query and (searched := _search_role(named, described)):
        return searched
    if "code" in names and named & _RUN:
        return Role.CODE
    if "url" in names and named & _FETCH and not named & _SENDS:
        return Role.FETCH
    if has_query and (named & _CALCULATE or "arithmetic" in described):
        return Role.CALCULATOR
    is_clock = named & _CLOCK and (named | described) & _NOW and not has_query
    return Role.CLOCK if is_clock else Role.OTHER


def _memory_role(named: frozenset[str]) -> Role:
    if named & _DROP:
        return Role.OTHER
    if named & _SAVE and not named & {"search", "recall"}:
        return Role.MEMORY_SAVE
    return Role.MEMORY_SEARCH if named & _RECALL else Role.OTHER


def _search_role(named: frozenset[str], described: frozenset[str]) -> Role | None:
    is_bare = named <= _SEARCH | {"tool"}
    if named & _KNOWLEDGE or (is_bare and described & _KNOWLEDGE):
        return Role.KNOWLEDGE
    return Role.WEB_SEARCH if named & _WEB or (is_bare and described & _WEB) else None
