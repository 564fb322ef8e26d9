"""Changes to objects as an API server makes them: server-side apply with owners of fields, merge patches, strategic
merge patches; and the schema, from the models that are made of Kubernetes' own document."""

from __future__ import annotations

import base64
import binascii
import copy
import functools
import re
import typing
from typing import Any

import msgspec

from tests.deployments.kubernetes.store import Refused, Thing, invalid

# Lists whose elements are told apart by a field; all others are replaced as a whole.
_KEYS = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath",
    "conditions": "type", "imagePullSecrets": "name", "ports": "containerPort", "ownerReferences": "uid",
}  # fmt: skip
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")


def _key(name: str, items: list[Any]) -> str | None:
    if name == "ports" and any(isinstance(each, dict) and "containerPort" not in each for each in items):
        return "port" if all(isinstance(each, dict) and "port" in each for each in items) else None
    return _KEYS.get(name)


def paths(thing: Any, name: str = "", at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every leaf by its path; elements of keyed lists by their key."""
    if isinstance(thing, dict) and thing:
        found: dict[tuple[str, ...], Any] = {}
        for key, value in thing.items():
            found |= paths(value, key, (*at, key))
        return found
    if isinstance(thing, list) and thing and (key := _key(name, thing)):
        return {k: v for each in thing for k, v in paths(each, "", (*at, f"[{each.get(key)}]")).items()}
    return {at: thing}


def merge(target: Any, given: Any, name: str = "") -> Any:
    if isinstance(target, dict) and isinstance(given, dict):
        merged = dict(target)
        for key, value in given.items():
            merged[key] = merge(merged[key], value, key) if key in merged else copy.deepcopy(value)
        return merged
    if isinstance(target, list) and isinstance(given, list) and (key := _key(name, given)):
        old = {each.get(key): each for each in target}
        new = {each.get(key): merge(old.get(each.get(key), {}), each) for each in given}
        return [new.pop(k, each) for k, each in old.items()] + list(new.values())
    return copy.deepcopy(given)


def without(thing: Any, gone: set[tuple[str, ...]], name: str = "", at: tuple[str, ...] = ()) -> Any:
    """Without those leaves, and without what is empty then."""
    if isinstance(thing, dict):
        kept = {key: without(value, gone, key, (*at, key)) for key, value in thing.items() if (*at, key) not in gone}
        return {key: value for key, value in kept.items() if value != {} or thing[key] == {}}
    if isinstance(thing, list) and (key := _key(name, thing)):
        kept_items = [without(each, gone, "", (*at, f"[{each.get(key)}]")) for each in thing]
        return [each for each in kept_items if set(each) - {key} or paths(each, "", at)]
    return thing


_NOT_OWNED = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


def server_side_apply(
    before: Thing | None, given: Thing, owners: dict[str, set[tuple[str, ...]]], manager: str, *, force: bool
) -> Thing:
    """owners: leaves by manager; changed in place. Raises Refused with 409 for another's field."""
    leaves = {path: value for path, value in paths(given).items() if path not in _NOT_OWNED}
    now = paths(before) if before is not None else {}
    for other, owned in owners.items():
        taken = [p for p in leaves if other != manager and p in owned and now.get(p) != leaves[p]]
        if taken and not force:
            fields = ", ".join("." + ".".join(path) for path in taken)
            raise Refused(409, "Conflict", f'Apply failed with 1 conflict: conflict with "{other}": {fields}')
        owned -= set(taken)
    mine = owners.get(manager, set())
    others = set().union(*(owned for other, owned in owners.items() if other != manager))
    dropped = {path for path in mine if path not in leaves} - others
    owners[manager] = set(leaves)
    return merge(without(before, dropped) if before is not None else {}, given)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge_patch(target.get(key), value)
    return target


# --- The schema -------------------------------------------------------------------------------------------------------


@functools.cache
def _model(kind: str) -> Any:
    from lightkube.models import apps_v1, core_v1, networking_v1

    return next(getattr(each, kind) for each in (apps_v1, core_v1, networking_v1) if hasattr(each, kind))


def check(kind: str, thing: Thing) -> None:
    """As the API server does before it keeps anything. Raises Refused."""
    name = thing.get("metadata", {}).get("name", "")
    model = _model(kind)
    _check_fields(thing, model, "")
    try:
        msgspec.convert(thing, model, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(400, "BadRequest", f"{kind} in version cannot be handled as a {kind}: {error}") from None
    spec: Thing = thing.get("spec") or {}
    if kind == "Deployment":
        labels = spec["template"].get("metadata", {}).get("labels") or {}
        if any(labels.get(k) != v for k, v in spec["selector"]["matchLabels"].items()):
            raise invalid(kind, name, "spec.template.metadata.labels: `selector` does not match template `labels`")
        _check_pod(kind, name, spec["template"]["spec"])
    if kind == "Secret":
        for key, value in (thing.get("data") or {}).items():
            if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key):
                raise invalid(kind, name, f"data[{key}]: a valid config key must consist of alphanumeric characters")
            try:
                base64.b64decode(value, validate=True)
            except binascii.Error:
                raise Refused(400, "BadRequest", f"illegal base64 data in {key}") from None
    if len(msgspec.json.encode(thing)) > 1_500_000:
        raise Refused(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")


def _check_fields(thing: Any, hint: Any, at: str) -> None:
    args = [each for each in typing.get_args(hint) if each is not type(None)]
    origin = typing.get_origin(hint)
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        if len(args) == 1:
            _check_fields(thing, args[0], at)
        return
    if origin is list and isinstance(thing, list):
        for n, each in enumerate(thing):
            _check_fields(each, args[0], f"{at}[{n}]")
    elif origin is dict and isinstance(thing, dict):
        for key, each in thing.items():
            _check_fields(each, args[-1], f"{at}.{key}")
    elif isinstance(thing, dict) and hasattr(hint, "__struct_fields__"):
        hints = _hints(hint)
        names = dict(zip(hint.__struct_encode_fields__, hint.__struct_fields__, strict=True))
        for key, each in thing.items():
            if key not in names:
                raise Refused(
                    500,
                    "InternalError",
                    f"failed to create typed patch object: {at}.{key}: field not declared in schema",
                )
            _check_fields(each, hints[names[key]], f"{at}.{key}")


@functools.cache
def _hints(type: Any) -> dict[str, Any]:
    return typing.get_type_hints(type)


def _check_pod(kind: str, name: str, spec: Thing) -> None:
    volumes = {each["name"] for each in spec.get("volumes") or []}
    for container in (*(spec.get("initContainers") or []), *spec["containers"]):
        for each in container.get("volumeMounts") or []:
            if each["name"] not in volumes:
                raise invalid(kind, name, f'spec.template.spec.containers.volumeMounts: Not found: "{each["name"]}"')
        for amounts in (container.get("resources") or {}).values():
            for each in amounts.values():
                if not _QUANTITY.fullmatch(str(each)):
                    raise Refused(400, "BadRequest", f"quantities must match the regular expression, not {each!r}")
        limits = container.get("resources") or {}
        for what, amount in (limits.get("requests") or {}).items():
            limit = (limits.get("limits") or {}).get(what)
            if limit is not None and amount_of(str(amount)) > amount_of(str(limit)):
                raise invalid(kind, name, f"{what}: Invalid value: must be less than or equal to the limit")
        for each in container.get("env") or []:
            if not re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", each["name"]):
                raise invalid(kind, name, f"env[{each['name']}]: a valid environment variable name must consist of ...")


_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def amount_of(text: str) -> float:
    number = re.match(r"[0-9.]+", text)
    return float(number[0]) * _UNITS[text[number.end() :]] if number else 0.0
