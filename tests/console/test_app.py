"""What is served at `/`: the page, its files, and what stays the API's."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest

from glia.console import build
from glia.console.app import POLICY, Console

_PAGE = "<!doctype html><html><head><title>Glia</title></head><body></body></html>"
_HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def console(tmp_path: Path) -> Console:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(_PAGE)
    (tmp_path / "assets" / "index-abc.js").write_text("let a = 1;")
    return Console(tmp_path)


def scope(path: str, headers: dict[str, str] | None = None, method: str = "GET") -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": "http", "method": method, "path": path, "headers": pairs}


def ask(console: Console, path: str, headers: dict[str, str] | None = None, method: str = "GET"):
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    asyncio.run(console(scope(path, headers, method), receive, send))
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


@pytest.mark.parametrize("path", ["/agents", "/chat/123", "/runs/1"])
def test_a_deep_link_gives_the_page(console: Console, path: str) -> None:
    assert console.owns(scope(path, _HTML))
    status, headers, body = ask(console, path, _HTML)

    assert status == 200
    assert headers["content-security-policy"] == POLICY
    assert headers["cache-control"] == "no-cache"
    assert b'<base href="/" />' in body


def test_no_script_may_stand_in_the_page() -> None:
    script = next(part for part in POLICY.split("; ") if part.startswith("script-src"))

    assert script == "script-src 'self'"


@pytest.mark.parametrize(
    ("path", "headers", "method"),
    [
        ("/v1/me", _HTML, "GET"),
        ("/v1", _HTML, "GET"),
        ("/docs", _HTML, "GET"),
        ("/openapi.json", _HTML, "GET"),
        ("/.well-known/agent-card.json", _HTML, "GET"),
        ("/agents", {"accept": "application/json"}, "GET"),
        ("/agents", {}, "GET"),
        ("/", _HTML, "POST"),
    ],
)
def test_programs_get_the_api(console: Console, path: str, headers: dict[str, str], method: str) -> None:
    assert not console.owns(scope(path, headers, method))


def test_files_are_kept_for_ever_and_packed_for_who_can_unpack(console: Console) -> None:
    _, plain_headers, plain = ask(console, "/assets/index-abc.js")
    _, packed_headers, packed = ask(console, "/assets/index-abc.js", {"accept-encoding": "gzip, br"})

    assert "immutable" in plain_headers["cache-control"]
    assert "content-encoding" not in plain_headers
    assert packed_headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain == b"let a = 1;"


@pytest.mark.parametrize("path", ["/assets/gone.js", "/assets/../index.html", "/assets/%2e%2e/app.py"])
def test_a_file_that_is_not_there_is_a_404(console: Console, path: str) -> None:
    assert ask(console, path)[0] == 404


@pytest.mark.parametrize(
    ("prefix", "base"),
    [("/glia", "/glia/"), ("/a/b/", "/a/b/"), ("//evil.example", "/"), ("https://evil", "/"), ('/"><script>', "/")],
)
def test_the_page_knows_the_path_it_is_mounted_at(console: Console, prefix: str, base: str) -> None:
    body = ask(console, "/", {"x-forwarded-prefix": prefix})[2]

    assert f'<base href="{base}" />'.encode() in body


def test_a_new_build_is_served_at_once(console: Console, tmp_path: Path) -> None:
    ask(console, "/")
    (tmp_path / "index.html").write_text(_PAGE.replace("Glia", "Newer"))

    assert b"Newer" in ask(console, "/")[2]


def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    status, headers, body = ask(Console(tmp_path), "/")

    assert status == 200
    assert b"./glia console build" in body
    assert "script-src 'self'" in headers["content-security-policy"]


def test_a_head_has_no_body(console: Console) -> None:
    assert ask(console, "/", method="HEAD")[2] == b""


def test_another_source_is_another_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source, static = tmp_path / "console", tmp_path / "static"
    (source / "src").mkdir(parents=True)
    static.mkdir()
    (source / "package-lock.json").write_text("{}")
    (source / "src" / "main.tsx").write_text("1")
    (static / "index.html").write_text(_PAGE)
    monkeypatch.setattr(build, "SOURCE", source)
    monkeypatch.setattr(build, "STATIC", static)
    (static / "built-from").write_text(build.fingerprint())
    assert build.is_current()

    (source / "src" / "main.tsx").write_text("2")

    assert not build.is_current()
