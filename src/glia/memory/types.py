"""A memory: one fact, whose it is, how much it counts, and where it came from."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NewType
from uuid import UUID

from glia.tools.types import Tool

MemoryId = NewType("MemoryId", UUID)

GENERAL = "general"
"""The bucket of memories that name none."""


class Tier(StrEnum):
    """How long a memory is meant to last.

    WORKING is found in its own session only and ends an hour after it was last used; SHORT ends after 7 unused days,
    unless it proves itself and becomes LONG, which has no end.
    """

    WORKING = "working"
    SHORT = "short"
    LONG = "long"


LIFETIME_SECONDS = {Tier.WORKING: 3600, Tier.SHORT: 7 * 86400, Tier.LONG: None}


class MemoryStatus(StrEnum):
    """Only ACTIVE memories are found. SUPERSEDED by a newer one, or FORGOTTEN; both can be undone."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    FORGOTTEN = "forgotten"


def call_of(source_key: str | None, run_id: UUID | None) -> str | None:
    """The tool call in an idempotency key of that run, `<run>:<call>`; None for keys of other makers."""
    run, _, call = (source_key or "").partition(":")
    return call if call and run == str(run_id) else None


class By(StrEnum):
    """Who wrote a memory."""

    PERSON = "person"
    AGENT = "agent"
    EXTRACTION = "extraction"
    CONSOLIDATION = "consolidation"


@dataclass(frozen=True)
class Memory:
    """agent_id: whose memory it is; None means every agent of the workspace finds it.

    user_name: only found in sessions of this user; None for anybody's. importance: 0 to 1, as it was last set.
    strength: importance after decay, 0 to 1. topic, value: what it says about what, where that could be told.
    session_id, source_seq, run_id: the session, the event in it and the run it came from; None when a person wrote it.
    number: counts memories, for clients that name them so. reinforced: how often it was learnt again.
    accesses: how often an agent found it, used_at when last. source_key: as in Origin.
    """

    id: MemoryId
    number: int
    agent_id: UUID | None
    user_name: str | None
    tier: Tier
    bucket: str
    content: str
    metadata: dict[str, object]
    importance: float
    strength: float
    status: MemoryStatus
    superseded_by: UUID | None
    topic: str | None
    value: str | None
    origin: By
    session_id: UUID | None
    source_seq: int | None
    run_id: UUID | None
    source_key: str | None
    version: int
    reinforced: int
    accesses: int
    useful: int
    not_useful: int
    used_at: datetime
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def tool_call_id(self) -> str | None:
        """The call by which its agent saved it, in the run `run_id`."""
        return call_of(self.source_key, self.run_id)

    @property
    def only_in(self) -> UUID | None:
        """The one session that finds it; None when others do too."""
        return self.session_id if self.tier is Tier.WORKING else None


@dataclass(frozen=True)
class Origin:
    """Where a memory comes from. source_key: the same for every try of one save, so that it is kept once."""

    session_id: UUID | None = None
    run_id: UUID | None = None
    source_key: str | None = None
    source_seq: int | None = None
    by: By = By.PERSON


@dataclass(frozen=True)
class Use:
    """By which call an agent finds memories. source_key: the same for every try of one call, so that it counts once."""

    session_id: UUID | None = None
    run_id: UUID | None = None
    source_key: str | None = None


@dataclass(frozen=True)
class Find:
    """One time that an agent found a memory. run_id, tool_call_id: by which call; None for one outside of runs."""

    id: UUID
    at: datetime
    session_id: UUID | None
    run_id: UUID | None
    source_key: str | None

    @property
    def tool_call_id(self) -> str | None:
        return call_of(self.source_key, self.run_id)


@dataclass(frozen=True)
class Draft:
    """A memory that is to be saved. expires_at: None for the tier's own lifetime.

    topic, value: None has them read from the content.
    """

    content: str
    agent_id: UUID | None = None
    user_name: str | None = None
    tier: Tier = Tier.LONG
    bucket: str = GENERAL
    importance: float = 0.5
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    expires_at: datetime | None = None
    topic: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Scope:
    """Whose memories are looked through. agent_id: that agent's and the common ones; None for everyone's.

    is_narrow: as an agent in a session sees them: no memories of another user (user_name None has none of any user),
    and no working memories of another session, unless is_sharing.
    """

    agent_id: UUID | None = None
    user_name: str | None = None
    session_id: UUID | None = None
    is_narrow: bool = False
    is_sharing: bool = False


