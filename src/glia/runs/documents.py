"""A text that is for one run alone: sealed beside the run until it ends, so that every attempt of it can read it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

DOCUMENT = "sealed_document"
"""Where a run's input holds it."""


class Seal(Protocol):
    """Encrypts what must not be read in the database."""

    def seal(self, secret: bytes, context: str) -> bytes: ...
    def open(self, sealed: bytes, context: str) -> bytes: ...


def document_input(run_id: UUID, document: str, seal: Seal | None) -> dict[str, object]:
    """What goes into the run's input."""
    if not document or seal is None:
        return {}
    return {DOCUMENT: b64encode(seal.seal(document.encode(), f"run:{run_id}")).decode()}


def document_of(run_id: UUID, input: Mapping[str, object], seal: Seal | None) -> str:
    """The text for this run alone; empty when it has none."""
    sealed = input.get(DOCUMENT)
    if not isinstance(sealed, str) or seal is None:
        return ""
    return seal.open(b64decode(sealed), f"run:{run_id}").decode()


def with_document(question: str, document: str) -> str:
    """What the model is told in place of the question."""
    inert = document.replace("</context>", "</ context>")
    return f"<context>\n{inert}\n</context>\n\n{question}"
