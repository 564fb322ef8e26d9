"""What can be wrong with deployments."""

from __future__ import annotations

from glia.kit.errors import Conflict, GliaError, NotFound, Unavailable


class DeploymentNotFound(NotFound):
    pass


class DeploymentNameTaken(Conflict):
    code = "name_taken"


class TooManyDeployments(Conflict):
    code = "too_many_deployments"


class BinaryRefused(GliaError):
    """A download that is not what it should be; trying again does not help."""

    code, status = "binary_refused", 422


class ReplicaGone(Unavailable):
    code = "replica_gone"
