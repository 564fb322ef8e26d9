"""What can go wrong with a cluster."""

from __future__ import annotations

from glia.kit.errors import Conflict, GliaError, NotFound, Unavailable


class ClusterUnavailable(Unavailable):
    """It does not answer, or says that it cannot; trying again may help."""

    code = "cluster_unavailable"


class ClusterRefused(GliaError):
    """It understood, and will not: no right to, or an object that it takes for invalid."""

    code, status = "cluster_refused", 422


class ObjectMissing(NotFound):
    code = "object_missing"


class ObjectChanged(Conflict):
    """Somebody else changed it meanwhile."""

    code = "object_changed"


class VersionGone(GliaError):
    """The cluster no longer knows what changed since that version; list again."""

    code, status = "version_gone", 410
