"""What agents may do with sandboxes: run code."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from msgspec import Meta, Struct

from glia.sandboxes.code import LONGEST_SECONDS, USUAL_SECONDS, SessionRun
from glia.sandboxes.consoles import line
from glia.sandboxes.records import CodeRun, Language, Ran
from glia.sandboxes.service import Sandboxes
from glia.tools.service import tool
from glia.tools.types import Effect, MadeArtifact, Tool, ToolContext, ToolResult

LONGEST_SHOWN = 16_000
"""Characters of one output that the model reads: its beginning and its end."""


class RunCodeArguments(Struct, forbid_unknown_fields=True):
    code: Annotated[str, Meta(description="The program.", max_length=256 * 1024)]
    language: Annotated[Language, Meta(description="python, javascript or shell.")] = "python"
    timeout_seconds: Annotated[
        float,
        Meta(description=f"At most {LONGEST_SECONDS:g}; {USUAL_SECONDS:g} when not given.", gt=0, le=LONGEST_SECONDS),
    ] = USUAL_SECONDS


def run_code(sandboxes: Sandboxes) -> Tool:
    @tool(name="run_code", effect=Effect.ONCE, timeout_seconds=LONGEST_SECONDS + 60)
    async def run_code(context: ToolContext, arguments: RunCodeArguments) -> ToolResult:
        """Runs Python, JavaScript or shell code in an isolated sandbox and gives its output and the value of its last
        line. Variables and the files in /workspace stay for the next call of this conversation. Plots, and files
        written to /workspace/artifacts, are shown to the user. There is no network unless the operator allows it."""
        session = (context.workspace_id, context.project_id, context.session_id)
        done = await sandboxes.code.run_for_session(
            session, context.run_id, arguments.language, arguments.code, arguments.timeout_seconds
        )
        await sandboxes.consoles.note(context.workspace_id, context.session_id, _seen(arguments, done))
        return result_of(done, arguments.timeout_seconds)

    return replace(run_code, is_offered=lambda: sandboxes.is_offered)


def _seen(arguments: RunCodeArguments, done: SessionRun) -> Ran:
    """What the session's record of its terminal gets of a run."""
    run = done.run
    said = [("output", run.stdout), ("output", run.value), ("error", run.stderr), ("error", run.error)]
    made = [(each.path.rpartition("/")[2], f"/workspace/{each.path}", each) for each in done.collected.kept]
    return Ran(
        lines=[line("command", arguments.code), *(line(kind, text.rstrip()) for kind, text in said if text.strip())],
        files=[{"name": name, "path": path, "size_bytes": each.size_bytes} for name, path, each in made],
        artifacts=[
            {
                "type": each.media_type.partition("/")[0] if "html" not in each.media_type else "html",
                "title": name,
                "artifact_id": str(each.id),
                "media_type": each.media_type,
            }
            for name, _path, each in made
        ],
        status="stopped" if run.status == "died" else "running",
        template=arguments.language,
        seconds=run.seconds,
    )


def result_of(done: SessionRun, timeout_seconds: float) -> ToolResult:
    artifacts = tuple(
        MadeArtifact(str(each.id), each.path, each.media_type, each.size_bytes) for each in done.collected.kept
    )
    return ToolResult(
        "\n".join(_parts(done, timeout_seconds)) or "The code ran and printed nothing.",
        is_error=done.run.status != "ok",
        artifacts=artifacts,
        snapshot_id=None if done.snapshot is None else str(done.snapshot.id),
    )


def _parts(done: SessionRun, timeout_seconds: float) -> list[str]:
    run = done.run
    parts = [shown(run.stdout.rstrip("\n")), shown(run.value)]
    if run.stderr.strip():
        parts.append(f"[stderr]\n{shown(run.stderr.rstrip())}")
    parts.append(shown(run.error.rstrip()))
    if run.status == "timeout":
        parts.append(f"[It was stopped after {timeout_seconds:g} s.{_kept(run)}]")
    if run.is_truncated:
        parts.append("[Some of the output was dropped: there was too much of it.]")
    if done.is_restored and run.is_fresh:
        parts.append("[The sandbox was started anew: the files of earlier calls are there, their variables are not.]")
    if done.collected.kept:
        made = ", ".join(f"{each.path} ({each.media_type}, {each.size_bytes} bytes)" for each in done.collected.kept)
        parts.append(f"[Shown to the user: {made}]")
    if done.collected.left_out:
        parts.append(f"[Too large or too many to show: {', '.join(done.collected.left_out[:10])}]")
    if done.note:
        parts.append(f"[{done.note}]")
    return [part for part in parts if part]


def _kept(run: CodeRun) -> str:
    return "" if run.language == "shell" or not run.error.startswith("The interpreter") else " Its variables are gone."


def shown(text: str) -> str:
    """The beginning and the end of what is long; without NUL characters, which PostgreSQL cannot keep."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(text) <= LONGEST_SHOWN:
        return text
    half = LONGEST_SHOWN // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
