"""What `glia chat` and `glia ask` share: which agent answers, from which documents, and one turn of talk."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing, suppress

from glia.cli.api import Api, Json, Refused, segment
from glia.cli.show import Show
from glia.kit.errors import GliaError, NotFound

DEFAULT_AGENT, DEFAULT_BASE = "assistant", "documents"
_INSTRUCTIONS = (
    "You are a helpful assistant. When documents are available, search them before you answer, and cite what you use. "
    "Say so when you do not know."
)


async def find_base(api: Api, name: str) -> Json | None:
    """The knowledge base with this name, slug or id."""
    for base in await api.all("/v1/knowledge-bases"):
        if name in (base["id"], base.get("name"), base.get("slug")):
            return base
    return None


async def require_base(api: Api, name: str) -> Json:
    base = await find_base(api, name)
    if base is None:
        raise NotFound(f"There is no knowledge base {name!r}. `glia kb list` shows them; `glia kb add` makes one.")
    return base


async def choose_agent(api: Api, slug: str | None, *, base_name: str | None, model: str | None = None) -> Json:
    """The named agent, or one that answers from the named documents, or the default one; the latter two are made when
    they are missing."""
    if slug is not None:
        if base_name is not None or model is not None:
            raise Refused("An agent has its own model and knowledge bases: leave --model and --kb away, or --agent.")
        return await _get_agent(api, slug) or _no_agent(slug)
    base = await (require_base(api, base_name) if base_name else find_base(api, DEFAULT_BASE))
    slug = DEFAULT_AGENT
    if base_name and base_name != DEFAULT_BASE and base is not None:
        slug += f"-{str(base['id'])[-8:]}"
    if model is not None:
        slug += "-" + "".join(letter if letter.isalnum() else "-" for letter in model.lower()).strip("-")
    wanted = [base["id"]] if base is not None else []
    agent = await _get_agent(api, slug)
    held: list[str] = agent.get("knowledge_base_ids") or [] if agent is not None else []
    if agent is not None and set(wanted) <= set(held):
        return agent
    body: Json = {"name": "Assistant", "instructions": _INSTRUCTIONS, "model": model, "knowledge_base_ids": wanted}
    if agent is None:
        return await api.post("/v1/agents", {**body, "slug": slug})
    return await api.patch(f"/v1/agents/{agent['id']}", {"knowledge_base_ids": [*held, *wanted]})


async def _get_agent(api: Api, slug: str) -> Json | None:
    try:
        return await api.get(f"/v1/agents/{segment(slug)}")
    except Refused as error:
        if error.status == 404:
            return None
        raise


def _no_agent(slug: str) -> Json:
    raise NotFound(f"There is no agent {slug!r}. `glia agent list` shows them; `glia agent create NAME` makes one.")


async def take_turn(api: Api, session_id: str, content: str, show: Show) -> None:
    """One question and its answer. The first Ctrl-C cancels the run, a second one leaves at once."""
    turn = asyncio.current_task()
    run_id: str | None = None
    cancelling: list[asyncio.Task[None]] = []

    def interrupted() -> None:
        if cancelling or run_id is None:
            if turn is not None:
                turn.cancel()
            return
        cancelling.append(asyncio.create_task(_cancel(api, run_id)))

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        async with aclosing(api.ask(session_id, content)) as events:
            async for event in events:
                run_id = run_id or event.get("run_id")
                show.event(event)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        for task in cancelling:
            await task


async def _cancel(api: Api, run_id: str) -> None:
    with suppress(GliaError):  # it may just have ended
        await api.post(f"/v1/runs/{run_id}/cancel")
