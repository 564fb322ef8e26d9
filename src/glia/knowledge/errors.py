"""What can go wrong with knowledge bases and documents. What a document itself may be wrong with is in parsing."""

from __future__ import annotations

from glia.kit.errors import Conflict, GliaError, NotFound, UpstreamFailed


class KnowledgeBaseNotFound(NotFound):
    code = "knowledge_base_not_found"


class DocumentNotFound(NotFound):
    code = "document_not_found"


class FileNotKept(Conflict):
    """The document is there, the file it came from is not."""

    code = "file_not_kept"


class EmbeddingUnusable(UpstreamFailed):
    """The embedding model answers, but not with vectors that this base can use: asking again changes nothing."""

    code = "embedding_unusable"


class DocumentFailed(GliaError):
    """The document was given up earlier; says again why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = 422
