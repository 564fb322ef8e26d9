"""What can go wrong with stored objects."""

from __future__ import annotations

from glia.kit.errors import Forbidden, GliaError, NotFound, TooLarge, Unavailable


class ObjectNotFound(NotFound):
    code = "object_not_found"


class LinkRefused(Forbidden):
    """The address was changed, or has expired."""

    code = "link_refused"


class QuotaExceeded(TooLarge):
    code = "storage_quota_exceeded"


class RangeRefused(GliaError):
    code, status = "range_not_satisfiable", 416


class ContentMissing(GliaError):
    """The database knows the object and its store does not have the content."""

    code = "content_missing"


class StoreUnavailable(Unavailable):
    code = "storage_unavailable"
