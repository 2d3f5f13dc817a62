"""Addresses, to one canonical text each."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy.config.address import (
    parse_backend,
    parse_bind,
    parse_dns_name,
    parse_loopback,
    parse_network,
    parse_socket,
)
from nginy.config.units import UnitError

from .trees import CALM


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("10.0.0.1:0080", "10.0.0.1:80"),
        ("Example.ORG:80", "example.org:80"),
        ("db_1.svc:5432", "db_1.svc:5432"),
        ("example.org.:80", "example.org.:80"),
        ("1a:80", "1a:80"),
        ("[::1]:80", "[::1]:80"),
        ("[2001:DB8:0:0::1]:443", "[2001:db8::1]:443"),
        ("unix:/run/a b.sock", "unix:/run/a b.sock"),
        ("localhost:1", "localhost:1"),
        ("xn--bcher-kva.example:80", "xn--bcher-kva.example:80"),
    ],
)
def test_backend_address_is_made_canonical(text: str, canonical: str) -> None:
    assert parse_backend(text) == canonical
    assert parse_backend(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "a", ":80", "a:", "a:b", "a:-1", "a:65536", "a:0", "1.2.3:80", "1.2.3.4.5:80", "::1:80",
        "[::1]", "[::1]80", "[a]:80", "[::g]:80", "a..b:80", "a" * 64 + ":80", "a:80:90", "a/b:80", "unix:",
        "unix:a", "unix:/a/", "tcp://a:80", "a:\u0661", "systemd:x", "*:80", "a%b:80"
    ],
)  # fmt: skip
def test_backend_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_backend(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (":8080", "0.0.0.0:8080"),
        ("0.0.0.0:0", "0.0.0.0:0"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::]:80", "[::]:80"),
        ("[0::0]:80", "[::]:80"),
        ("unix:/run/n.sock", "unix:/run/n.sock"),
        ("systemd:web.socket", "systemd:web.socket"),
        ("127.0.0.1:5000-5100", "127.0.0.1:5000-5100"),
        (":1-1024", "0.0.0.0:1-1024"),
        ("[::]:05000-5001", "[::]:5000-5001"),
        (":53-53", "0.0.0.0:53"),
    ],
)
def test_bind_is_made_canonical(text: str, canonical: str) -> None:
    assert parse_bind(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "80", "*:80", "localhost:80", ":", ":65536", "systemd:", "systemd:a b", "unix:x", "[::]", ":5-4", ":0-9", ":1-",
        ":-1", ":1-2-3", ":1 - 2", ":65000-65536", ":1-1025", ":\u0661-\u0662"
    ],
)  # fmt: skip
def test_bind_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_bind(text)


@pytest.mark.parametrize("text", ["127.0.0.1:9901", "127.9.9.9:0", "[::1]:1"])
def test_loopback_is_accepted(text: str) -> None:
    assert parse_loopback(text) == text


@pytest.mark.parametrize(
    "text",
    [":9901", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1", "unix:/a", "systemd:a", "127.0.0.1:1-2"],
)
def test_what_is_not_loopback_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_loopback(text)


def test_control_socket_is_a_path_with_or_without_unix() -> None:
    assert parse_socket("unix:/run/n.sock") == parse_socket("/run/n.sock") == "/run/n.sock"
    assert parse_socket("unix:n.sock") == "n.sock"


def test_path_length_is_counted_in_bytes() -> None:
    assert parse_backend("unix:/" + "x" * 106)
    for text in ("unix:/" + "x" * 107, "unix:/" + "\u00e9" * 54):
        with pytest.raises(UnitError):
            parse_backend(text)
    assert parse_socket("/" + "x" * 99)
    with pytest.raises(UnitError):
        parse_socket("/" + "x" * 100)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::1", "::1/128"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
    ],
)
def test_network_is_made_canonical(text: str, canonical: str) -> None:
    assert parse_network(text) == canonical


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
        ("10.0.0.0/255.0.0.0", "write 10.0.0.0/8"),
        ("10.0.0.0/33", "10.0.0.0/8"),
        ("example.org", "10.0.0.0/8"),
        ("", "10.0.0.0/8"),
        ("10.0.0.1:80", "10.0.0.0/8"),
        ("fe80::1%eth0", ""),
    ],
)
def test_network_that_is_none_is_refused_with_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_network(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "canonical"), [(".", "."), ("Example.ORG", "example.org"), ("a.", "a"), ("_sip._udp.a", "_sip._udp.a")]
)
def test_dns_name_is_made_canonical(text: str, canonical: str) -> None:
    assert parse_dns_name(text) == canonical


@pytest.mark.parametrize("text", ["", "..", "a..b", "a b", "b\u00fccher.example", "a" * 64, "-a"])
def test_dns_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_dns_name(text)


@given(st.text())
@CALM
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for parse in (parse_backend, parse_bind, parse_loopback, parse_socket, parse_network, parse_dns_name):
        with contextlib.suppress(UnitError):
            assert parse(parse(text)) == parse(text)
