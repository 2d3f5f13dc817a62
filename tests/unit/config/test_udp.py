"""UDP as people write it, and what the model makes of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from nginy.config import config_from, parse_config, to_yaml
from nginy.model import (
    Backend,
    BytesKey,
    CidServer,
    Config,
    DnsHealth,
    FrontUdp,
    Limits,
    Listener,
    Pool,
    QuicCidKey,
    Session,
    SourceKey,
    TrustedSenders,
    TupleKey,
    UdpExpect,
    UdpHealth,
)

from .marked import refused

AGREED = """\
listeners:
  dns:
    bind: ":53"
    protocol: udp
    pool: resolvers
    session:
      key: {kind: quic_cid, length: 8, server: {offset: 1, length: 2, map: {"0A01": "10.0.0.1:4433"}}}
      idle: 30s
      max: 1000
      requests: 1
      responses: 1
      per_datagram: on
      check: dns
      reuse: on
    limits:
      sessions: 100000
      flows_per_source: 100
      flow_rate_per_source: 50/s
      flow_rate: 10000/s
      datagram_rate: 90/m
      bandwidth: 100M
    timeouts: {drain: 10s}
    udp:
      rcvbuf: 8M
      gro: on
      proxy_protocol: {from: [10.0.0.0/8, "::1"]}
  dns-tcp: {bind: ":53", pool: resolvers}
pools:
  resolvers:
    backends: ["10.0.0.1:4433", "10.0.0.2:4433"]
    udp: {proxy_protocol: flow, transparent: off}
    health: {kind: dns, name: Example.org, type: AAAA, rcode: [NOERROR, NXDOMAIN]}
