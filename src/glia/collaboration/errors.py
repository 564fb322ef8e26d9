"""What can go wrong with spaces."""

from __future__ import annotations

from glia.kit.errors import Conflict, Forbidden, NotFound


class SpaceNotFound(NotFound):
    code = "space_not_found"


class ParticipantNotFound(NotFound):
    code = "participant_not_found"


class OnlyLooking(Forbidden):
    code = "only_looking"


class TooManyParticipants(Conflict):
    code = "too_many_participants"
