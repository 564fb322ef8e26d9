"""The page for people about this API, where it has a port of its own."""

from __future__ import annotations

from glia.surfaces.openai.openapi import TEXT, TITLE, openai_document
from glia.surfaces.openai.openapi_schemas import ERROR
from glia.surfaces.shared.document import Description, docs_page


def openai_docs(version: str) -> str:
    return docs_page(openai_document(version), Description(TITLE, TEXT, ERROR))
