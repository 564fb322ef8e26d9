"""Who may do what: `any` valid key, role `user` or `admin`, role `admin`. A read-only key may only look."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.requests import Request

from glia.identity.types import Principal
from glia.kit.errors import Forbidden
from glia.surfaces.shared.bodies import principal_of


def is_read_only(principal: Principal) -> bool:
    """Whether all that the key may do is to read."""
    return all(scope.startswith("-") or scope.endswith(":read") for scope in principal.scopes)


def caller_of(request: Request) -> Principal:
    principal = principal_of(request)
    if request.method not in {"GET", "HEAD"} and is_read_only(principal):
        raise Forbidden("This key has the role `read-only`; it may only look. Use one with the role `user`.")
    return principal


def user_of(request: Request) -> Principal:
    principal = principal_of(request)
    if is_read_only(principal):
        raise Forbidden("This needs the role `user` or `admin`, and this key has `read-only`.")
    return principal


def admin_of(request: Request) -> Principal:
    principal = principal_of(request)
    if not principal.allows("identity:write"):
        raise Forbidden(
            "This needs the role `admin`; make a key with `glia key create --surface neuronagent --role admin`."
        )
    return principal


TheCaller = Annotated[Principal, Depends(caller_of)]
TheUser = Annotated[Principal, Depends(user_of)]
TheAdmin = Annotated[Principal, Depends(admin_of)]
