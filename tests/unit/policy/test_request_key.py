"""Keys that a request says: what is taken of odd heads, byte by byte, and what stands in for one that is not there."""

import random
import re
import socket

import pytest
from nginy._fast.testpolicy import Chooser, request_of

from nginy._fast import door
from nginy._fast.choices import Visit

from .rows import backend, block, key, pool

SOURCE = socket.inet_aton("192.0.2.7")
HEADER = dict(kind="header", value=b"X-User")
COOKIE = dict(kind="cookie", value=b"sid")
QUERY = dict(kind="query", value=b"user")
PATH = dict(kind="path")
HOST = dict(kind="host")


def chooser(**conf):
    return Chooser(block([backend(i) for i in range(64)], pools=[pool(policy="source_hash", key=key(**conf))]))


def message(*fields, target="/", host="a.example"):
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def said(conf, *fields, **more):
    request = request_of(message(*fields, **more))
    return chooser(**conf).key_of(0, Visit(ip=SOURCE, request=request))[0]


HEADERS = [
    (["X-User: ann"], b"ann"),
    (["x-uSER:ann"], b"ann"),
    (["X-User: \t ann \t"], b"ann"),
    (["X-User: ann, bob"], b"ann, bob"),
    (["X-User: ann", "X-User: bob"], b"ann"),
    (["X-User: \xe4\xff"], b"\xe4\xff"),
    (["X-Users: ann", "X-Use: ann", "Y-User: ann"], b""),
    (["X-User:"], b""),
    (["X-User:", "X-User: bob"], b""),
    ([], b""),
]


@pytest.mark.parametrize("fields, expected", HEADERS, ids=str)
def test_header_is_the_value_of_the_first_of_its_name(fields, expected):
    assert said(HEADER, *fields) == expected


@pytest.mark.parametrize("name", [b"host", b"x-forwarded-for", b"Content-Length"])
def test_header_may_be_one_that_means_something_to_a_proxy(name):
    fields = ["X-Forwarded-For: 7", "Content-Length: 7"]
    assert said(dict(kind="header", value=name), *fields, host="7") == b"7"


COOKIES = [
    (["Cookie: sid=1"], b"1"),
    (["Cookie: a=b; sid=1; c=d"], b"1"),
    (["Cookie: a=b;sid=1;c=d"], b"1"),
    (["Cookie:  \tsid \t= 1 \t; c=d"], b"1"),
    (["Cookie: sid=1; sid=2"], b"1"),
    (["Cookie: a=b", "Cookie: sid=1"], b"1"),
    (["Cookie: SID=2; sid=1"], b"1"),
    (["Cookie: xsid=2; sidx=3; sid=1"], b"1"),
    (["Cookie: a=sid=2; sid=1"], b"1"),
    (["Cookie: sid; sid=1"], b"1"),
    (["Cookie: sid=a=b=c"], b"a=b=c"),
    (['Cookie: sid="1 2"'], b'"1 2"'),
    (['Cookie: sid="1;2"'], b'"1'),
    (["Cookie: ;;; sid=1;;"], b"1"),
    (["Cookie: sid="], b""),
    (["Cookie: sid"], b""),
    (["Cookie: =sid"], b""),
    (["Cookie:"], b""),
    (["X-Cookie: sid=1", "Set-Cookie: sid=1"], b""),
]


@pytest.mark.parametrize("fields, expected", COOKIES, ids=str)
def test_cookie_is_the_value_of_the_first_of_its_name(fields, expected):
    assert said(COOKIE, *fields) == expected


QUERIES = [
    ("/?user=ann", b"ann"),
    ("/?a=b&user=ann&c=d", b"ann"),
    ("/?user=ann&user=bob", b"ann"),
    ("/?user=a%6En+x", b"a%6En+x"),
    ("/?user=a=b", b"a=b"),
    ("/?user=a;b", b"a;b"),
    ("/?users=1&xuser=2&user=ann", b"ann"),
    ("/?&&user=ann&&", b"ann"),
    ("/?user=a?b", b"a?b"),
    ("/?User=ann", b""),
    ("/?user", b""),
    ("/?user=", b""),
    ("/?=user", b""),
    ("/?", b""),
    ("/user=ann", b""),
]


@pytest.mark.parametrize("target, expected", QUERIES)
def test_query_is_the_value_of_the_first_of_its_name_as_it_came(target, expected):
    assert said(QUERY, target=target) == expected


