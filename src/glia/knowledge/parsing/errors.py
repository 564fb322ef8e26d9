"""Why a document gives no text. Each says so to the person who uploaded it, with the way out."""

from __future__ import annotations

from glia.kit.errors import GliaError

SUPPORTED = "PDF, DOCX, PPTX, XLSX, CSV, EPUB, HTML, Markdown and plain text"


class DocumentRejected(GliaError):
    """The document cannot be indexed as it is; trying again changes nothing."""

    code, status = "document_rejected", 422


class DocumentUnsupported(DocumentRejected):
    code, status = "document_unsupported", 415


class DocumentEncrypted(DocumentRejected):
    code = "document_encrypted"


class DocumentCorrupt(DocumentRejected):
    code = "document_corrupt"


class DocumentEmpty(DocumentRejected):
    code = "document_empty"


class DocumentTooLarge(DocumentRejected):
    code, status = "document_too_large", 413


class DocumentBomb(DocumentRejected):
    """A small file built to unpack into a huge one."""

    code = "document_bomb"


class DocumentLimit(DocumentRejected):
    """Reading took more time, memory or output than one document may have."""

    code = "document_limit"


BY_CODE: dict[str, type[DocumentRejected]] = {
    kind.code: kind
    for kind in (
        DocumentUnsupported,
        DocumentEncrypted,
        DocumentCorrupt,
        DocumentEmpty,
        DocumentTooLarge,
        DocumentBomb,
        DocumentLimit,
    )
}
