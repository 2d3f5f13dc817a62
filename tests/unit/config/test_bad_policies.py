"""Policies that cannot be, or that listeners and backends cannot follow: each at its place, with what to write."""

import pytest

from nginy.config import parse_config

from .marked import LISTENER, POOL, Bad, check, pool, refused, whole


def served_by(policy: str, listener: str, says: str) -> Bad:
    bind = "" if "bind" in listener else ', bind: ":0"'
    front = f"listeners: {{l: {{pool: p{bind}{listener}}}}}\n"
    text = f'pools: {{p: {{backends: ["a:1"], policy: §{policy}}}}}\n{front}'
    return whole(text, "pools.p.policy", says)


def weighted(policy: str, weight: int, says: str) -> Bad:
    backends = ", ".join(f'{{address: "a:{i}", weight: {weight}}}' for i in range(1, 3))
    return whole(f"pools: {{p: {{backends: [{backends}], policy: §{policy}}}}}\n{LISTENER}", "pools.p.policy", says)


def crowd(policy: str, n: int, says: str) -> Bad:
    backends = ", ".join(f'"a:{i + 1}"' for i in range(n))
    return whole(f"pools: {{p: {{policy: §{policy}, backends: [{backends}]}}}}\n{LISTENER}", "pools.p.policy", says)