"""


def listener(text: str) -> Listener:
    bind = "" if "bind" in text else "bind: ':0', "
    tree = f"pools: {{p: {{backends: ['a:1']}}}}\nlisteners: {{l: {{{bind}pool: p, protocol: udp, {text}}}}}"
    config = parse_config(tree)
    assert parse_config(to_yaml(config)) == config
    return config.listeners["l"]


def health(text: str) -> Any:
    tree = f"pools: {{p: {{backends: ['a:1'], health: {text}}}}}\nlisteners: {{l: {{bind: ':0', pool: p}}}}"
    config = parse_config(tree)
    assert parse_config(to_yaml(config)) == config
    return config.pools["p"].health


def test_every_key_arrives_in_the_model() -> None:
    config = parse_config(AGREED)
    dns = config.listeners["dns"]
    server = CidServer(offset=1, length=2, map={"0a01": "10.0.0.1:4433"})
    assert dns.session == Session(
        key=QuicCidKey(length=8, server=server), idle=30, max=1000, requests=1, responses=1, check="dns", reuse=True
    )
    assert dns.limits == Limits(
        sessions=100_000,
        flows_per_source=100,
        flow_rate_per_source=50,
        flow_rate=10_000,
        datagram_rate=2,
        bandwidth=100 << 20,
    )
    trusted = TrustedSenders(senders=("10.0.0.0/8", "::1/128"))
    assert dns.udp == FrontUdp(rcvbuf=8 << 20, gro=True, proxy_protocol=trusted)
    assert dns.timeouts.drain == 10
    resolvers = config.pools["resolvers"]
    assert (resolvers.udp.proxy_protocol, resolvers.udp.transparent) == ("flow", False)
    assert resolvers.health == DnsHealth(name="example.org", type="AAAA", rcode=("NOERROR", "NXDOMAIN"))


def test_the_agreed_text_is_printed_and_read_back() -> None:
    config = parse_config(AGREED)
    text = to_yaml(config)
    assert parse_config(text) == config
    assert "per_datagram" not in text
    assert 'proxy_protocol: {from: ["10.0.0.0/8", "::1/128"]}' in text
    assert config_from(config) == config


def test_udp_listener_without_more_has_the_defaults() -> None:
    found = listener("").session
    assert (found.key, found.idle, found.max) == (TupleKey(), 60, 65536)
    assert (found.requests, found.responses, found.check, found.reuse) == (None, None, "none", False)
    assert listener("").udp == FrontUdp(rcvbuf=4 << 20, gro=False, proxy_protocol=None)
    tree = "pools: {p: {backends: ['a:1']}}\nlisteners: {l: {bind: ':0', pool: p, protocol: udp}}"
    text = to_yaml(parse_config(tree))
    assert 'l: {bind: "0.0.0.0:0", protocol: udp, pool: p}' in text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("tuple", TupleKey()),
        ("source", SourceKey()),
        ("{kind: source}", SourceKey()),
        ("{kind: bytes, length: 8}", BytesKey(length=8)),
        ("{kind: bytes, offset: 4, length: 32}", BytesKey(offset=4, length=32)),
        ("quic_cid", QuicCidKey(length=8)),
        ("{kind: quic_cid, length: 0}", QuicCidKey(length=0)),
    ],
)
def test_key_is_a_kind_or_a_mapping(text: str, key: Any) -> None:
    assert listener(f"session: {{key: {text}}}").session.key == key


@pytest.mark.parametrize(
    ("text", "requests", "is_per_datagram"),
    [
        ("", None, False),
        ("requests: 1", 1, True),
        ("requests: 2", 2, False),
        ("per_datagram: on", 1, True),
        ("per_datagram: off", None, False),
        ("per_datagram: on, requests: 1", 1, True),
        ("per_datagram: off, requests: 3", 3, False),
    ],
)
def test_per_datagram_is_one_request(text: str, requests: int | None, is_per_datagram: bool) -> None:
    found = listener(f"session: {{{text}}}").session
    assert (found.requests, found.per_datagram) == (requests, is_per_datagram)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("check: dns", 1),
        ("check: dns, responses: 2", 2),
        ("responses: 0", 0),
        ("check: dns, responses: 0", 0),
    ],
)
def test_dns_has_one_response_unless_told_otherwise(text: str, expected: int | None) -> None:
    assert listener(f"session: {{{text}}}").session.expected_responses == expected


@pytest.mark.parametrize(
    "text",
    ["per_datagram: on, check: dns", "requests: 1, responses: 0", "requests: 1, responses: 1, check: dns"],
)
def test_sockets_are_reused_where_no_answer_can_go_astray(text: str) -> None:
    assert listener(f"session: {{reuse: on, {text}}}").session.reuse


def test_reuse_that_is_not_safe_is_refused_in_python_too() -> None:
    for unsafe in ({}, {"requests": 1}, {"requests": 1, "responses": 1}, {"check": "dns"}):
        with pytest.raises(ValidationError):
            Session.model_validate({"reuse": True, **unsafe})


def test_ranges_of_ports_are_written_out() -> None:
    found = listener("bind: ['127.0.0.1:5000-5002', '[::1]:7']")
    assert found.bind == ("127.0.0.1:5000-5002", "[::1]:7")
    assert found.addresses == ("127.0.0.1:5000", "127.0.0.1:5001", "127.0.0.1:5002", "[::1]:7")


def test_binds_that_look_like_ranges_are_none() -> None:
    paths = ("unix:/run/a:1-2", "systemd:a-b")
    assert Listener(bind=paths, pool="p").addresses == paths


def test_tcp_and_udp_have_ports_of_their_own() -> None:
    tree = {
        "pools": {"p": {"backends": ["a:1"]}},
        "listeners": {
            "stream": {"bind": [":53", "[::]:53"], "pool": "p"},
            "datagrams": {"bind": [":53", "[::]:53"], "pool": "p", "protocol": "udp"},
        },
        "admin": {"http": "on"},
    }
    assert parse_config(tree)
    assert parse_config(tree | {"listeners": {"l": {"bind": ":9901", "pool": "p", "protocol": "udp"}}})


def test_a_thousand_ports_are_accepted_quickly_and_one_more_is_not() -> None:
    entry = {"pool": "p", "protocol": "udp"}
    listeners = {f"l{n}": {"bind": f":{5000 + 4 * n}-{5003 + 4 * n}", **entry} for n in range(256)}
    tree: dict[str, Any] = {"pools": {"p": {"backends": ["a:1"]}}, "listeners": listeners}
    assert sum(len(entry.addresses) for entry in parse_config(tree).listeners.values()) == 1024
    [problem] = refused(tree | {"listeners": listeners | {"one": {"bind": ":1", **entry}}})
    assert "listeners.one.bind: with it, the UDP listeners have 1025 ports" in problem


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ('"ping\\n"', b"ping\n"),
        ("ping", b"ping"),
        ('"\\x00\\xff\\u20ac"', b"\0\xc3\xbf\xe2\x82\xac"),
        ('{hex: "00fF"}', b"\0\xff"),
        ("{text: ping}", b"ping"),
        ('""', b""),
    ],
)
def test_payload_is_a_text_or_bytes(text: str, octets: bytes) -> None:
    found = health(f"{{kind: udp, send: {text}}}")
    assert found.send.octets == octets
    assert found.needs_answer


def test_check_by_udp_without_more_waits_for_nothing() -> None:
    assert health("udp") == UdpHealth()
    assert not health("udp").needs_answer
    assert health("{kind: udp, expect: {}}").needs_answer


@pytest.mark.parametrize(
    ("text", "passing", "failing"),
    [
        ("{}", [b"", b"x"], []),
        ("{prefix: po}", [b"po", b"pong"], [b"", b"p", b"xpo"]),
        ('{contains: {hex: "00ff"}}', [b"\0\xff", b"a\0\xffb"], [b"\xff\0", b""]),
        ('{hex: "706f"}', [b"po"], [b"pon", b""]),
        ("{prefix: a, contains: b}", [b"ab", b"a-b-"], [b"ba", b"a", b"b"]),
    ],
)
def test_answer_passes_when_all_that_is_expected_holds(text: str, passing: list[bytes], failing: list[bytes]) -> None:
    expect = health(f"{{kind: udp, send: x, expect: {text}}}").expect
    assert isinstance(expect, UdpExpect)
    assert [answer for answer in passing if not expect.accepts(answer)] == []
    assert [answer for answer in failing if expect.accepts(answer)] == []


def test_check_by_dns_without_more_asks_for_the_root() -> None:
    found = health("dns")
    assert (found.name, found.type, found.rcode) == (".", "A", ("NOERROR",))
    assert health("{kind: dns, rcode: REFUSED, name: a.}").rcode == ("REFUSED",)


def test_model_made_in_python_is_printed_as_checked() -> None:
    trusted = TrustedSenders(senders=("10.0.0.0/8", "192.0.2.1"))
    entry = Listener(
        bind=(":53",),
        pool="p",
        protocol="udp",
        session=Session(key=BytesKey(length=4), per_datagram=True),
        udp=FrontUdp(proxy_protocol=trusted),
    )
    config = Config(pools={"p": Pool(backends=(Backend(address="A:1"),))}, listeners={"l": entry})
    checked = config_from(config)
    assert checked.listeners["l"].udp.proxy_protocol == TrustedSenders(senders=("10.0.0.0/8", "192.0.2.1/32"))
    assert checked.listeners["l"].session.requests == 1
    assert parse_config(to_yaml(config)) == checked
