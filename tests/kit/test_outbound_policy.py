from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glia.kit.errors import InvalidRequest
from glia.kit.outbound import Outbound, OutboundPolicy, OutboundRefused, UrlRefused
from glia.kit.outbound.policy import why_refused
from glia.kit.outbound.target import follow, parse

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2607:f8b0::5efe:127.0.0.1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert why_refused(ip_address(address)) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not_refused(address: str) -> None:
    assert why_refused(ip_address(address)) is None


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_refused_too(address) -> None:
    if not address.is_global:
        # Special-purpose ranges that are routed on the public internet all the same.
        assert why_refused(address) is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.01/",
        "http://127.0.0.1.1/",
        "http://1.2.3.256/",
        "http://example.0x/",
        "http://[::1%25lo]/",
        "http://[::1/",
        "http://::1/",
        "http://[127.0.0.1]/",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:8 0/",
        "http://exa mple.com/",
        "http://example.com/a b",
        "http://example.com/\r\nX: y",
        "http://exam\tple.com/",
        "http://example.com/\x00",
        " http://example.com/",
        "http:///path",
        "http://",
        "http:example.com",
        "//example.com/",
        "/path",
        "",
        "http://%31%32%37.0.0.1/",
        "http://a..b/",
        "http://-a.com/",
        "http://" + "a" * 64 + ".com/",
        "http://" + "a." * 200 + "com/",
        "http://example.com/" + "x" * 9000,
        "http://example.com/\ud800",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "data:text/plain,x",
        "jar:http://example.com!/",
    ],
)
def test_a_url_with_more_than_one_reading_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        parse(url)

    assert caught.value.code == "outbound_refused"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://１２７.０.０.１/", "127.0.0.1"),
        ("http://127。0。0。1/", "127.0.0.1"),
        ("http://127.0.0.1./", "127.0.0.1"),
        ("http://LOCALHOST./", "localhost"),
        ("http://[0:0:0:0:0:0:0:1]/", "::1"),
        ("http://[::ffff:7f00:1]/", "::ffff:7f00:1"),
        ("http://Bücher.example/", "xn--bcher-kva.example"),
    ],
)
def test_a_host_is_judged_in_its_one_spelling(url: str, host: str) -> None:
    assert parse(url).host == host


def test_the_numeric_spellings_would_reach_loopback_without_the_strict_reading() -> None:
    """The control: the system's resolver takes them for 127.0.0.1."""
    for spelling in ("2130706433", "0x7f000001", "0177.0.0.1", "127.1"):
        assert socket.getaddrinfo(spelling, 80, type=socket.SOCK_STREAM)[0][4][0] == "127.0.0.1"


def test_a_url_is_taken_apart_as_it_goes_on_the_wire() -> None:
    target = parse("HTTP://Example.COM:8080?q=ü#part")

    assert (target.host, target.port, target.path) == ("example.com", 8080, "/?q=%C3%BC")
    assert (target.authority, target.name) == ("example.com:8080", "example.com:8080")
    assert parse("https://example.com:443/").authority == "example.com"
    assert parse("https://[2606:4700::1111]/").authority == "[2606:4700::1111]"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "javascript:alert(1)", "http://[", "http://u@h/"])
def test_a_redirect_to_something_else_than_http_is_refused(location: str) -> None:
    with pytest.raises(OutboundRefused):
        follow(parse("http://example.com/"), location)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    with pytest.raises(OutboundRefused, match="from https to http"):
        follow(parse("https://example.com/"), "http://example.com/")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b c", "http://example.com/b%20c"),
        ("../x?y", "http://example.com/x?y"),
        ("//other.example/", "http://other.example/"),
        ("https://example.com/", "https://example.com/"),
        ("/ü".encode().decode("latin-1"), "http://example.com/%C3%BC"),
    ],
)
def test_a_redirect_may_be_relative(location: str, url: str) -> None:
    assert follow(parse("http://example.com/a/b"), location).url == url


def test_the_setting_is_read_in_one_spelling() -> None:
    policy = OutboundPolicy.from_setting(" LOCALHOST:9100, 10.0.0.5:80,[FD00:0::1]:443,, ")

    assert policy.allow == {"localhost:9100", "10.0.0.5:80", "[fd00::1]:443"}
    assert OutboundPolicy.from_setting("").allow == frozenset()


@pytest.mark.parametrize(
    "text",
    ["localhost", "localhost:", "localhost:0", "localhost:http", ":80", "10.0.0.0/8:80", "http://a:80", "::1:80"],
)
def test_nonsense_in_the_setting_names_the_entry(text: str) -> None:
    with pytest.raises(InvalidRequest, match="GLIA_OUTBOUND_ALLOW") as caught:
        OutboundPolicy.from_setting(f"good.example:1,{text}")

    assert repr(text) in caught.value.message


def test_one_refused_address_refuses_them_all() -> None:
    with pytest.raises(OutboundRefused) as caught:
        OutboundPolicy().judge(parse("http://name.example/"), ["93.184.216.34", "10.1.2.3"])

    assert "name.example:80" in caught.value.message
    assert "GLIA_OUTBOUND_ALLOW=name.example:80" in caught.value.message
    assert "10.1.2.3" not in caught.value.message
    assert caught.value.status == 403


def test_an_opened_name_or_address_passes_on_its_port_only() -> None:
    by_name = OutboundPolicy(frozenset({"name.example:80"}))
    by_address = OutboundPolicy(frozenset({"10.1.2.3:80"}))

    by_name.judge(parse("http://name.example/"), ["10.1.2.3"])
    by_address.judge(parse("http://name.example/"), ["10.1.2.3"])

    for policy in (by_name, by_address):
        with pytest.raises(OutboundRefused):
            policy.judge(parse("http://name.example:81/"), ["10.1.2.3"])
    with pytest.raises(OutboundRefused):
        by_address.judge(parse("http://name.example/"), ["10.1.2.3", "10.1.2.4"])


async def test_a_refused_url_is_refused_by_the_client() -> None:
    client = Outbound(OutboundPolicy())

    for url in ("http://127.0.0.1:1/", "http://[::1]:1/", "http://2130706433:1/", "http://[::ffff:127.0.0.1]:1/"):
        with pytest.raises(OutboundRefused):
            await client.request("GET", url)
