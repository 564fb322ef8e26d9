"""A workflow in NeuronAgent's words, and the core's definition that it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from glia.kit.clock import now, wire_time
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.surfaces.neuronagent.expressions import condition_of

KEY = "neuronagent"
"""Under which a workflow's metadata keeps what NeuronAgent's clients want back."""

STEP_TYPES = ("agent", "tool", "approval", "http", "sql", "conditional", "custom")
NOTHING: dict[str, Any] = {"id": "nothing", "kind": "wait_time", "seconds": 0}
"""The only step of a workflow that has none yet: it does nothing."""

Json = dict[str, Any]

_LARGEST_NUMBER = 1e9

_TOOLS = {"sql": "sql_query", "http": "http_request", "code": "run_code", "shell": "run_shell"}
_BRACES = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_FIELDS = frozenset({"output", "status", "error"})


@dataclass
class Steps:
    """The steps of one workflow, by their names there and here. database: what sql steps read."""

    records: Sequence[Json]
    database: str
    ids: dict[str, str] = field(default_factory=dict[str, str])
    """The core's id of each step, by its own id and by its name."""

    def __post_init__(self) -> None:
        taken: set[str] = set()
        for record in self.records:
            id = _plain(str(record["step_name"]), taken)
            taken.add(id)
            self.ids[str(record["step_name"])] = self.ids[str(record["id"])] = id

    def compiled(self) -> list[Json]:
        """The core's steps. Raises InvalidRequest for what makes no sense."""
        undoing = {self._id(str(undo), record) for record in self.records if (undo := record["compensation_step_id"])}
        steps = [self._step(record) for record in self.records if self.ids[str(record["id"])] not in undoing]
        _branch(steps, {step["id"]: step for step in steps})
        return steps or [dict(NOTHING)]

    def name_of(self, id: str) -> str:
        """A step's name, from the core's id."""
        return next((str(record["step_name"]) for record in self.records if self.ids[str(record["id"])] == id), id)

    def _step(self, record: Json) -> Json:
        step: Json = {"id": self.ids[str(record["id"])], "name": record["step_name"], **self._action(record)}
        step["depends_on"] = [self._id(str(name), record) for name in record["dependencies"]]
        if record.get("required") is False:
            step["on_error"] = "continue"
        if record["idempotency_key"] and step["kind"] not in ("condition", "wait_time", "wait_approval"):
            step["reuse_key"] = self._translated(record["idempotency_key"])
        if record["compensation_step_id"]:
            undo = next(
                other
                for other in self.records
                if self.ids[str(other["id"])] == self._id(str(record["compensation_step_id"]), record)
            )
            step["compensation"] = self._action(undo)
        return step

    def _id(self, name: str, record: Json) -> str:
        if name not in self.ids:
            raise InvalidRequest(
                f"The step {record['step_name']!r} names a step {name[:100]!r}, which is not there.",
                field="dependencies",
            )
        return self.ids[name]

    def _action(self, record: Json) -> Json:
        inputs = cast(Json, self._translated(record["inputs"]))
        kind = record["step_type"]
        if kind == "approval":
            return _approval(record, inputs)
        if kind == "conditional":
            return self._conditional(record)
        if kind == "custom":
            return self._custom(record, inputs)
        acts = {"agent": self._agent, "tool": self._tool, "sql": self._sql}
        return {**acts.get(kind, _http)(record, inputs), **_tried(record)}

    def _agent(self, record: Json, inputs: Json) -> Json:
        agent = inputs.get("agent_id") or inputs.get("agent")
        if not agent:
            raise _lacks(record, "agent_id")
        prompt = _first(inputs, "user_message", "message", "prompt", "input", "task", "query")
        text = "{{input.user_message}}" if prompt is None else str(prompt)
        before = [self._id(str(name), record) for name in record["dependencies"]]
        if before and "{{steps." not in text:
            results = "\n".join(f"{self.name_of(id)}: {{{{steps.{id}.output}}}}" for id in before)
            text += f"\n\nResults of earlier steps:\n{results}"
        return {"kind": "agent", "agent": str(agent), "prompt": text}

    def _tool(self, record: Json, inputs: Json) -> Json:
        name = _first(inputs, "tool_name", "tool", "name")
        if not name:
            raise _lacks(record, "tool_name")
        arguments = _first(inputs, "args", "arguments", "parameters")
        if arguments is None:
            arguments = {key: value for key, value in inputs.items() if key not in ("tool_name", "tool", "name")}
        if name == "sql" and isinstance(arguments, dict):
            return self._sql(record, cast(Json, arguments))
        return {"kind": "tool", "tool": _TOOLS.get(str(name), str(name)), "arguments": arguments}

    def _sql(self, record: Json, inputs: Json) -> Json:
        query = _first(inputs, "query", "sql", "statement")
        if not query:
            raise _lacks(record, "query")
        arguments = {"database": inputs.get("database") or self.database or "none", "sql": query}
        return {"kind": "tool", "tool": "sql_query", "arguments": arguments}

    def _conditional(self, record: Json) -> Json:
        inputs: Json = record["inputs"]
        expression = _first(inputs, "expression", "condition", "if")
        if not isinstance(expression, str) or not expression.strip():
            raise _lacks(record, "expression")
        branches: Json = {}
        for ours, theirs in (("then", ("then", "on_true", "true")), ("else", ("else", "on_false", "false"))):
            named = _first(inputs, *theirs)
            names = [named] if isinstance(named, str) else cast(list[Any], named or [])
            branches[ours] = [self._id(str(name), record) for name in names]
        return {"kind": "condition", "if": condition_of(expression, self._reference), **branches}

    def _custom(self, record: Json, inputs: Json) -> Json:
        """With a tool or an address it is one of those; otherwise it only waits, for no time at all if none is said."""
        if _first(inputs, "tool_name", "tool"):
            return {**self._tool(record, inputs), **_tried(record)}
        if inputs.get("url"):
            return {**_http(record, inputs), **_tried(record)}
        seconds = _first(inputs, "delay_seconds", "wait_seconds", "seconds")
        return {"kind": "wait_time", "seconds": 0 if seconds is None else seconds}

    def _translated(self, value: Any) -> Any:
        """Every `{{reference}}` in the core's words."""
        if isinstance(value, str):
            return _BRACES.sub(lambda found: "{{" + self._reference(found[1]) + "}}", value)
        if isinstance(value, list):
            return [self._translated(item) for item in cast(list[Any], value)]
        if isinstance(value, dict):
            return {name: self._translated(item) for name, item in cast(Json, value).items()}
        return value

    def _reference(self, text: str) -> str:
        """`inputs.x`, `steps.a.outputs.y`, `a.output` and a bare `x` as the core writes them."""
        path = text.strip().removeprefix("workflow.").lstrip(".$")
        root, dot, rest = path.partition(".")
        if root in ("input", "inputs"):
            return f"input{dot}{rest}"
        if root == "steps":
            name, _, rest = rest.partition(".")
            return self._of_step(name, rest)
        if root in self.ids:
            return self._of_step(root, rest)
        return path if root in ("item", "index", "execution") else f"input.{path}"

    def _of_step(self, name: str, rest: str) -> str:
        field, dot, deeper = rest.partition(".")
        if field == "outputs":
            field = "output"
        if field and field not in _FIELDS:
            field, dot, deeper = "output", ".", rest
        return f"steps.{self.ids.get(name, name)}.{field or 'output'}{dot}{deeper}"


