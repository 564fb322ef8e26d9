"""Builds what memory consists of."""

from __future__ import annotations

from dataclasses import dataclass

from glia.kit.db import Database
from glia.memory.answers import Answers, Recall
from glia.memory.blocks import MemoryBlocks
from glia.memory.conversations import Conversations
from glia.memory.forgetting import Forgetting
from glia.memory.judging import Judge
from glia.memory.service import Memories
from glia.memory.types import Embedding
from glia.memory.upkeep import Upkeep
from glia.models.service import Models
from glia.usage.service import Usage


@dataclass(frozen=True)
class Remembering:
    memories: Memories
    blocks: MemoryBlocks
    conversations: Conversations
    upkeep: Upkeep
    forgetting: Forgetting
    answers: Answers
    recall: Recall


def remembering(db: Database, embedding: Embedding | None, models: Models, usage: Usage) -> Remembering:
    memories, blocks, conversations = Memories(db, embedding), MemoryBlocks(db), Conversations(db, embedding)
    judge, answers = Judge(db, models, usage), Answers(db, memories, conversations)
    return Remembering(
        memories,
        blocks,
        conversations,
        Upkeep(db, memories, embedding, judge),
        Forgetting(db, memories, judge),
        answers,
        Recall(db, memories, blocks, answers),
    )
