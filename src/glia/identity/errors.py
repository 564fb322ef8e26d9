"""What can go wrong with identity."""

from __future__ import annotations

from glia.kit.errors import Conflict, Forbidden, GliaError, NotFound, Unauthorized


class WrongCredentials(Unauthorized):
    """One error for every reason, so that nobody learns which emails and keys exist."""

    code = "wrong_credentials"


class KeyNotFound(NotFound):
    code = "key_not_found"


class UserNotFound(NotFound):
    code = "user_not_found"


class WorkspaceNotFound(NotFound):
    code = "workspace_not_found"


class ProjectNotFound(NotFound):
    code = "project_not_found"


class EmailTaken(Conflict):
    code = "email_taken"


class SlugTaken(Conflict):
    code = "slug_taken"


class RegistrationClosed(Forbidden):
    """Only the operator and admins make users here."""

    code = "registration_closed"


class LastAdmin(Conflict):
    code = "last_admin"


class LastOwner(Conflict):
    code = "last_owner"


class SecretKeyRefused(GliaError):
    """GLIA_SECRET_KEY is missing, too short, or not the one this installation was made with."""

    code = "secret_key_refused"


class SealBroken(GliaError):
    """A sealed value was changed, moved to another place, or sealed with another key."""

    code = "seal_broken"
