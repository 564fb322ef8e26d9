"""POST /graphql: signing in and out, registering, and who one is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import structlog
from fastapi import APIRouter
from fastapi.requests import Request
from pydantic import BaseModel, Field

from glia.identity.types import Authenticated, Tokens
from glia.kit.errors import Forbidden, GliaError, InvalidRequest, Unauthorized
from glia.surfaces.shared.bodies import Body, TheHouse, WatchedRoute
from glia.wiring import House

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLError, GraphQLSchema

log = structlog.get_logger(__name__)

router = APIRouter(tags=["auth"], route_class=WatchedRoute)

PLAN = "self-hosted"

_SDL = '''
"""What a sign-in gives. The access token lives for expiresIn seconds; the refresh token works once."""
type AuthPayload {
  accessToken: String!
  refreshToken: String!
  tokenType: String!
  expiresIn: Int!
  access_token: String!
  refresh_token: String!
  token_type: String!
  expires_in: Int!
  user: User!
}

"""credits: the workspace's balance in USD; null while credits are switched off."""
type User {
  id: ID!
  email: String!
  name: String!
  role: String!
  credits: Float
  plan: String!
  createdAt: String!
  created_at: String!
}

type Query {
  "Who the access token belongs to."
  me: User!
}

type Mutation {
  login(email: String!, password: String!): AuthPayload!
  "Makes a workspace of one's own, where the operator has opened registration."
  register(email: String!, password: String!, name: String): AuthPayload!
  refreshToken(refreshToken: String!): AuthPayload!
  refresh_token(refresh_token: String!): AuthPayload!
  "Ends the sign-in of a refresh token; without one, every sign-in of whoever asks."
  logout(refreshToken: String): Boolean!
}
'''

_LONGEST_QUERY = 10_000
_MOST_TOKENS = 1_000
_DEEPEST = 8
_INTROSPECTION_DEEPEST = 16
_MOST_FIELDS = 200
_MOST_MUTATIONS = 3
"""Of one request, so that aliases do not make one request many tries."""

_CODES = {
    400: "BAD_USER_INPUT",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "BAD_USER_INPUT",
    429: "TOO_MANY_REQUESTS",
}


class GraphQLBody(Body):
    query: str = Field(max_length=_LONGEST_QUERY)
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 - GraphQL over HTTP calls it so
    extensions: dict[str, Any] | None = None


class ErrorOut(BaseModel):
    message: str
    locations: list[dict[str, int]] | None = None
    path: list[str | int] | None = None
    extensions: dict[str, Any]


class GraphQLOut(BaseModel):
    """As the GraphQL specification says. A refusal is an error here, with status 200 and `extensions.code`."""

    data: dict[str, Any] | None = None
    errors: list[ErrorOut] | None = None


@router.post("/graphql", response_model_exclude_none=False)
async def graphql(body: GraphQLBody, request: Request, house: TheHouse) -> dict[str, Any]:
    """Run a GraphQL query: `login`, `register`, `refreshToken`, `logout`, `me`."""
    import graphql as engine
    from graphql import ExecutionResult, GraphQLError

    run = cast(Any, engine).execute  # its types name parameters that it leaves unknown
    try:
        document = _checked(body.query, allows_introspection=not house.settings.production)
    except GraphQLError as error:
        return {"data": None, "errors": [_shown(error)]}
    given: ExecutionResult | Awaitable[ExecutionResult] = run(
        _schema(),
        document,
        root_value=Resolvers(house, request).fields(),
        variable_values=body.variables,
        operation_name=body.operationName,
    )
    result = given if isinstance(given, ExecutionResult) else await given
    found: dict[str, Any] = {"data": result.data}
    if result.errors:
        found["errors"] = [_shown(error) for error in result.errors]
    return found


class Resolvers:
    """The root's fields for one request."""

    def __init__(self, house: House, request: Request) -> None:
        self._house = house
        self._request = request
        self._client = request.client.host if request.client else ""

    def fields(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        return {
            "me": self.me,
            "login": self.login,
            "register": self.register,
            "refreshToken": self.renew,
            "refresh_token": self.renew,
            "logout": self.logout,
        }

    async def me(self, _info: Any) -> dict[str, Any]:
        who = await self._who()
        if who.principal.user_id is None:
            raise Unauthorized("This key belongs to no user; sign in with `login`.")
        identity, credit = self._house.identity, self._house.credits
        user = await identity.users.get(who.principal, who.principal.user_id)
        balance = await credit.balance(who.principal) if who.principal.allows("credits:read") else None
        usd = balance.balance_micros / 1_000_000 if balance is not None and balance.is_enabled else None
        return _user(user, usd)

    async def login(self, _info: Any, email: str, password: str) -> dict[str, Any]:
        return _payload(await self._house.identity.sign_in(email, password[:1000], client=self._client))

    async def register(self, _info: Any, email: str, password: str, name: str | None = None) -> dict[str, Any]:
        identity = self._house.identity
        return _payload(await identity.register(email, password, name=name or "", client=self._client))

    async def renew(self, _info: Any, **given: str) -> dict[str, Any]:
        (token,) = given.values()
        return _payload(await self._house.identity.refresh(token))

    async def logout(self, _info: Any, refreshToken: str | None = None) -> bool:  # noqa: N803 - as in the schema
        if refreshToken:
            await self._house.identity.sign_out(refreshToken)
            return True
        who = await self._who()
        if who.principal.user_id is None:
            raise Unauthorized("This key belongs to no user, so there is no sign-in to end.")
        await self._house.identity.users.sign_out(who.principal, who.principal.user_id)
        return True

    async def _who(self) -> Authenticated:
        headers = self._request.headers
        who = await self._house.identity.authenticate(headers.get("authorization"), headers.get("x-api-key"))
        if who.principal.agent_id is not None:
            raise Forbidden("This key talks to one agent and does nothing else; sign in with `login`.")
        return who


def _payload(tokens: Tokens) -> dict[str, Any]:
    return {
        "accessToken": tokens.access_token,
        "access_token": tokens.access_token,
        "refreshToken": tokens.refresh_token,
        "refresh_token": tokens.refresh_token,
        "tokenType": "Bearer",
        "token_type": "Bearer",
        "expiresIn": tokens.expires_in_seconds,
        "expires_in": tokens.expires_in_seconds,
        "user": _user(tokens.user, None),
    }


def _user(user: Any, credit_usd: float | None) -> dict[str, Any]:
    """user: identity's."""
    from glia.kit.clock import wire_time

    at = wire_time(user.created_at)
    return {
        "id": str(user.id),
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "credits": credit_usd,
        "plan": PLAN,
        "createdAt": at,
        "created_at": at,
    }


@cache
def _schema() -> GraphQLSchema:
    from graphql import build_schema

    return build_schema(_SDL)


def _checked(query: str, *, allows_introspection: bool) -> DocumentNode:
    """The parsed query. Raises GraphQLError for one that is wrong or too much."""
    from graphql import GraphQLError, NoSchemaIntrospectionCustomRule, parse, specified_rules, validate

    try:
        document = parse(query, max_tokens=_MOST_TOKENS, no_location=False)
    except RecursionError:
        raise GraphQLError("The query is nested too deep.", extensions={"code": "GRAPHQL_PARSE_FAILED"}) from None
    except GraphQLError as error:
        error.extensions = {"code": "GRAPHQL_PARSE_FAILED"}
        raise
    _check_size(document)
    rules = specified_rules if allows_introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
    if problems := validate(_schema(), document, rules, max_errors=1):
        problems[0].extensions = {"code": "GRAPHQL_VALIDATION_FAILED"}
        raise problems[0]
    return document


def _check_size(document: DocumentNode) -> None:
    from graphql import FragmentDefinitionNode, GraphQLError, OperationDefinitionNode, OperationType

    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        measure = _Measure(fragments)
        measure.look(node.selection_set.selections, 1, frozenset())
        deepest = _INTROSPECTION_DEEPEST if measure.introspects else _DEEPEST
        if measure.depth > deepest or measure.fields > _MOST_FIELDS:
            message = f"The query is too large: at most {deepest} levels and {_MOST_FIELDS} fields."
            raise GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})
        if node.operation is OperationType.MUTATION and measure.roots > _MOST_MUTATIONS:
            message = f"A request may hold {_MOST_MUTATIONS} mutations; send them one by one."
            raise GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})


class _Measure:
    """How deep and large an operation is, with its fragments written out."""

    def __init__(self, fragments: dict[str, Any]) -> None:
        self._fragments = fragments
        self.depth = self.fields = self.roots = 0
        self.introspects = False

    def look(self, selections: Any, depth: int, inside: frozenset[str]) -> None:
        """selections: nodes of graphql-core. inside: fragments that are being written out."""
        self.depth = max(self.depth, depth)
        for node in selections:
            if self.fields > _MOST_FIELDS:
                return
            name = node.name.value if getattr(node, "name", None) is not None else ""
            if node.kind == "field":
                self.fields += 1
                self.roots += depth == 1
                self.introspects |= name in ("__schema", "__type")
                if node.selection_set is not None:
                    self.look(node.selection_set.selections, depth + 1, inside)
            elif node.kind == "inline_fragment":
                self.look(node.selection_set.selections, depth, inside)
            elif name in self._fragments and name not in inside:
                self.look(self._fragments[name].selection_set.selections, depth, inside | {name})


def _shown(error: GraphQLError) -> dict[str, Any]:
    """An error in GraphQL's shape, with a code. What went wrong inside is not told."""
    cause = error.original_error
    found = dict(error.formatted)
    if isinstance(cause, GliaError):
        extensions: dict[str, Any] = {"code": _CODES.get(cause.status, "INTERNAL_SERVER_ERROR")}
        if (seconds := getattr(cause, "retry_after_seconds", None)) is not None:
            extensions["retryAfterSeconds"] = seconds
        if isinstance(cause, InvalidRequest) and cause.field:
            extensions["field"] = cause.field
        return {**found, "message": cause.message, "extensions": extensions}
    if cause is not None and not error.extensions:
        log.error("a bug ended a GraphQL field", error=type(cause).__name__, exc_info=cause)
        return {**found, "message": "Something in Glia broke.", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    return {**found, "extensions": {"code": "BAD_USER_INPUT", **(error.extensions or {})}}
