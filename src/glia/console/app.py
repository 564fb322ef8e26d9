"""Serves the built console: files of one folder, read once and kept in memory."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from glia.console import build

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_NOT_OURS = ("/v1", "/docs", "/openapi.json", "/openapi.yaml", "/health", "/ready", "/metrics", "/info", "/llms.txt")
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*){1,8}")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # libraries of widgets write style elements; scripts have no such need
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)
"""The Content-Security-Policy of the page: nothing from elsewhere, no script but our files."""

_KINDS = {
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".woff2": b"font/woff2",
    ".png": b"image/png",
    ".json": b"application/json",
}


@dataclass(frozen=True)
class Asset:
    kind: bytes
    plain: bytes
    packed: bytes

    @classmethod
    def of(cls, file: Path) -> Asset:
        content = file.read_bytes()
        kind = _KINDS.get(file.suffix, b"application/octet-stream")
        return cls(kind, content, gzip.compress(content, 9, mtime=0))


class Console:
    """The page at `/` and below, and its assets. Without a build, a page that says how to make one."""

    def __init__(self, folder: Path = build.STATIC) -> None:
        self._folder = folder
        self._assets: dict[str, Asset] = {}
        self._index = ""
        self._read_at: float | None = None

    def owns(self, scope: Scope) -> bool:
        """Whether the request is for the console: its files, and what a person opens in a browser.

        Programs that ask for a path nobody has get the API's 404 rather than a page.
        """
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return False
        path: str = scope["path"]
        if path == "/" or path.startswith("/assets/"):
            return True
        is_elsewhere = any(path == other or path.startswith(f"{other}/") for other in _NOT_OURS)
        return not is_elsewhere and not path.startswith("/.well-known") and b"text/html" in _header(scope, b"accept")

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await self._read()
        path: str = scope["path"]
        is_head = scope["method"] == "HEAD"
        asset = self._assets.get(path)
        if asset is not None:
            is_packed = b"gzip" in _header(scope, b"accept-encoding")
            packed = [(b"content-encoding", b"gzip")] if is_packed else []
            headers = [(b"cache-control", b"public, max-age=31536000, immutable"), (b"vary", b"accept-encoding")]
            body = asset.packed if is_packed else asset.plain
            await _answer(send, 200, asset.kind, body, [*headers, *packed], is_head=is_head)
        elif path.startswith("/assets/"):
            await _answer(send, 404, b"text/plain", b"There is no such file; reload the page.", [], is_head=is_head)
        else:
            page = self._page(_base(scope)) if self._index else not_built_page()
            headers = [
                (b"cache-control", b"no-cache"),
                (b"content-security-policy", POLICY.encode()),
                (b"referrer-policy", b"same-origin"),
                (b"x-frame-options", b"DENY"),
            ]
            await _answer(send, 200, _KINDS[".html"], page.encode(), headers, is_head=is_head)

    def _page(self, base: str) -> str:
        return self._index.replace("<head>", f'<head>\n    <base href="{escape(base, quote=True)}" />', 1)

    async def _read(self) -> None:
        """Reads the folder, again when it has been built anew."""
        index = self._folder / "index.html"
        try:
            changed_at = index.stat().st_mtime
        except OSError:
            return
        if changed_at != self._read_at:
            self._assets, self._index = await asyncio.to_thread(_load, self._folder)
            self._read_at = changed_at


def _load(folder: Path) -> tuple[dict[str, Asset], str]:
    files = [file for file in (folder / "assets").rglob("*") if file.is_file()]
    found = {f"/{file.relative_to(folder).as_posix()}": Asset.of(file) for file in files}
    return found, (folder / "index.html").read_text()


def not_built_page() -> str:
    """What is shown where there is no console yet."""
    if not build.has_source():
        how = "This package was built without it (<code>GLIA_SKIP_CONSOLE</code>)."
    else:
        how = "Build it once, then reload this page:</p><pre>./glia console build</pre><p>A start of <code>./glia serve"
        how += "</code> does so by itself, in the background, where Node 20.19 or newer is installed."
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Glia</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>:root{color-scheme:light dark}body{font:16px/1.6 system-ui,sans-serif;max-width:38rem;margin:12vh auto;"
        "padding:0 1.5rem}pre{padding:.8rem 1rem;border:1px solid #8886;border-radius:8px;overflow:auto}</style></head>"
        "<body><h1>Glia is running</h1><p>A home for AI agents. The console is not built. "
        f"{how}</p><p>The API works: it is described at <a href='docs'>/docs</a>. Ask it with the key that the first"
        " start printed and kept in <code>credentials.json</code>:</p>"
        '<pre>curl http://HOST:PORT/v1/me -H "Authorization: Bearer KEY"</pre></body></html>'
    )


def _base(scope: Scope) -> str:
    """Where the console is mounted, as the browser sees it. A proxy that takes a prefix away names it."""
    told = _header(scope, b"x-forwarded-prefix").decode("latin-1").rstrip("/") or str(scope.get("root_path") or "")
    return f"{told}/" if _PREFIX.fullmatch(told) else "/"


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


async def _answer(
    send: Send, status: int, kind: bytes, body: bytes, headers: list[tuple[bytes, bytes]], *, is_head: bool
) -> None:
    every = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": b"" if is_head else body})