BAD = [
    pool("policy: {kind: maglev, size: §65536}", ".policy.size", "65536 is an even number: write 65537"),
    pool("policy: {kind: bounded_maglev, size: §65535}", ".policy.size", "65535 is no prime: write 65537"),
    pool("policy: {kind: maglev, size: §2}", ".policy.size", "expected 3 to 4194301, got 2"),
    pool("policy: {kind: bounded_ring, factor: §1}", ".policy.factor", "expected 1.001 to 65, got 1"),
    pool("policy: {kind: jump_load, low: 2s, high: §1s}", ".policy.high", "`high` has to be above `low`"),
    pool("policy: {kind: ring, key: §payload_hash}", ".policy.key", "expected one of `session`"),
    pool("policy: {kind: ring, §key: cookie}", ".policy.key.name", "this key is missing"),
    pool("policy: {kind: ring, §key: {kind: header}}", ".policy.key.name", "this key is missing"),
    pool("policy: {kind: ring, key: {kind: header, name: §'X User'}}", ".policy.key.name", "'X User' is not a name"),
    pool("policy: {kind: ring, key: {kind: header, name: §''}}", ".policy.key.name", "is not a name"),
    pool(f"policy: {{kind: ring, key: {{kind: cookie, name: §{'a' * 33}}}}}", ".policy.key.name", "is longer than 32"),
    pool("policy: {kind: ring, key: {kind: query, name: §'a=b'}}", ".policy.key.name", "not the name of an argument"),
    pool("policy: {kind: ring, key: {kind: path, segments: §0}}", ".policy.key.segments", "expected 1 to 255, got 0"),
    pool(
        "policy: {kind: ring, key: {kind: path, segments: 1, query: §on}}", ".policy.key.query",
        "a query follows the whole path",
    ),
    pool("policy: {kind: ring, key: §url_param}", ".policy.key", "it is called `query` here"),
    pool("policy: {kind: ring, key: §dst}", ".policy.key", "it is called `destination` here"),
    pool("policy: {kind: ring, key: {kind: §hash}}", ".policy.key.kind", "expected one of"),
    pool("policy: {kind: ring, §key: {kind: bytes}}", ".policy.key.length", "this key is missing"),
    pool("policy: {kind: ring, key: {kind: bytes, length: §33}}", ".policy.key.length", "expected 1 to 32, got 33"),
    pool("policy: {kind: ring, key: {kind: constant, value: §''}}", ".policy.key.value", "must not be empty"),
    pool("policy: {kind: ring, key: listener, compat: §nginx}", ".policy.compat", "only known here"),
    pool("policy: {kind: ring, compat: §haproxy}", ".policy.compat", "expected one of `off`, `nginx`, `ketama`"),
    pool("policy: {kind: round_robin, §key: source}", ".policy.key", "`key` goes with `rendezvous`, `ring`, `maglev`"),
    pool("policy: {kind: least_conn, §key: source}", ".policy.key", "take one of these, or remove `key`"),
    pool("policy: {kind: ring, §factor: 2}", ".policy.factor", "`factor` goes with `bounded_ring`, `bounded_maglev`"),
    pool(
        "policy: {kind: table, call: '__main__:T', §key: source}", ".policy.key",
        "`key` belongs to a native policy: put it into `fallback`",
    ),
    pool(
        "policy: {kind: ring, key: {kind: bytes, offset: 16380, length: §8}}", ".policy.key.length",
        "ends at byte 16388, and nobody looks further than 16384 bytes: write an offset of 16376 or less",
    ),
    pool("policy: {kind: ring, key: {kind: bytes, offset: §65500, length: 8}}", ".policy.key.offset", "0 to 16383"),
    pool("policy: §consistent", ".policy", "it is called `ring` here"),
    pool("§slow_start: {min: 0.5}", ".slow_start.window", "this key is missing"),
    pool("slow_start: {window: 1s, min: §10%}", ".slow_start.min", "write a share between 0 and 1"),
    pool("slow_start: {window: 1s, min: §0}", ".slow_start.min", "expected 0.001 to 1, got 0"),
    served_by("{kind: ring, key: quic_cid}", "", "TCP connections have no connection ids of QUIC (take a key such as"),
    served_by("{kind: maglev, key: {kind: bytes, length: 4}}", "", "it reads no first bytes"),
    served_by("{kind: maglev, key: sni}", "", "it reads no server name"),
    served_by("{kind: maglev, key: host}", "", "it reads no requests (write `protocol: http` there, take a key"),
    served_by("{kind: ring, key: {kind: cookie, name: a}}", ", protocol: udp", "(`protocol: udp`) has no key `cookie`"),
    served_by("{kind: maglev, key: sni}", ", preread: 100", "give it `preread: tls_hello`"),
    served_by("{kind: maglev, key: sni}", ", protocol: udp", "UDP has no TLS hello"),
    served_by("{kind: ring, key: destination}", ", bind: 'unix:/a'", "unix sockets, which have no addresses"),
    weighted("ring", 65535, "a ring of 20,971,200 points; at most 2,000,000 are allowed (divide the weights"),
    weighted("{kind: hash_preserve, compat: nginx}", 6251, "at most 2,000,000"),
    crowd("ring", 12501, "the weights make a ring of 2,000,160 points"),
    crowd("{kind: ring, compat: ketama}", 12501, "the backends make a ring of 2,000,160 points"),
    crowd("{kind: maglev, size: 7}", 8, "7 slots for 8 backends: some would never be chosen (leave `size` out, or"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.path} {bad.says[:30]}")
def test_policy_that_cannot_be_is_refused_at_its_place(bad: Bad) -> None:
    check(bad)


def test_there_may_be_65535_backends_and_no_more() -> None:
    backends = [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}:80" for i in range(65536)]
    tree = {"pools": {"p": {"backends": backends}}, "listeners": {"l": {"bind": ":0", "pool": "p"}}}
    assert refused(tree) == ["<config>: pools.p.backends: has 65536 entries; at most 65535 are allowed"]
    assert parse_config(tree | {"pools": {"p": {"backends": backends[1:]}}})


@pytest.mark.parametrize(
    "policy",
    [
        "{kind: ring, key: tuple}",
        "{kind: maglev, size: 251, key: {kind: constant, value: blue}}",
        "{kind: rendezvous, key: destination}",
        "{kind: bounded_ring, factor: 2, compat: ketama}",
        "{kind: hash_preserve, saturated: 10}",
        "{kind: jump_load, low: 100ms, high: 1s, key: listener}",
    ],
)
def test_policy_that_can_be_is_read(policy: str) -> None:
    text = POOL.replace("{backends", f"{{policy: {policy}, slow_start: {{window: 30s}}, backends")
    found = parse_config(text + LISTENER).pools["p"].policy
    assert found.kind == policy.split(",")[0].removeprefix("{kind: ")
