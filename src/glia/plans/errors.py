"""What can go wrong with plans and reflections."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class PlanNotFound(NotFound):
    code = "plan_not_found"


class ReflectionNotFound(NotFound):
    code = "reflection_not_found"


class PlanUnderWay(Conflict):
    code = "plan_under_way"
