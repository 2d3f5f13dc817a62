"""Backends that are nginy's own listeners: refused when sessions would come back, fine when the way ends."""

import time

import pytest

from nginy.config import parse_config

from .marked import Bad, check, refused, whole


def one(bind: str, address: str, more: str = "") -> Bad:
    """One listener in front of one pool with one backend."""
    text = f"pools: {{p: {{backends: [§'{address}']}}}}\nlisteners: {{web: {{bind: '{bind}', pool: p{more}}}}}"
    return whole(text, "pools.p.backends[0]", "where listener 'web' listens")


LOOPS = [
    one("127.0.0.1:80", "127.0.0.1:80"),
    one("192.0.2.1:80", "192.0.2.1:80"),
    one("[::1]:80", "[::1]:80"),
    one(":80", "127.0.0.1:80"),
    one(":80", "127.9.9.9:80"),
    one(":80", "0.0.0.0:80"),
    one(":80", "localhost:80"),
    one("[::]:80", "[::1]:80"),
    one("[::]:80", "localhost.:80"),
    one("127.0.0.1:80", "LOCALHOST:80"),
    one("unix:/run/web", "unix:/run/web"),
    one(":80", "127.0.0.1:80", ", protocol: http"),
    one(":53", "127.0.0.1:53", ", protocol: udp"),
    one("127.0.0.1:5000-5100", "127.0.0.1:5100", ", protocol: udp"),
    whole(
        "pools: {p: {backends: ['a:1', {address: §'127.0.0.1:80', weight: 2}]}}\n"
        "listeners: {web: {bind: [':81', ':80'], pool: p}}",
        "pools.p.backends[1].address",
        "where listener 'web' listens",
    ),
]
ENDS = [
    (":80", "127.0.0.1:81"),
    (":80", "192.0.2.1:80"),
    (":80", "[::1]:80"),
    ("[::]:80", "127.0.0.1:80"),
    ("127.0.0.2:80", "localhost:80"),
    ("127.0.0.1:80", "0.0.0.0:80"),
    (":80", "example.org:80"),
    (":0", "127.0.0.1:80"),
    ("unix:/run/web", "unix:/run/app"),
    ("systemd:web", "127.0.0.1:80"),
]


@pytest.mark.parametrize("bad", LOOPS, ids=lambda bad: bad.text.replace("\n", " ")[:70])
def test_a_backend_that_is_its_own_listener_is_refused(bad: Bad) -> None:
    check(bad)


@pytest.mark.parametrize(("bind", "address"), ENDS)
def test_a_backend_that_may_be_somebody_else_is_accepted(bind: str, address: str) -> None:
    tree = {"pools": {"p": {"backends": [address]}}, "listeners": {"web": {"bind": bind, "pool": "p"}}}
    assert parse_config(tree)


CHAIN = """\
pools:
  a: {backends: ["127.0.0.1:81"]}
  b: {backends: ["127.0.0.1:82"]}
  c: {backends: ["%s"]}
  alone: {backends: ["127.0.0.1:80"]}
listeners:
  first: {bind: ":80", pool: a}
  second: {bind: ":81", pool: b}
  third: {bind: ":82", pool: c}
"""


def test_nginy_in_front_of_nginy_is_accepted_while_the_way_ends() -> None:
    assert parse_config(CHAIN % "192.0.2.1:80")


def test_a_way_that_comes_back_through_others_is_refused_at_each_step_of_it() -> None:
    problems = refused(CHAIN % "127.0.0.1:80", name="n.yaml")
    assert [problem.split(" ")[1] for problem in problems] == [
        "pools.a.backends[0]:",
        "pools.b.backends[0]:",
        "pools.c.backends[0]:",
    ]


def test_a_way_that_changes_its_protocol_ends() -> None:
    """TCP and UDP have ports of their own: a datagram never arrives at a TCP listener."""
    listeners = {"web": {"bind": ":80", "pool": "p"}, "dns": {"bind": ":53", "pool": "q", "protocol": "udp"}}
    pools = {"p": {"backends": ["127.0.0.1:53"]}, "q": {"backends": ["127.0.0.1:80"]}}
    assert parse_config({"pools": pools, "listeners": listeners})


def test_a_pool_of_both_protocols_is_refused_for_the_one_that_comes_back() -> None:
    listeners = {
        "stream": {"bind": ":53", "pool": "p"},
        "other": {"bind": ":54", "pool": "q"},
        "datagrams": {"bind": ":54", "pool": "p", "protocol": "udp"},
    }
    pools = {"p": {"backends": ["127.0.0.1:54"]}, "q": {"backends": ["192.0.2.1:1"]}}
    [problem] = refused({"pools": pools, "listeners": listeners})
    assert "where listener 'datagrams' listens" in problem


def test_many_backends_and_listeners_are_looked_through_quickly() -> None:
    listeners = {f"l{n}": {"bind": f":{n + 1000}", "pool": "p"} for n in range(500)}
    tree = {"pools": {"p": {"backends": [f"10.0.{n // 250}.{n % 250}:80" for n in range(1000)]}}}
    began_s = time.process_time()
    assert parse_config(tree | {"listeners": listeners})
    assert time.process_time() - began_s < 2
