"""What is fetched from elsewhere for a person who wants to see it, and what is not."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from glia.identity.types import Principal
from glia.kit.errors import Forbidden, GliaError
from glia.kit.outbound import Outbound, OutboundPolicy, OutboundRefused, Timeouts, UrlRefused
from glia.pictures.errors import NotAPicture, PictureTooLarge, PictureUnreachable, TooManyPictures
from glia.pictures.formats import MEDIA_TYPES, media_type_of
from glia.pictures.service import LARGEST_BYTES, MOST_AT_ONCE, MOST_AT_ONCE_EACH, Pictures
from tests.kit.outbound_servers import Answer, Conversation, Server, says, serving

PNG = b"\x89PNG\r\n\x1a\n" + bytes(600)
AVIF = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(300)
SAMPLES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "image/gif": b"GIF89a\x01\0\x01\0",
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "image/avif": AVIF,
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def http(body: bytes, named: str = "image/png", status: int = 200, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {named}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def somebody(*scopes: str) -> Principal:
    return Principal(uuid4(), uuid4(), frozenset(scopes or {"pictures:read"}))


@asynccontextmanager
async def fetching(answer: Answer, *, seconds: float = 120) -> AsyncIterator[tuple[Pictures, Server]]:
    async with serving(answer) as there:
        outbound = Outbound(OutboundPolicy(frozenset({there.name})))
        try:
            yield Pictures(outbound, timeouts=Timeouts(5, seconds, seconds)), there
        finally:
            await outbound.close()


async def refused(answer: Answer, kind: type[GliaError], *, seconds: float = 120) -> GliaError:
    async with fetching(answer, seconds=seconds) as (pictures, there):
        with pytest.raises(kind) as told:
            await pictures.fetch(somebody(), f"{there.url}/a.png")
    assert told.value.field == "url"
    return told.value


@pytest.mark.parametrize(("media_type", "content"), SAMPLES.items())
async def test_a_picture_is_what_its_bytes_say(media_type: str, content: bytes) -> None:
    async with fetching(says(http(content, "text/html"))) as (pictures, there):
        found = await pictures.fetch(somebody(), f"{there.url}/whatever")

    assert (found.media_type, found.content) == (media_type, content)
    assert set(SAMPLES) == set(MEDIA_TYPES)


def test_avif_is_told_by_any_of_its_brands_and_other_videos_are_none() -> None:
    assert media_type_of(b"\0\0\0\x18ftypmif1\0\0\0\0miafavif") == "image/avif"
    assert media_type_of(b"\0\0\0\x18ftypisom\0\0\0\0mp41mp42") is None
    assert media_type_of(b"\0\0\0\x10ftypmif1\0\0\0\0avif") is None  # past the end of its box
    for short in (b"", b"\x89PNG", b"RIFF", b"\0\0\0\x18ftyp", b"BM12345678901234"):
        assert media_type_of(short) is None


@pytest.mark.parametrize(
    ("content", "named", "says_so"),
    [
        (SVG, "image/svg+xml", "image/svg+xml"),
        (SVG, "image/png", "image/png"),
        (b'<?xml version="1.0"?>' + SVG, "image/svg+xml", "image/svg+xml"),
        (b"<!doctype html><script>alert(1)</script>", "image/png", "by their own bytes"),
        (b"%PDF-1.7", "application/pdf", "application/pdf"),
        (b"", "image/png", "nothing at all"),
        (b"x" * 500, "<script>/x", "by their own bytes"),
    ],
)
async def test_everything_else_is_refused_whatever_it_is_called(content: bytes, named: str, says_so: str) -> None:
    told = await refused(says(http(content, named)), NotAPicture)

    assert says_so in told.message
    assert "<script>" not in told.message


async def test_nothing_of_the_caller_is_sent() -> None:
    async with fetching(says(http(PNG))) as (pictures, there):
        await pictures.fetch(somebody(), f"{there.url}/a.png?x=1#part")

    assert there.seen[0].path == "/a.png?x=1"
    assert set(there.seen[0].headers) == {"host", "user-agent", "accept", "accept-encoding"}


async def test_a_picture_may_be_just_as_large_as_allowed() -> None:
    most = PNG + bytes(LARGEST_BYTES - len(PNG))

    async with fetching(says(http(most))) as (pictures, there):
        assert len((await pictures.fetch(somebody(), there.url)).content) == LARGEST_BYTES


async def test_a_larger_one_is_refused_whether_it_says_so_or_not() -> None:
    head = b"HTTP/1.1 200 X\r\nContent-Type: image/png\r\n"
    announced = says(head + b"Content-Length: 10485761\r\n\r\n" + PNG)
    unannounced = says(head + b"\r\n" + PNG + bytes(LARGEST_BYTES), then_close=True)
    packed = gzip.compress(PNG + bytes(LARGEST_BYTES))
    bomb = says(http(packed, more="Content-Encoding: gzip\r\n"))

    for answer in (announced, unannounced, bomb):
        assert "10485760 bytes" in (await refused(answer, PictureTooLarge)).message


@pytest.mark.parametrize("place", ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/x", "http://[::1]/"])
async def test_a_redirect_to_a_private_address_is_not_followed(place: str) -> None:
    told = await refused(says(http(b"", status=302, more=f"Location: {place}\r\n")), OutboundRefused)

    assert (told.status, told.code) == (403, "outbound_refused")


async def test_redirects_within_what_may_be_called_are_followed_to_an_end() -> None:
    async def hop(conversation: Conversation) -> None:
        number = int(conversation.path.removeprefix("/"))
        more = f"Location: /{number - 1}\r\n"
        await conversation.say(http(b"", status=302, more=more) if number else http(PNG))

    async with fetching(hop) as (pictures, there):
        assert (await pictures.fetch(somebody(), f"{there.url}/5")).content == PNG
        with pytest.raises(PictureUnreachable, match="redirects again") as told:
            await pictures.fetch(somebody(), f"{there.url}/6")
    assert told.value.field == "url"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "/v1/agents",
        "//example.com/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "http://name:word@example.com/a.png",
        "http://example.com/a b.png",
        "http://2130706433/",
        "http://" + "a" * 9000,
    ],
)
async def test_what_is_no_http_address_is_refused(url: str) -> None:
    outbound = Outbound(OutboundPolicy())

    with pytest.raises(UrlRefused) as told:
        await Pictures(outbound).fetch(somebody(), url)

    assert (told.value.status, told.value.field) == (400, "url")
    await outbound.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8700/", "http://10.0.0.1/a.png", "http://[fd00::1]/a.png"])
async def test_a_private_address_is_refused(url: str) -> None:
    outbound = Outbound(OutboundPolicy())

    with pytest.raises(OutboundRefused) as told:
        await Pictures(outbound).fetch(somebody(), url)

    assert (told.value.status, told.value.field) == (403, "url")
    await outbound.close()


async def test_a_server_that_has_none_or_hangs_up_is_told() -> None:
    missing = await refused(says(http(b"gone", "text/plain", 404)), PictureUnreachable)
    assert "status 404" in missing.message
    assert missing.details["upstream_status"] == 404

    cut = await refused(
        says(b"HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\n" + PNG, then_close=True), PictureUnreachable
    )
    assert cut.details["kind"] == "disconnect"


async def test_a_server_that_never_finishes_is_left() -> None:
    async def silent(conversation: Conversation) -> None:
        await conversation.reader.read()

    async def endless(conversation: Conversation) -> None:
        await conversation.say(b"HTTP/1.1 200 X\r\n\r\n" + PNG)
        while True:  # until we hang up
            await conversation.say(b"x")
            await asyncio.sleep(0.02)

    for answer in (silent, endless):
        assert (await refused(answer, PictureUnreachable, seconds=0.5)).details["kind"] == "timeout"


@pytest.mark.parametrize("scopes", [("sessions:*", "tools:read"), ("*", "-pictures"), ("pictures:write",)])
async def test_who_lacks_the_scope_makes_no_call(scopes: tuple[str, ...]) -> None:
    async with fetching(says(http(PNG))) as (pictures, there):
        with pytest.raises(Forbidden, match="pictures:read"):
            await pictures.fetch(somebody(*scopes), there.url)
        assert there.connections == 0

        await pictures.fetch(somebody("*:read"), there.url)
        assert there.connections == 1


async def test_a_workspace_fetches_a_few_at_once_and_leaves_room_for_others() -> None:
    go_on = asyncio.Event()

    async def waiting(conversation: Conversation) -> None:
        await go_on.wait()
        await conversation.say(http(PNG))

    async with fetching(waiting, seconds=120) as (pictures, there), asyncio.TaskGroup() as group:
        one = somebody()
        under_way = [group.create_task(pictures.fetch(one, there.url)) for _ in range(MOST_AT_ONCE_EACH)]
        await asyncio.sleep(0)  # each has begun
        with pytest.raises(TooManyPictures) as told:
            await pictures.fetch(one, there.url)
        assert told.value.status == 429

        others = [somebody() for _ in range(MOST_AT_ONCE - MOST_AT_ONCE_EACH)]
        under_way += [group.create_task(pictures.fetch(other, there.url)) for other in others]
        await asyncio.sleep(0)
        with pytest.raises(TooManyPictures):
            await pictures.fetch(somebody(), there.url)

        go_on.set()
        assert {found.media_type for found in await asyncio.gather(*under_way)} == {"image/png"}
        assert (await pictures.fetch(one, there.url)).content == PNG