@dataclass(frozen=True)
class Filter:
    """What a list shows. None does not filter. agent_id: only this agent's own."""

    agent_id: UUID | None = None
    user_name: str | None = None
    bucket: str | None = None
    tier: str | None = None
    status: str | None = "active"
    session_id: UUID | None = None


@dataclass(frozen=True)
class Found:
    """A memory with the scores that put it where it is. lexical, dense: None where that leg did not find it."""

    memory: Memory
    lexical: float | None
    dense: float | None
    score: float


def similarity(found: Found, query: str) -> float:
    """How alike a memory and a question are, 0 to 1: their meanings where both have a vector, else the share of the
    question's words that the memory has."""
    if found.dense is not None:
        return min(1.0, max(0.0, found.dense))
    asked = _words(query)
    return len(asked & _words(found.memory.content)) / len(asked) if asked else 0.0


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


@dataclass(frozen=True)
class Recall:
    """What a search found, best first. is_fallback: nothing matched the words, so these are the newest."""

    found: tuple[Found, ...]
    is_fallback: bool

    @property
    def memories(self) -> tuple[Memory, ...]:
        return tuple(one.memory for one in self.found)


@dataclass(frozen=True)
class MemoryVersion:
    """One state a memory has had. change: what led to it. restores: the version it went back to."""

    version: int
    content: str
    metadata: dict[str, object]
    tier: Tier
    bucket: str
    importance: float
    status: MemoryStatus
    superseded_by: UUID | None
    change: str
    restores: int | None
    changed_by: str
    created_at: datetime


Kept = Literal["newer", "older", "both", "merged"]


@dataclass(frozen=True)
class Conflict:
    """Two memories that contradict each other on one topic. kept: which of them is still found.

    merged: neither is, but a third one that holds both.
    """

    id: UUID
    topic: str
    older_id: UUID
    older_content: str
    newer_id: UUID
    newer_content: str
    kept: Kept
    resolved_by: str
    created_at: datetime


@dataclass(frozen=True)
class Policy:
    """What may stay in a bucket of an agent, or of the common memories. None sets no bound.

    max_age_seconds: since it was last used. max_count: the strongest stay. min_strength: 0 to 1.
    is_archiving: what must go is set aside and can be taken back; otherwise it is deleted for good.
    """

    bucket: str
    max_age_seconds: int | None = None
    max_count: int | None = None
    min_strength: float | None = None
    is_archiving: bool = True


@dataclass(frozen=True)
class Forgotten:
    """A memory that a policy lets go, and why: `age`, `strength` or `count`."""

    id: UUID
    bucket: str
    tier: Tier
    content: str
    reason: str


@dataclass(frozen=True)
class MemorySettings:
    """How an agent's memory behaves.

    shares_sessions: what is learnt in one session, and what was said in it, is found in the agent's others, as far as
    they are of the same user. is_learning: facts are extracted from a session idle_seconds after it was last used.
    model: what extracts them; None takes the default model, and plain rules where only the built-in one is there.
    keeps_answers: each answer is kept as a working memory, with what it answers. recalls: memories that fit the user's
    message are put into the prompt of the run that answers it.
    """

    shares_sessions: bool = False
    is_learning: bool = False
    idle_seconds: int = 600
    model: str | None = None
    tended_at: datetime | None = None
    keeps_answers: bool = False
    recalls: bool = False


class Strategy(StrEnum):
    """What is forgotten: what nobody used for long, what never counted, what has faded, what was contradicted, or what
    is both old and unimportant, faded, or beyond the room there is."""

    TIME = "time"
    IMPORTANCE = "importance"
    RELEVANCE = "relevance"
    CONFLICT = "conflict"
    HYBRID = "hybrid"


@dataclass(frozen=True)
class ForgetOrder:
    """What is to go, from all buckets. tiers: empty for all.

    max_age_seconds: since it was last used. min_importance: as it was set. min_strength: after decay. max_count: the
    strongest stay, whatever the strategy. min_kept_seconds: what is younger stays in any case.
    """

    strategy: Strategy = Strategy.HYBRID
    tiers: tuple[Tier, ...] = ()
    max_age_seconds: float = 30 * 86400
    min_importance: float = 0.3
    min_strength: float = 0.2
    max_count: int = 10_000
    min_kept_seconds: float = 7 * 86400
    is_archiving: bool = True


