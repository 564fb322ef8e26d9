import pytest

from glia.identity.rights import SCOPES_OF, checked, excess, settle, smallest_role
from glia.identity.types import Principal, Role
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id


def holder(*scopes: str) -> Principal:
    return Principal(new_id(), new_id(), frozenset(scopes))


@pytest.mark.parametrize(
    ("scopes", "scope", "is_allowed"),
    [
        (["*"], "identity:write", True),
        (["agents:read"], "agents:read", True),
        (["agents:read"], "agents:write", False),
        (["agents:*"], "agents:write", True),
        (["agents:*"], "runs:write", False),
        (["*:read"], "runs:read", True),
        (["*:read"], "runs:write", False),
        (["*", "-identity"], "agents:write", True),
        (["*", "-identity"], "identity:read", False),
        (["identity:read", "-identity"], "identity:read", False),
        (["*", "-budgets:write"], "budgets:write", False),
        (["*", "-budgets:write"], "budgets:read", True),
        (["budgets:*", "-budgets:write"], "budgets:write", False),
        ([], "agents:read", False),
    ],
)
def test_scopes_allow(scopes: list[str], scope: str, is_allowed: bool) -> None:
    assert holder(*scopes).allows(scope) is is_allowed


def test_a_missing_scope_is_named() -> None:
    with pytest.raises(Forbidden, match="`runs:write`") as error:
        holder("*:read").require("runs:write")
    assert error.value.details["scope"] == "runs:write"


@pytest.mark.parametrize(
    ("held", "wanted", "beyond"),
    [
        (["*"], ["*"], None),
        (["*"], ["agents:read", "*:write"], None),
        (["agents:read"], ["agents:read"], None),
        (["agents:read"], ["agents:*"], "agents:*"),
        (["agents:read", "agents:write"], ["agents:*"], "agents:*"),
        (["agents:*"], ["*:read"], "*:read"),
        (["*:read"], ["agents:read"], None),
        (["*:read"], ["*"], "*"),
        (["*", "-identity"], ["*"], "identity:*"),
        (["*", "-identity"], ["*:read"], "identity:read"),
        (["*", "-identity"], ["identity:read"], "identity:read"),
        (["*", "-identity"], ["agents:*"], None),
        (["*", "-identity"], ["*", "-identity"], None),
        (["*", "-identity"], ["*", "-identity", "-keys"], None),
        (["*", "-identity", "-keys"], ["*", "-identity"], "keys:*"),
        (["*", "-keys:write"], ["*"], "keys:write"),
        (["*", "-keys:write"], ["keys:write"], "keys:write"),
        (["*", "-keys:write"], ["*:read", "keys:read"], None),
        (["*", "-keys:write"], ["*", "-keys"], None),
        (["*", "-keys:write"], ["*", "-keys:write"], None),
        (["*", "-keys"], ["*", "-keys:write"], "keys:*"),
        ([], ["agents:read"], "agents:read"),
    ],
)
def test_nobody_gives_more_than_they_have(held: list[str], wanted: list[str], beyond: str | None) -> None:
    assert excess(held, wanted) == beyond


@pytest.mark.parametrize("noun", ["identity", "agents", "keys"])
@pytest.mark.parametrize("verb", ["read", "write"])
def test_what_lies_within_grants_nothing_more(noun: str, verb: str) -> None:
    """The rule that compares sets of scopes agrees with the one that checks a single scope."""
    sets = [
        ["*"], ["*:read"], ["*", "-identity"], ["*:read", "-identity"], ["agents:*"], ["identity:read"],
        ["agents:read", "keys:write"], ["*:write", "-keys"], ["*", "-agents", "-identity"], ["keys:*", "-keys"],
        ["*", "-keys:write"], ["keys:*", "-keys:write"], ["*:read", "-keys:read"], ["*", "-keys:read", "-agents:write"],
    ]  # fmt: skip
    scope = f"{noun}:{verb}"
    for held in sets:
        for wanted in sets:
            if excess(held, wanted) is None and holder(*wanted).allows(scope):
                assert holder(*held).allows(scope), (held, wanted)


def test_each_role_lies_within_the_one_above() -> None:
    assert excess(SCOPES_OF[Role.ADMIN], SCOPES_OF[Role.USER]) is None
    assert excess(SCOPES_OF[Role.USER], SCOPES_OF[Role.READ_ONLY]) is None
    assert excess(SCOPES_OF[Role.READ_ONLY], SCOPES_OF[Role.USER]) is not None
    assert excess(SCOPES_OF[Role.USER], SCOPES_OF[Role.ADMIN]) == "identity:*"


def test_scopes_and_role_settle_each_other() -> None:
    assert settle(None, None) == (SCOPES_OF[Role.USER], Role.USER)
    assert settle(None, Role.READ_ONLY)[0] == frozenset({"*:read", "-identity"})
    assert settle(["agents:read"], None)[1] is Role.READ_ONLY
    assert settle(["agents:*"], None)[1] is Role.USER
    assert settle(["*:*"], None) == (frozenset({"*"}), Role.ADMIN)
    assert smallest_role(["identity:read"]) is Role.ADMIN
    with pytest.raises(InvalidRequest, match="agents:write"):
        settle(["agents:write"], Role.READ_ONLY)


@pytest.mark.parametrize("scope", ["", "agents", "agents:", ":read", "Agents:read", "agents:read:x", "--x", "a b:c"])
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        checked([scope, "runs:read"])
    assert error.value.field == "scopes"


def test_scopes_that_grant_nothing_or_are_too_many_are_refused() -> None:
    for scopes in ([], ["-identity"], [f"n{number}:read" for number in range(101)]):
        with pytest.raises(InvalidRequest):
            checked(scopes)
