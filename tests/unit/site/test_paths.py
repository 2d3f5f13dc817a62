"""Paths and hosts of routes: what they are compared as, and what is refused with its remedy."""

import pytest

from nginy.site.paths import canonical_host, exact_bytes, prefix_bytes


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", b""), ("/task", b"/task"), ("/task/", b"/task"), ("/a%20b", b"/a b"), ("/a b", b"/a b"), ("/%25x", b"/%x"),
     ("/käse", "/käse".encode()), ("/k%C3%A4se", "/käse".encode())],
)  # fmt: skip
def test_a_prefix_is_compared_decoded_and_without_its_last_slash(path: str, expected: bytes) -> None:
    assert prefix_bytes(path) == expected


@pytest.mark.parametrize(("path", "expected"), [("/", b"/"), ("/task/", b"/task/"), ("/a%2eb", b"/a.b")])
def test_an_exact_path_keeps_its_last_slash(path: str, expected: bytes) -> None:
    assert exact_bytes(path) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("task", "begins with a slash"), ("", "begins with a slash"), ("/a?b", "use `query`"), ("/a#b", "no fragment"),
        ("/a\\b", "write a slash"), ("/a;b", "parameters"), ("/a%3bb", "parameters"), ("/a//b", "write one"),
        ("//", "write one"), ("/a/./b", "segment of dots"), ("/..", "segment of dots"),
        ("/%2e%2e/a", "segment of dots"),
        ("/a%2fb", "read differently"), ("/a%5Cb", "read differently"), ("/a%00", "read differently"),
        ("/a%0a", "control character"), ("/a%", "write %25"), ("/a%2", "write %25"), ("/a%zz", "write %25"),
        ("/" + "a" * 4096, "at most 4096"),
    ],
)  # fmt: skip
def test_a_path_that_could_be_read_in_two_ways_is_refused(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact_bytes(path)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("App.Example.ORG", "app.example.org"), ("example.org.", "example.org"), ("*.Example.org", "*.example.org"),
     ("192.0.2.1", "192.0.2.1"), ("[2001:DB8::1]", "[2001:db8::1]"), ("localhost", "localhost"), ("a_b.c", "a_b.c")],
)  # fmt: skip
def test_a_host_is_compared_in_lower_case_without_its_last_dot(host: str, expected: str) -> None:
    assert canonical_host(host) == expected


@pytest.mark.parametrize(
    ("host", "message"),
    [("a.org:80", "without its port"), ("bücher.example", "xn--"), ("*", "leave it out"), ("a..b", "expected a host"),
     ("a.*.org", "expected a host"), ("", "expected a host"), ("http://a", "expected a host"),
     ("a" * 256, "at most 255"),
     ("[::1]:80", "without its port"), ("-a.org", "expected a host")],
)  # fmt: skip
def test_what_is_no_host_is_refused(host: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        canonical_host(host)