class Preference(StrEnum):
    """Which of two memories that contradict each other is kept: the newer, the more important and trusted, the one with
    the better source, the one that the model believes, or a third one that says both."""

    NEWEST = "newest"
    CONFIDENCE = "confidence"
    SOURCE = "source"
    MODEL = "model"
    MERGE = "merge"


@dataclass(frozen=True)
class Decision:
    """What became of a conflict. error: why it could not be decided."""

    conflict_id: UUID
    tier: Tier
    kept: Kept
    error: str | None = None


@dataclass(frozen=True)
class Embedding:
    """Makes vectors, given by whoever has an embedder. embed: texts to halfvec literals of length 1."""

    model: str
    embed: Callable[[Sequence[str]], Awaitable[list[str]]]


@dataclass(frozen=True)
class BlockSpec:
    """A block that is to be made. agent_id: whose it is; None for a shared one, seen by the agents it is pinned to.

    user_name: only in sessions of this user. is_read_only: agents may read it, people change it.
    """

    label: str
    content: str = ""
    description: str = ""
    agent_id: UUID | None = None
    user_name: str | None = None
    most_characters: int = 2_000
    is_read_only: bool = False


@dataclass(frozen=True)
class Block:
    """A text that stands in the system prompt of an agent. pinned_to: the agents that see it, if it is shared."""

    id: UUID
    agent_id: UUID | None
    user_name: str | None
    label: str
    description: str
    content: str
    most_characters: int
    is_read_only: bool
    version: int
    pinned_to: tuple[UUID, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class BlockVersion:
    """One text a block has had, and who wrote it. run_id: the run whose agent did."""

    version: int
    content: str
    change: str
    restores: int | None
    changed_by: str
    run_id: UUID | None
    source_key: str | None
    created_at: datetime

    @property
    def tool_call_id(self) -> str | None:
        """The call by which the agent wrote it, in the run `run_id`."""
        return call_of(self.source_key, self.run_id)


@dataclass(frozen=True)
class Pinned:
    """What memory adds to a run: a text for its prompt, and the tools to change what the text shows."""

    text: str = ""
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True)
class PinnedBlock:
    """A block as it goes into a prompt."""

    label: str
    description: str
    content: str
    most_characters: int
    is_read_only: bool
    version: int


@dataclass(frozen=True)
class FoundTurn:
    """Something that was said, with what came before and after it, and the scores that put it where it is.

    seq: the event of the session's log. lexical, dense: None where that leg did not find it.
    """

    session_id: UUID
    ordinal: int
    seq: int
    run_id: UUID | None
    role: str
    at: datetime
    text: str
    lexical: float | None
    dense: float | None
    score: float
    before: str
    after: str


@dataclass(frozen=True)
class Issue:
    """Something wrong with a memory. kind: such as `words_missing`. severity: low, medium, high or critical."""

    memory_id: UUID
    tier: Tier
    kind: str
    severity: str
    is_repairable: bool


@dataclass(frozen=True)
class Checkup:
    """What a check found, and how many of the issues it has mended."""

    issues: tuple[Issue, ...]
    repaired: int


@dataclass(frozen=True)
class Tended:
    """What putting memories in order did, in numbers of memories."""

    expired: int = 0
    merged: int = 0
    superseded: int = 0
    promoted: int = 0
    demoted: int = 0
    forgotten: int = 0
    embedded: int = 0


@dataclass(frozen=True)
class Quality:
    """How good a memory is, each from 0 to 1.

    completeness: a whole statement with its circumstances. accuracy: who said it, and what people think of it.
    relevance: how much it counts and is used. freshness: how recently. consistency: 0 where it was contradicted.
    """

    completeness: float
    accuracy: float
    relevance: float
    freshness: float
    consistency: float

    @property
    def overall(self) -> float:
        parts = (self.completeness, self.accuracy, self.relevance, self.freshness, self.consistency)
        return round(sum(parts) / len(parts), 3)