def record_of(given: Mapping[str, Any], number: int) -> Json:
    """A step as it is kept, from whichever way it was written. Raises InvalidRequest."""
    name = given.get("step_name") or given.get("name") or given.get("id")
    kind = given.get("step_type") or given.get("type")
    if not name or not isinstance(name, str) or len(name) > 100:
        raise InvalidRequest(f"`steps[{number}]` needs a name of 1 to 100 characters.", field=f"steps[{number}].id")
    if kind not in STEP_TYPES:
        raise InvalidRequest(
            f"`steps[{number}].type` {str(kind)[:50]!r} is none of {', '.join(STEP_TYPES)}.",
            field=f"steps[{number}].type",
        )
    at = wire_time(now())
    return {
        "id": str(new_id()),
        "step_name": name,
        "step_type": kind,
        "inputs": _inputs(given),
        "outputs": _object(given, "outputs", number),
        "dependencies": _names(given.get("dependencies") or given.get("depends_on") or [], number),
        "retry_config": _object(given, "retry_config", number),
        "idempotency_key": _text_or_none(given.get("idempotency_key")),
        "compensation_step_id": _text_or_none(given.get("compensation_step_id") or given.get("compensation")),
        "required": given.get("required"),
        "created_at": at,
        "updated_at": at,
    }


