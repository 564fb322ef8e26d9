"""Which hosts are read as hosts, and which of them a list lets through."""

import pytest

from glia.kit.errors import InvalidRequest
from glia.sandboxes.egress.rules import read_allow_list, read_authority, read_host
from glia.sandboxes.http_head import BadHead, read_head

NOT_HOSTS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "[::1]",
    "::1",
    "example.org\x00.allowed.org",
    "example.org%00",
    "user@example.org",
    "exa mple.org",
    "example..org",
    ".example.org",
    "-example.org",
    "example.org..",
    "ｅxample.org",
    "example.org/x",
    "example.org\n",
    "",
    "a" * 64 + ".org",
    ".".join(["a" * 60] * 5),
]


@pytest.mark.parametrize("text", NOT_HOSTS)
def test_what_has_two_readings_is_no_host(text: str) -> None:
    assert read_host(text) is None
    assert read_authority(f"{text}:443") is None


def test_a_host_has_one_spelling() -> None:
    assert read_host("API.Example.ORG.") == "api.example.org"
    assert read_host("xn--bcher-kva.example") == "xn--bcher-kva.example"
    assert read_authority("Example.org:443") == ("example.org", 443)
    assert [read_authority(f"example.org:{port}") for port in ("", "0", "65536", "-1", "4 3", "443x")] == [None] * 6


def test_a_list_lets_through_what_it_names_and_nothing_like_it() -> None:
    allow = read_allow_list(["api.example.org", "*.cdn.example.org", "db.example.org:8443"])

    def reached(host: str, port: int = 443) -> bool:
        return allow.why_refused(host, port) is None

    assert reached("api.example.org")
    assert reached("api.example.org", 80)
    assert reached("x.y.cdn.example.org")
    assert reached("db.example.org", 8443)
    assert not reached("example.org")
    assert not reached("evilapi.example.org")
    assert not reached("api.example.org.evil.net")
    assert not reached("cdn.example.org")
    assert not reached("evilcdn.example.org")
    assert not reached("api.example.org", 22)
    assert not reached("db.example.org", 443)


def test_an_empty_list_allows_nothing() -> None:
    assert read_allow_list([]).why_refused("example.org", 443) is not None


@pytest.mark.parametrize(
    "entry", ["127.0.0.1", "*", "*.", "*.org:0", "http://example.org", "a*.org", "::1", "x:y", "*.com"]
)
def test_an_entry_that_is_no_host_is_refused_by_name(entry: str) -> None:
    with pytest.raises(InvalidRequest, match="allow_hosts\\[1\\]"):
        read_allow_list(["example.org", entry])


@pytest.mark.parametrize(
    "raw",
    [
        b"GET http://a.org/ HTTP/2.0\r\n\r\n",
        b"GET  http://a.org/ HTTP/1.1\r\n\r\n",
        b"GET http://a.org/ HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET http://a.org/ HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET http://a.org/ HTTP/1.1\r\nA: b\nX: y\r\n\r\n",
        b"GET http://a.org/ HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"CONNECT evil\x00.allowed:443 HTTP/1.1\r\n\r\n",
    ],
)
def test_a_head_with_two_readings_is_refused(raw: bytes) -> None:
    with pytest.raises(BadHead):
        read_head(raw)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1\r\nContent-Length: 1\r\n",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Content-Length: +1\r\n",
    ],
)
def test_a_body_whose_length_is_in_doubt_is_refused(fields: bytes) -> None:
    head = read_head(b"POST http://a.org/ HTTP/1.1\r\n" + fields + b"\r\n")

    with pytest.raises(BadHead):
        head.body_length()