PATHS = [
    ("/a/b/c?d", {}, b"/a/b/c"),
    ("/", {}, b"/"),
    ("/a%2Fb//c/", {}, b"/a%2Fb//c/"),
    ("http://a.example/a?b", {}, b"/a"),
    ("/a/b/c?d", dict(offset=1), b"/a"),
    ("/a/b/c?d", dict(offset=2), b"/a/b"),
    ("/a/b/c?d", dict(offset=3), b"/a/b/c"),
    ("/a/b/c?d", dict(offset=255), b"/a/b/c"),
    ("/a/", dict(offset=1), b"/a"),
    ("/a", dict(offset=1), b"/a"),
    ("/", dict(offset=1), b"/"),
    ("//a/b", dict(offset=1), b"/"),
    ("/a?b/c/d", dict(offset=1), b"/a"),
    ("/a/b?c=d/e", dict(n_bytes=1), b"/a/b?c=d/e"),
    ("/a?", dict(n_bytes=1), b"/a?"),
    ("/a", dict(n_bytes=1), b"/a"),
    ("http://a.example/a?b", dict(n_bytes=1), b"/a?b"),
    ("http://a.example", {}, b"/"),
]


@pytest.mark.parametrize("target, conf, expected", PATHS)
def test_path_is_all_of_it_or_its_beginning_or_with_the_query(target, conf, expected):
    assert said(PATH | conf, target=target) == expected


HOSTS = [
    ("a.example", b"a.example"),
    ("A.Example:8080", b"a.example"),
    ("a.example.", b"a.example"),
    ("a.example.:80", b"a.example"),
    ("1.2.3.4:80", b"1.2.3.4"),
    ("1.2.3.4", b"1.2.3.4"),
    ("[2001:DB8::1]:80", b"[2001:db8::1]"),
    ("[::1]", b"[::1]"),
    ("a" * 250, b"a" * 250),
]


@pytest.mark.parametrize("host, expected", HOSTS)
def test_host_is_in_lower_case_without_port_and_last_dot(host, expected):
    assert said(HOST, host=host) == expected


@pytest.mark.parametrize("conf", [HEADER, COOKIE, QUERY], ids=lambda conf: conf["kind"])
def test_request_without_the_key_goes_by_its_client(conf):
    over, request = chooser(**conf), request_of(message())
    bare, by_client = over.key_of(0, Visit(ip=SOURCE, request=request))
    assert bare == b""
    assert by_client == chooser(kind="source").key_of(0, Visit(ip=SOURCE))[1]
    clients = [Visit(ip=bytes([10, 0, 0, i]), request=request) for i in range(50)]
    assert len({over.choose(0, visit=client) for client in clients}) > 20  # no hot spot


@pytest.mark.parametrize("conf", [HEADER, COOKIE, QUERY, PATH, HOST], ids=lambda conf: conf["kind"])
def test_visit_that_is_no_request_goes_by_its_client(conf):
    bare, by_client = chooser(**conf).key_of(0, Visit(ip=SOURCE))
    assert (bare, by_client) == (b"", chooser(kind="source").key_of(0, Visit(ip=SOURCE))[1])


def test_rings_of_nginx_hash_the_text_of_the_key():
    from zlib import crc32

    over = chooser(**HEADER, ring=door.RINGS["nginx"])
    request = request_of(message("X-User: ann"))
    assert over.key_of(0, Visit(ip=SOURCE, request=request))[1] >> 32 == crc32(b"ann")


def test_odd_cookies_and_queries_are_read_as_a_plain_reader_does(seed):
    draw = random.Random(seed)
    over = {conf["kind"]: chooser(**conf) for conf in (COOKIE, QUERY)}
    for _turn in range(3000):
        cookie = "".join(draw.choice(["sid", "a", "=", ";", " ", '"', "\t"]) for _ in range(draw.randrange(12)))
        query = "".join(draw.choice(["user", "b", "=", "&", "?", "%41"]) for _ in range(draw.randrange(12)))
        visit = Visit(ip=SOURCE, request=request_of(message(f"Cookie: {cookie}", target=f"/?{query}")))
        pairs = [pair.partition("=") for pair in cookie.strip(" \t").split(";")]
        wanted = [value.strip(" \t") for name, sign, value in pairs if sign and name.strip(" \t") == "sid"]
        assert over["cookie"].key_of(0, visit)[0] == (wanted[0] if wanted else "").encode(), cookie
        found = re.search(r"(?:^|&)user=([^&]*)", query)
        assert over["query"].key_of(0, visit)[0] == (found[1] if found else "").encode(), query