def steps_in(dag: Mapping[str, Any]) -> list[Json]:
    """The steps of a definition: `steps`, or `nodes` with `edges`, which are `{from, to}` or pairs."""
    given = _listed(dag.get("steps") or dag.get("nodes") or [])
    if not isinstance(given, list) or not all(isinstance(step, dict) for step in cast(list[Any], given)):
        raise InvalidRequest("`steps` must be a list of objects.", field="steps")
    records = [record_of(step, number) for number, step in enumerate(cast(list[Json], given))]
    names = [record["step_name"] for record in records]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidRequest(f"Two steps are named {twice!r}; names are unique.", field="steps")
    for edge in cast(list[Any], dag.get("edges") or []):
        first, then = _edge(edge)
        record = next((record for record in records if record["step_name"] == then), None)
        if record is None:
            raise InvalidRequest(f"An edge leads to {then[:100]!r}, and there is no such step.", field="edges")
        if first not in record["dependencies"]:
            record["dependencies"].append(first)
    return records


def _listed(given: Any) -> Any:
    """Steps that are written by name, as a list."""
    if not isinstance(given, dict):
        return given
    return [{"id": name, **cast(Json, step)} for name, step in cast(Json, given).items() if isinstance(step, dict)]


def _edge(edge: Any) -> tuple[str, str]:
    if isinstance(edge, dict):
        known = cast(Json, edge)
        first, then = known.get("from") or known.get("source"), known.get("to") or known.get("target")
    else:
        first, then = [*cast(list[Any], edge), None, None][:2] if isinstance(edge, list) else (None, None)
    if not isinstance(first, str) or not isinstance(then, str):
        raise InvalidRequest("`edges` must hold objects with `from` and `to`.", field="edges")
    return first, then


def _inputs(given: Mapping[str, Any]) -> Json:
    """`inputs`, `input` and `config` together, with what stands beside them."""
    found: Json = {name: given[name] for name in _BESIDE if given.get(name) is not None}
    for name in ("config", "input", "inputs"):
        value = given.get(name)
        if isinstance(value, dict):
            found |= cast(Json, value)
        elif value is not None:
            found["input"] = value
    return found


_BESIDE = (
    "agent_id",
    "tool_name",
    "tool",
    "args",
    "arguments",
    "url",
    "method",
    "headers",
    "body",
    "query",
    "expression",
    "condition",
    "then",
    "else",
    "message",
    "user_message",
    "prompt",
    "approval_config",
)


def _object(given: Mapping[str, Any], name: str, number: int) -> Json:
    value: object = given.get(name) or {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"`steps[{number}].{name}` must be an object.", field=f"steps[{number}].{name}")
    return cast(Json, value)


def _text_or_none(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)[:200]


def _seconds(config: Mapping[str, Any], name: str, usual: float) -> float:
    """A number in a step's configuration. Raises InvalidRequest for anything else."""
    value = config.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST_NUMBER:
        raise InvalidRequest(f"`{name}` is {str(value)[:50]!r}; it must be a number from 0 on.", field=name)
    return value


