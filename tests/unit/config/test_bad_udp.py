"""What a UDP listener, its pool or a check of datagrams cannot have: each at its place, with what to write."""

import pytest

from .marked import LISTENER, Bad, check, listener, pool, whole

CID = "kind: quic_cid, length: 8"


def udp(text: str, path: str, says: str) -> Bad:
    """Keys of a UDP listener, in one line."""
    return listener(f"protocol: udp, {text}", path, says)


def session(text: str, path: str, says: str) -> Bad:
    return udp(f"session: {{{text}}}", f".session{path}", says)


def server(text: str, path: str, says: str) -> Bad:
    return session(f"key: {{{CID}, server: {{{text}}}}}", f".key.server{path}", says)


TCPS = [
    udp("§half_close: on", ".half_close", "`half_close` is for TCP; this listener has `protocol: udp` (remove it;"),
    udp("§backlog: 10", ".backlog", "`udp.rcvbuf` says how much may wait"),
    udp("§keepalive: 10s", ".keepalive", "`session.idle` ends flows that are silent"),
    udp("§keepalive: off", ".keepalive", "is for TCP"),
    udp("§splice: off", ".splice", "datagrams are never spliced"),
    udp("§tcp: {quickack: off}", ".tcp", "sockets for datagrams are set under `udp`"),
    udp("timeouts: {§connect: 1s}", ".timeouts.connect", "`session.idle` ends flows"),
    udp("timeouts: {drain: 1s, §idle: 1s}", ".timeouts.idle", "`session.idle` ends flows"),
    udp("timeouts: {§half_close: 1s}", ".timeouts.half_close", "is for TCP"),
    udp("bind: §'unix:/run/dns'", ".bind", "UDP listens on IP addresses only, and unix:/run/dns is a unix socket"),
    udp("bind: [':53', §'systemd:dns']", ".bind[1]", "systemd:dns is a systemd socket (write ip:port"),
]
UDPS = [
    listener("§session: {idle: 30s}", ".session", "`session` is for UDP; this listener has `protocol: tcp` (write"),
    listener("protocol: tcp, §udp: {gro: on}", ".udp", "sockets of TCP are set under `tcp`"),
    listener("limits: {§flows_per_source: 3}", ".limits.flows_per_source", "`sessions` caps TCP too"),
    listener("limits: {sessions: 1, §flow_rate: 3/s}", ".limits.flow_rate", "is for UDP"),
    listener("limits: {§flow_rate_per_source: 3/s}", ".limits.flow_rate_per_source", "is for UDP"),
    listener("limits: {§datagram_rate: 3/s}", ".limits.datagram_rate", "is for UDP"),
    listener("limits: {§bandwidth: 3M}", ".limits.bandwidth", "is for UDP"),
    listener("bind: §'127.0.0.1:5000-5001'", ".bind", "a range of ports, which only `protocol: udp` has"),
]
BINDS = [
    udp("bind: §':5100-5000'", ".bind", "write 5000-5100"),
    udp("bind: §':0-9'", ".bind", "a port is 1 to 65535, got 0"),
    udp("bind: §':5000-'", ".bind", "expected a port number after the last colon"),
    udp("bind: §':5000-6024'", ".bind", "has 1025 ports; at most 1024 are allowed"),
    udp("bind: [':5000-5100', §':6000-6923']", ".bind[1]", "with it, the UDP listeners have 1025 ports; at most 1024"),
    udp("bind: [':53', §':53']", ".bind[1]", "0.0.0.0:53 is bound twice"),
    udp("bind: [':5000-5100', §'127.0.0.1:5100']", ".bind[1]", "127.0.0.1:5100 overlaps with 0.0.0.0:5000-5100"),
    udp("bind: ['10.0.0.1:5000-5100', §'10.0.0.1:5050-5060']", ".bind[1]", "10.0.0.1:5050-5060 overlaps with"),
    udp("bind: ['[::]:5000-5100', §'[::1]:5000-5100']", ".bind[1]", "overlaps with [::]:5000-5100"),
]
KEYS = [
    session("§timeout: 3s", ".timeout", "it is called `idle` here"),
    session("§proxy_responses: 1", ".proxy_responses", "it is called `responses` here"),
    session("key: §5tuple", ".key", "it is called `tuple` here"),
    session("key: §quic", ".key", "it is called `quic_cid` here"),
    session("key: {kind: §dcid, length: 8}", ".key.kind", "it is called `quic_cid` here"),
    session("§key: bytes", ".key.length", "this key is missing; expected a whole number (Length of the slice"),
    session("key: {kind: source, §offset: 1}", ".key.offset", "`offset` goes with `kind: bytes`"),
    session("key: {kind: bytes, length: §33}", ".key.length", "expected 1 to 32, got 33"),
    session("key: {kind: bytes, length: §0}", ".key.length", "expected 1 to 32, got 0"),
    session("key: {kind: bytes, offset: §65507, length: 1}", ".key.offset", "expected 0 to 65506"),
    session("key: {kind: bytes, offset: 65500, length: §8}", ".key.length", "no datagram is longer than 65507 bytes"),
    session("key: {kind: quic_cid, length: §21}", ".key.length", "expected 0 to 20, got 21"),
    server("length: §9, map: {'00': 'a:1'}", ".length", "expected 1 to 8, got 9"),
    server("length: 1, map: §{}", ".map", "needs at least one entry"),
    server("length: 1, map: {'00': 'a:1', §'0x1': 'a:1'}", ".map.0x1", "an id is hexadecimal, two digits for each"),
    server("length: 1, map: {'0a': 'a:1', §'0A': 'a:1'}", ".map.0A", "the id 0a is given twice"),
    server("length: 2, map: §{'0a': 'a:1'}", ".map", "'0a' has 2 hexadecimal digits; `length: 2` means 4"),
    server("length: 1, map: {'0a': §'a'}", ".map.0a", "write a:port"),
    server("length: 1, map: {'0a': §'b:1'}", ".map.0a", "the pool 'p' has no backend b:1 (backends: a:1)"),
    server("length: 1, map: {'0a': 'A:1', '0b': §'10.0.0.9:443'}", ".map.0b", "no backend 10.0.0.9:443 (backends"),
    server("length: 1, map: §[a]", ".map", "expected a mapping of ids in hexadecimal, got a list"),
    session(
        "key: {kind: quic_cid, length: 4, server: §{offset: 3, length: 2, map: {'0a0b': 'a:1'}}}",
        ".key.server",
        "`offset` and `length` end at byte 5, but connection ids have 4 bytes",
    ),
]
RULES = [
    session("idle: §0", ".idle", "expected 1ms to 30d"),
    session("max: §4194304", ".max", "expected 1 to 4194303, got 4194304"),
    session("requests: §0", ".requests", "expected 1 to 2147483647, got 0"),
    session("responses: §-1", ".responses", "expected 0 to 2147483646, got -1"),
    session("check: §off", ".check", "it is called `none` here"),
    udp("§session: {per_datagram: on, requests: 2}", ".session", "`per_datagram: on` is `requests: 1`"),
    udp("§session: {per_datagram: off, requests: 1}", ".session", "say different things"),
    session("check: dns, reuse: §on", ".reuse", "`reuse` needs `requests: 1`"),
    session("check: §dns, requests: 2", ".check", "`check: dns` goes with `requests: 1`"),
    session("requests: 1, responses: 1, reuse: §on", ".reuse", "a late answer could reach another client"),
    session("per_datagram: on, reuse: §on", ".reuse", "`reuse` needs `check: dns`"),
    whole(
        "pools: {p: {backends: ['a:1'], udp: {transparent: on}}}\n"
        "listeners: {l: {bind: ':0', pool: p, protocol: udp, session: {requests: 1, check: dns, reuse: §on}}}",
        "listeners.l.session.reuse",
        "one client's address as its source cannot serve another client",
    ),
    whole(
        "pools: {p: {backends: ['a:1', {address: §'unix:/run/a'}]}}\n"
        "listeners: {l: {bind: ':0', pool: p, protocol: udp}}",
        "pools.p.backends[1].address",
        "unix:/run/a is in the pool of the UDP listener 'l'",
    ),
    udp("limits: {flow_rate: §5/h}", ".limits.flow_rate", "the units are s and m"),
    udp("limits: {flow_rate: §0/s}", ".limits.flow_rate", "expected 1/s to 2147483647/s, got 0/s"),
    udp("limits: {flow_rate: §often}", ".limits.flow_rate", "expected a rate, got 'often'"),
    udp("limits: {flow_rate: §true}", ".limits.flow_rate", "expected a rate such as 50/s or 90/m, got true"),
    udp("limits: {bandwidth: §0}", ".limits.bandwidth", "expected 1 to 1TiB, got 0"),
    udp("limits: {§conns_per_source: 5}", ".limits.conns_per_source", "it is called `flows_per_source` here"),
    udp("udp: {rcvbuf: §1}", ".udp.rcvbuf", "expected 4KiB to 1GiB, got 1"),
    udp("udp: {proxy_protocol: §on}", ".udp.proxy_protocol", "expected a mapping or `off`, got the text 'on'"),
    udp("udp: {§proxy_protocol: {}}", ".udp.proxy_protocol.from", "this key is missing"),
    udp("udp: {proxy_protocol: {§trusted: '::1'}}", "", "")._replace(
        text=listener("protocol: udp, udp: {proxy_protocol: {§senders: '::1', from: '::1'}}", "", "").text,
        path="listeners.l.udp.proxy_protocol.senders",
        says="it is called `from` here",
    ),
    udp("udp: {proxy_protocol: {from: ['::1', §10.0.0.1/8]}}", ".udp.proxy_protocol.from[1]", "write 10.0.0.0/8"),
    udp("udp: {proxy_protocol: {from: §[]}}", ".udp.proxy_protocol.from", "needs at least one entry"),
    udp("§proxy_protocol: off", ".proxy_protocol", "`proxy_protocol` stands under listeners.<name>.udp"),
    pool("udp: {proxy_protocol: §on}", ".udp.proxy_protocol", "one of `off`, `flow`, `datagram`"),
    pool("udp: {§usesrc: on}", ".udp.usesrc", "it is called `transparent` here"),
]
CHECKS = [
    pool("health: {kind: dns, name: §'a..b'}", ".health.name", "'a..b' is not a host name"),
    pool("health: {kind: dns, type: §a}", ".health.type", "expected one of `A`, `AAAA`"),
    pool("health: {kind: dns, rcode: [NOERROR, §SERVERFAIL]}", ".health.rcode[1]", "did you mean `SERVFAIL`?"),
    pool("health: {kind: dns, rcode: §[]}", ".health.rcode", "needs at least one entry"),
    pool("health: {kind: dns, §qname: a}", ".health.qname", "it is called `name` here"),
    pool("health: {kind: tcp, §rcode: NOERROR}", ".health.rcode", "`rcode` goes with `kind: dns`"),
    pool("health: {kind: udp, send: {hex: §'0'}}", ".health.send.hex", "two digits for each byte"),
    pool("health: {kind: udp, send: {hex: §'0x00 ff'}}", ".health.send.hex", 'write "00ff"'),
    pool("health: {kind: udp, send: {hex: §1234}}", ".health.send.hex", 'write "1234"'),
    pool("health: {kind: udp, §send: {text: a, hex: '00'}}", ".health.send", "give `text` or `hex`, one of the two"),
    pool("health: {kind: udp, §send: {}}", ".health.send", "give `text` or `hex`, one of the two"),
    pool("health: {kind: udp, send: §[a]}", ".health.send", "expected a mapping or a text, got a list"),
    pool("health: {kind: udp, send: §5}", ".health.send", 'write "5"'),
    pool("health: {kind: udp, expect: §pong}", ".health.expect", "expected a mapping, got the text 'pong'"),
    pool("health: {kind: udp, expect: {§begins: a}}", ".health.expect.begins", "it is called `prefix` here"),
    pool("health: {kind: udp, expect: {hex: §zz}}", ".health.expect.hex", "bytes in hexadecimal such as 00ff"),
    pool("health: {kind: §udpp, expect: {status: 1}, send: x}", ".health.kind", "did you mean `udp`?"),
    pool("health: {kind: §datagram, fall: 1}", ".health.kind", "it is called `udp` here"),
]
TABLE = TCPS + UDPS + BINDS + KEYS + RULES + CHECKS


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: f"{bad.path[-24:]}-{bad.text[:64]!r}"[:80])
def test_bad_udp_is_refused_at_its_place(bad: Bad) -> None:
    check(bad)


@pytest.mark.parametrize(
    "path",
    [
        "pools: {p: {backends: ['a:1'], udp: {transparent: on}}}\n" + LISTENER,
        "pools: {p: {backends: ['unix:/run/a']}}\n" + LISTENER,
        "pools: {p: {backends: ['a:1']}}\nlisteners: {l: {bind: ':0', pool: p, protocol: udp, tcp: , timeouts: {}}}",
        "pools: {p: {backends: ['a:1']}}\nlisteners: {l: {bind: ':0', pool: p, session: , udp: {}, limits: }}",
    ],
)
def test_what_says_nothing_or_meets_no_udp_is_accepted(path: str) -> None:
    from .marked import problems_in

    assert problems_in(path) == []
