"""What can go wrong with verifications."""

from __future__ import annotations

from glia.kit.errors import Conflict, InvalidRequest, NotFound


class RuleNotFound(NotFound):
    code = "verification_rule_not_found"


class VerificationNotFound(NotFound):
    code = "verification_not_found"


class InvalidRule(InvalidRequest):
    code = "invalid_verification_rule"


class TooManyVerifications(Conflict):
    code = "too_many_verifications"
