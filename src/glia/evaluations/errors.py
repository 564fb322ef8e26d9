"""What can go wrong with evaluations."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class EvaluationSetNotFound(NotFound):
    code = "evaluation_set_not_found"


class CaseNotFound(NotFound):
    code = "case_not_found"


class EvaluationNotFound(NotFound):
    code = "evaluation_not_found"


class ResultNotFound(NotFound):
    code = "result_not_found"


class EvaluationUnderWay(Conflict):
    """Something that an evaluation under way still needs."""

    code = "evaluation_under_way"


class TooMuchToEvaluate(Conflict):
    """A cap on sets, cases, results or evaluations at once."""

    code = "too_much_to_evaluate"
