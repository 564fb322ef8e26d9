"""What an agent's spec must be like, whoever wrote it. Pure rules; every refusal names the field."""

from __future__ import annotations

from glia.agents.types import AgentSpec, Permissions
from glia.kit.errors import InvalidRequest

LONGEST_NAME = 200
LONGEST_INSTRUCTIONS = 200_000
LONGEST_APPROVAL_SECONDS = 90 * 86400
MOST_RULES = 200
MOST_TOOLSETS = 50
MOST_SEARCH_RESULTS = 30
MOST_STANDING = 100
LONGEST_OFFER = 1_000
MOST_DOCUMENTS = 1000


def check_spec(spec: AgentSpec) -> None:
    if not spec.name.strip():
        raise InvalidRequest("`name` is empty; give the agent a name.", field="name")
    if len(spec.name) > LONGEST_NAME:
        raise InvalidRequest(f"`name` has {len(spec.name)} characters; the most is {LONGEST_NAME}.", field="name")
    if len(spec.instructions) > LONGEST_INSTRUCTIONS:
        raise InvalidRequest(
            f"`instructions` has {len(spec.instructions)} characters; the most is {LONGEST_INSTRUCTIONS}.",
            field="instructions",
        )
    for name, count, most in (
        ("toolset_ids", len(spec.toolset_ids), MOST_TOOLSETS),
        ("knowledge.document_ids", len(spec.knowledge.document_ids), MOST_DOCUMENTS),
    ):
        if count > most:
            raise InvalidRequest(f"`{name}` has {count} entries; the most is {most}.", field=name)
    limits = spec.limits
    for name, value, smallest, largest in (
        ("max_iterations", limits.max_iterations, 1, 1000),
        ("timeout_seconds", limits.timeout_seconds, 1, 7 * 86400),
        ("max_tokens", limits.max_tokens, 1, 10**9),
        ("max_cost_micros", limits.max_cost_micros, 0, 10**12),
        ("max_depth", limits.max_depth, 0, 10),
    ):
        if value is not None and not smallest <= value <= largest:
            raise InvalidRequest(
                f"`limits.{name}` is {value}; it must be between {smallest} and {largest}.", field=f"limits.{name}"
            )
    if not 1 <= spec.search_depth <= MOST_SEARCH_RESULTS:
        raise InvalidRequest(
            f"`search_depth` is {spec.search_depth}; it must be between 1 and {MOST_SEARCH_RESULTS}: 5 is quick, 15"
            " balanced, 30 thorough.",
            field="search_depth",
        )
    _check_permissions(spec.permissions)
    _check_standing(spec)


def _check_standing(spec: AgentSpec) -> None:
    rules = len(spec.standing_instructions)
    if rules > MOST_STANDING:
        raise InvalidRequest(
            f"The agent would have {rules} standing instructions; the most is {MOST_STANDING}.",
            field="standing_instructions",
        )
    if len(spec.tool_choice.offered_as) > LONGEST_OFFER:
        raise InvalidRequest(
            f"`tool_choice.offered_as` has {len(spec.tool_choice.offered_as)} characters; the most is {LONGEST_OFFER}.",
            field="tool_choice.offered_as",
        )


def _check_permissions(permissions: Permissions) -> None:
    if not 1 <= permissions.expires_after_seconds <= LONGEST_APPROVAL_SECONDS:
        raise InvalidRequest(
            f"`permissions.expires_after_seconds` is {permissions.expires_after_seconds:g}; it must be between 1 and"
            f" {LONGEST_APPROVAL_SECONDS}.",
            field="permissions.expires_after_seconds",
        )
    if len(permissions.rules) > MOST_RULES:
        raise InvalidRequest(
            f"`permissions.rules` has {len(permissions.rules)} entries; the most is {MOST_RULES}.",
            field="permissions.rules",
        )
    for index, rule in enumerate(permissions.rules):
        field = f"permissions.rules[{index}]"
        if not rule.tool:
            raise InvalidRequest(f"`{field}.tool` is empty; name a tool, or `*` for all.", field=f"{field}.tool")
        if rule.op in ("in", "not_in") and not isinstance(rule.value, list):
            raise InvalidRequest(f"`{field}.value` must be a list for `{rule.op}`.", field=f"{field}.value")
