"""What can go wrong with triggers."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound, TooLarge, Unauthorized


class TriggerNotFound(NotFound):
    code = "trigger_not_found"


class HookNotFound(NotFound):
    code = "hook_not_found"


class SignatureRefused(Unauthorized):
    """The request is not signed with the hook's secret, or was signed too long ago."""

    code = "signature_refused"


class AlreadyDelivered(Conflict):
    """A request with this id was taken before."""

    code = "already_delivered"


class TriggerPaused(Conflict):
    code = "trigger_paused"


class TriggerKindFixed(Conflict):
    code = "trigger_kind_fixed"


class TriggerSlugTaken(Conflict):
    code = "slug_taken"


class TargetTaken(Conflict):
    code = "target_taken"


class TooManyTriggers(Conflict):
    code = "too_many_triggers"


class PayloadTooLarge(TooLarge):
    code = "payload_too_large"
