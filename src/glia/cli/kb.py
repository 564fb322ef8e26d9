"""`glia kb`: knowledge bases and their documents."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, cast

import click

from glia.cli.api import Api, Json, connect
from glia.cli.conversing import DEFAULT_BASE, find_base, require_base
from glia.kit.errors import GliaError

_POLL_SECONDS = 0.3
_LONGEST_WAIT_SECONDS = 3600.0


@click.group()
@click.option("--data-dir", help="Where to find credentials.json when GLIA_API_KEY is not set.")
@click.pass_context
def command(context: click.Context, data_dir: str | None) -> None:
    """Knowledge bases: add documents, list, search."""
    context.obj = data_dir


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--kb", "name", default=DEFAULT_BASE, show_default=True, metavar="NAME", help="Made when missing.")
@click.pass_obj
def add(data_dir: str | None, files: tuple[Path, ...], name: str) -> None:
    """Upload documents, or folders of them with all below, and wait until they can be searched.

    Reads PDF, DOCX, PPTX, XLSX, CSV, EPUB, HTML, Markdown and text.
    """
    sys.exit(0 if asyncio.run(_add(data_dir, files, name)) else 1)


@command.command("list")
@click.pass_obj
def list_(data_dir: str | None) -> None:
    """Show the knowledge bases."""
    asyncio.run(_list(data_dir))


@command.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--kb", "name", default=DEFAULT_BASE, show_default=True, metavar="NAME")
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1, 100))
@click.pass_obj
def search(data_dir: str | None, query: tuple[str, ...], name: str, limit: int) -> None:
    """Show the passages that fit best."""
    asyncio.run(_search(data_dir, " ".join(query), name, limit))


async def _add(data_dir: str | None, files: tuple[Path, ...], name: str) -> bool:
    async with connect(data_dir) as api:
        base = await find_base(api, name) or await api.post("/v1/knowledge-bases", {"name": name})
        found = files_below(files)
        if not found:
            click.echo("There is no file to add.", err=True)
        results = [
            await _add_one(api, base["id"], file, folder, _bar(done, len(found)))
            for done, (file, folder) in enumerate(found)
        ]
    if len(results) > 1:
        click.echo(f"{sum(results)} of {len(results)} documents are ready.")
    return bool(results) and all(results)


def files_below(given: tuple[Path, ...]) -> list[tuple[Path, str]]:
    """Each file with the folder it goes to: a folder given by name keeps its structure, below its own name.

    Hidden files and folders, and links that lead out of a folder, are left away.
    """
    found: list[tuple[Path, str]] = []
    for start in given:
        if start.is_file():
            found.append((start, ""))
            continue
        root = start.resolve()
        for file in sorted(root.rglob("*")):
            inside = file.relative_to(root)
            is_hidden = any(part.startswith(".") for part in inside.parts)
            if not is_hidden and file.is_file() and file.resolve().is_relative_to(root):
                found.append((file, "/".join((root.name, *inside.parts[:-1]))))
    return found


def _bar(done: int, total: int) -> str:
    if total < 2:
        return ""
    filled = done * 20 // total
    return f"[{'#' * filled}{'.' * (20 - filled)}] {done}/{total} "


async def _add_one(api: Api, base_id: str, file: Path, folder: str, bar: str) -> bool:
    """Whether the document became ready. What is wrong with one document does not stop the others."""
    path = f"/v1/knowledge-bases/{base_id}/documents"
    _progress(f"{bar}{file.name}: uploading")
    try:
        document = await api.upload(path, file, folder=folder)
        document = await _wait(api, f"{path}/{document['id']}", f"{bar}{file.name}")
    except GliaError as error:
        if error.status in (401, 503):
            raise
        _progress("")
        click.echo(f"{file.name}: {error.message}", err=True)
        return False
    _progress("")
    if document["status"] != "ready":
        click.echo(f"{file.name}: {_reason(document)}", err=True)
        return False
    pages, kept = document.get("pages"), document["name"]
    same = "" if kept == file.name else f" (the same content as {kept}, which is kept)"
    click.echo(f"{file.name}: ready, {f'{pages} pages, ' if pages else ''}{document['chunks']} chunks{same}")
    return True


async def _wait(api: Api, path: str, name: str) -> Json:
    """The document when it is ready, has failed, waits for a model, or takes over an hour."""
    end = time.monotonic() + _LONGEST_WAIT_SECONDS
    while (document := await api.get(path))["status"] == "processing":
        progress: Json = document.get("progress") or {}
        phase, done, total = progress.get("phase", "processing"), progress.get("done"), progress.get("total")
        if phase == "waiting" or time.monotonic() > end:
            break
        _progress(f"{name}: {phase}" + (f" {done}/{total}" if total else ""))
        await asyncio.sleep(_POLL_SECONDS)
    return document


async def _list(data_dir: str | None) -> None:
    async with connect(data_dir) as api:
        bases = await api.all("/v1/knowledge-bases")
        for base in bases:
            click.echo(f"{base['id']}  {base['name']}  {base['documents']} documents, {base['chunks']} chunks")
    if not bases:
        click.echo("There is no knowledge base yet; `glia kb add FILE` makes one.", err=True)


async def _search(data_dir: str | None, query: str, name: str, limit: int) -> None:
    async with connect(data_dir) as api:
        base = await require_base(api, name)
        found = await api.post(f"/v1/knowledge-bases/{base['id']}/search", {"query": query, "limit": limit})
    for hit in found["data"]:
        page = f", page {hit['page']}" if hit.get("page") is not None else ""
        heading = f", {hit['heading']}" if hit.get("heading") else ""
        click.secho(f"{hit['document_name']}{page}{heading}  ({hit['scores']['fused']:.3f})", bold=True)
        click.echo(f"  {' '.join(hit['text'].split())}\n")
    if not found["data"]:
        click.echo("Nothing fits.", err=True)


def _progress(text: str) -> None:
    """One line that is written over, where somebody is looking."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}", nl=False, err=True)


def _reason(document: Json) -> str:
    error: Any = document.get("error")  # a text, or `{code, message}`
    if isinstance(error, dict):
        return str(cast(Json, error).get("message"))
    if document["status"] == "processing":
        return str(error or "is not ready after an hour; it goes on at the server without this command")
    return str(error or f"ended as {document['status']}")
