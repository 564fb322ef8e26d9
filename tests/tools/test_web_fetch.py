import asyncio
import time

import pytest
from tests.tools.conftest import HANG_UP, Server, answer

from glia.kit.outbound import Outbound, OutboundPolicy
from glia.tools.errors import InvalidArguments
from glia.tools.html_text import text_of
from glia.tools.types import ToolContext, ToolResult
from glia.tools.web_fetch import web_fetch

PAGE = """<!doctype html><html><head><title>Bees &amp; honey</title><style>p{}</style></head><body>
<nav><a href="/x">Menu</a></nav><script>var a = "<p>no</p>";</script>
<h1>Bees</h1><p>They make   <b>honey</b>
in <a href="/hives">hives</a>.</p><ul><li>queen<li>drone</ul>
<table><tr><th>kind</th><th>number</th></tr><tr><td>worker</td><td>5</td></tr></table>
<pre>a
  b</pre><footer>Imprint</footer></body></html>"""


async def fetch(outbound: Outbound, context: ToolContext, url: str) -> ToolResult:
    return await web_fetch(outbound).call(context, f'{{"url": "{url}"}}')


async def test_a_page_is_read_as_text_without_what_frames_it(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    server.answers = [answer(200, PAGE.encode(), "text/html; charset=utf-8")]

    result = await fetch(outbound, context, f"{server.url}/bees")

    assert not result.is_error
    for part in ("Bees & honey", "# Bees", "They make honey in", "- queen", "- drone", "worker | 5", "a\n  b"):
        assert part in result.text
    assert f"[hives]({server.url}/hives)" in result.text
    for part in ("Menu", "Imprint", "var a", "p{}"):
        assert part not in result.text


async def test_json_and_text_pass_and_long_text_is_cut_with_a_note(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    server.answers = [answer(200, b'{ "a": [1, 2] }'), answer(200, b"x" * 30_000, "text/plain")]

    assert '{"a":[1,2]}' in (await fetch(outbound, context, server.url)).text
    long = (await fetch(outbound, context, server.url)).text
    assert "first 20000 of 30000 characters" in long
    assert len(long) < 20_300


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (answer(200, b"\x89PNG", "image/png"), "image/png of 4 bytes"),
        (answer(200, b"MZ\0\0", "application/octet-stream"), "only text"),
        (answer(404, b"<h1>Gone</h1>", "text/html"), "status 404"),
        (answer(200, b"x" * (2 * 1024 * 1024 + 1), "text/plain"), "larger than 2097152 bytes"),
        (HANG_UP, "closed the connection"),
        (b"garbage\r\n\r\n", "valid HTTP"),
    ],
)
async def test_what_cannot_be_read_is_said_in_a_sentence(
    outbound: Outbound, server: Server, context: ToolContext, reply: bytes, says: str
) -> None:
    server.answers = [reply]

    result = await fetch(outbound, context, server.url)

    assert result.is_error
    assert says in result.text


async def test_redirects_are_followed_at_most_five_times(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    hop = answer(302, location="/next")
    server.answers = [hop] * 5 + [answer(200, b"there", "text/plain")]
    assert "there" in (await fetch(outbound, context, server.url)).text

    server.answers = [hop]
    assert (await fetch(outbound, context, server.url)).is_error


async def test_private_addresses_are_refused_unless_the_operator_opened_them(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    strict = Outbound(OutboundPolicy())
    result = await fetch(strict, context, server.url)
    assert result.is_error
    assert "loopback" in result.text
    assert server.requests == []
    await strict.close()

    assert not (await fetch(outbound, context, server.url)).is_error  # the control


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/", "http://a@example.com/", "nonsense"])
async def test_other_addresses_are_refused(outbound: Outbound, context: ToolContext, url: str) -> None:
    assert (await fetch(outbound, context, url)).is_error


async def test_an_address_is_needed(outbound: Outbound, context: ToolContext) -> None:
    with pytest.raises(InvalidArguments):
        await web_fetch(outbound).call(context, '{"url": ""}')


async def test_no_character_that_the_log_cannot_keep_comes_back(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    server.answers = [
        answer(200, b"a\0b", "text/plain"),
        answer(200, b'{"a": "x\\u0000y"}'),
        answer(200, "<p>a&#0;b\0é</p>".encode("latin-1"), "text/html; charset=iso-8859-1"),
        answer(200, b"a\xff", "text/plain; charset=unicode_escape"),
    ]
    texts = [(await fetch(outbound, context, server.url)).text for _ in range(4)]
    assert not any("\0" in text or "\\u0000" in text for text in texts)
    assert "é" in texts[2]


HOSTILE = ["<!--", "<a ", "<", "&", "<div>", "<!", "<nav>", "</p", "<p a='", "<![CDATA[", "<?", "&#", "<p a="]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_markup_takes_a_bounded_time(piece: str) -> None:
    started = time.process_time()
    text_of(piece * (1_000_000 // len(piece)), "http://example.com/", 80_000)
    assert time.process_time() - started < 4


def test_an_unclosed_frame_does_not_hide_the_page() -> None:
    assert "the story" in text_of("<nav><p>the story", "http://example.com/", 1000)[1]


async def test_the_event_loop_stays_free_while_a_page_is_read(
    outbound: Outbound, server: Server, context: ToolContext
) -> None:
    server.answers = [answer(200, b"<p>word</p>" * 150_000, "text/html")]
    fetching = asyncio.create_task(fetch(outbound, context, server.url))
    here, everywhere = time.thread_time(), time.process_time()
    result = await fetching
    here, everywhere = time.thread_time() - here, time.process_time() - everywhere
    assert result.text.count("word") > 100
    assert here < everywhere / 2  # most of the work is another thread's