def _names(given: Any, number: int) -> list[str]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in cast(list[Any], names)):
        at = f"steps[{number}].dependencies"
        raise InvalidRequest(f"`{at}` must be a list of names or ids of steps.", field=at)
    return list(cast(list[str], names))


def _tried(record: Json) -> Json:
    """Retries and the time for each try, as the core writes them."""
    config = cast(Json, record["retry_config"])
    if not config:
        return {}
    tried: Json = {
        "retry": {
            "max_attempts": int(_seconds(config, "max_retries", 3)) + 1,
            "delay_seconds": float(_seconds(config, "retry_delay_seconds", 1)),
            "factor": float(_seconds(config, "backoff_multiplier", 1)),
        }
    }
    if config.get("timeout_seconds"):
        tried["timeout_seconds"] = float(_seconds(config, "timeout_seconds", 0))
    return tried


def _http(record: Json, inputs: Json) -> Json:
    url = inputs.get("url")
    if not url:
        raise _lacks(record, "url")
    step: Json = {"kind": "http", "url": url, "method": str(inputs.get("method") or "GET").upper()}
    for name in ("headers", "query", "body"):
        if inputs.get(name) is not None:
            step[name] = inputs[name]
    return step


def approval_config(inputs: Json) -> Json:
    """What an approval step says of itself."""
    given = inputs.get("approval_config")
    return cast(Json, given) if isinstance(given, dict) else inputs


def _told(record: Json, config: Json) -> list[str]:
    """Whom an approval step tells, as `mailto:` or URL. Raises InvalidRequest."""
    kind = config.get("approval_type")
    given: Any = config.get("recipients") or []
    recipients: Any = [given] if isinstance(given, str) else given
    if kind not in (None, "email", "webhook"):
        raise InvalidRequest(
            f"`approval_type` {str(kind)[:50]!r} is none that this server has: it tells people by `email` and"
            " `webhook`, and shows every request under /approval-requests.",
            field="inputs.approval_config.approval_type",
        )
    if not isinstance(recipients, list) or not all(isinstance(one, str) for one in cast(list[Any], recipients)):
        raise InvalidRequest("`recipients` must be a list of texts.", field="inputs.approval_config.recipients")
    if kind == "email" and not recipients:
        raise _lacks(record, "approval_config.recipients")
    addresses = cast(list[str], recipients)
    return [one if "://" in one or one.startswith("mailto:") else f"mailto:{one}" for one in addresses]


def _approval(record: Json, inputs: Json) -> Json:
    config = approval_config(inputs)
    message = config.get("message") or config.get("subject") or f"May {record['step_name']} go on?"
    step: Json = {"kind": "wait_approval", "message": message, "data": inputs}
    links = {name: f"/neuronagent/api/v1/approval-requests/{{approval_id}}/{name}" for name in ("approve", "reject")}
    told = [{"to": to, "subject": str(config.get("subject") or ""), "links": links} for to in _told(record, config)]
    if told:
        step["notify"] = told
    if config.get("timeout_seconds"):
        step["expires_after_seconds"] = float(_seconds(config, "timeout_seconds", 0))
    return step


def _branch(steps: Sequence[Json], known: Mapping[str, Json]) -> None:
    """What comes after a condition runs only if it is true, unless it is named in `else`."""
    for step in steps:
        for first in step["depends_on"]:
            condition = known.get(first)
            if condition is None or condition["kind"] != "condition":
                continue
            if step["id"] not in condition["then"] and step["id"] not in condition["else"]:
                condition["then"].append(step["id"])


def _first(inputs: Mapping[str, Any], *names: str) -> Any:
    return next((inputs[name] for name in names if inputs.get(name) is not None), None)


def _plain(name: str, taken: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:56]
    base = plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
    return next(
        id for number in range(len(taken) + 1) if (id := base if not number else f"{base}_{number}") not in taken
    )


def _lacks(record: Json, name: str) -> InvalidRequest:
    return InvalidRequest(
        f"The step {record['step_name']!r} is of type {record['step_type']} and needs `inputs.{name}`.",
        field=f"inputs.{name}",
    )
