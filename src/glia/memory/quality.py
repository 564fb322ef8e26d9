"""How good a memory is, judged by plain rules from what is known about it."""

from __future__ import annotations

import re
from datetime import datetime

from glia.memory.types import By, Memory, MemoryStatus, Quality, Tier

# People and agents who save something mean it; what was extracted may be misread.
TRUST = {By.PERSON: 0.9, By.AGENT: 0.8, By.CONSOLIDATION: 0.7, By.EXTRACTION: 0.6}
_HALF_LIFE_DAYS = {Tier.WORKING: 0.5, Tier.SHORT: 7.0, Tier.LONG: 90.0}
_UNCLEAR = re.compile(r"^(?:he|she|it|they|this|that|these|those)\b", re.IGNORECASE)


def quality_of(memory: Memory, now: datetime) -> Quality:
    judged = memory.useful + memory.not_useful
    # Laplace's rule: with no opinion yet the origin decides alone, with many the opinions do.
    accuracy = (memory.useful + 2 * TRUST[memory.origin]) / (judged + 2)
    used = min(1.0, (memory.accesses + memory.reinforced) / 5)
    days = max(0.0, (now - memory.used_at).total_seconds() / 86400)
    return Quality(
        completeness=_completeness(memory),
        accuracy=round(accuracy, 3),
        relevance=round(0.7 * memory.importance + 0.3 * used, 3),
        freshness=round(0.5 ** (days / _HALF_LIFE_DAYS[memory.tier]), 3),
        consistency=0.0 if memory.status is MemoryStatus.SUPERSEDED else 1.0,
    )


def _completeness(memory: Memory) -> float:
    """Of several words, ending like a sentence, understood by itself, and with where it comes from."""
    words = len(memory.content.split())
    signs = (
        words >= 4,
        memory.content.endswith((".", "!", "。")) or memory.topic is not None,
        not _UNCLEAR.match(memory.content),
        memory.session_id is not None or memory.origin is By.PERSON,
    )
    return sum(signs) / len(signs)
