"""Two configurations to a list of changes."""

from typing import Any

import pytest
from hypothesis import given

from nginy.config import diff_configs, parse_config
from nginy.config.diff import Change, needs_restart
from nginy.model import Config

from .trees import CALM, CONFIGS

BASE = """\
runtime: {workers: 2, drain: 5s}
pools:
  p:
    backends: [a:1, {address: "b:1", weight: 2}]
    health: tcp
  q: {backends: [c:1]}
listeners:
  l: {bind: ":80", pool: p}
  m: {bind: ["127.0.0.1:81", "127.0.0.1:82"], pool: q}
"""


def changes(*edits: tuple[str, str]) -> list[Change]:
    text = BASE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return diff_configs(parse_config(BASE), parse_config(text))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("weight: 2", "weight: 3"), ["pools.p.backends b:1 changed: weight 2 -> 3"]),
        (('{address: "b:1", weight: 2}', "b:1"), ["pools.p.backends b:1 changed: weight 2 -> 1"]),
        (("weight: 2", "weight: 2, state: drain"), ["pools.p.backends b:1 changed: state ready -> drain"]),
        (("weight: 2", "weight: 2, backup: on"), ["pools.p.backends b:1 changed: tier 0 -> 1"]),
        (("a:1, ", ""), ["pools.p.backends a:1 removed"]),
        (("[c:1]", "[c:1, d:1]"), ["pools.q.backends d:1 added"]),
        (("[a:1,", "[z:1,"), ["pools.p.backends a:1 removed", "pools.p.backends z:1 added"]),
        (("health: tcp", "health: off"), ["pools.p changed: health tcp -> off"]),
        (("health: tcp", "health: http"), ["pools.p changed: health tcp -> http"]),
        (("health: tcp", "health: {kind: tcp, rise: 4}"), ["pools.p changed: health.rise 1 -> 4"]),
        (
            ("health: tcp", "health: tcp\n    policy: random2"),
            ["pools.p changed: policy round_robin -> random2"],
        ),
        (("  q: {backends", "  r: {backends: [c:1]}\n  q: {backends"), ["pools.r added"]),
        (('":80"', '":8080"'), ["listeners.l rebound: bind 0.0.0.0:80 -> 0.0.0.0:8080"]),
        (('"127.0.0.1:81", "127.0.0.1:82"', '"127.0.0.1:82", "127.0.0.1:81"'), []),
        (('":80", pool: p', '":80", pool: q'), ["listeners.l changed: pool p -> q"]),
        (
            ('":80", pool: p', '":8080", pool: p, half_close: off, timeouts: {idle: 1m}'),
            [
                "listeners.l rebound: bind 0.0.0.0:80 -> 0.0.0.0:8080",
                "listeners.l changed: half_close on -> off, "
                "timeouts.idle 15m -> 1m, timeouts.half_close 15m -> 1m",
            ],
        ),
        (('  l: {bind: ":80", pool: p}\n', ""), ["listeners.l removed"]),
        (("  l: {", "  n: {bind: ':1', pool: p}\n  l: {"), ["listeners.n added"]),
        (("workers: 2", "workers: 3"), ["runtime changed: workers 2 -> 3 (needs a restart)"]),
        (
            ("workers: 2", "workers: 2, affinity: [0, 1], spin: on, pipes: 0"),
            ["runtime changed: affinity off -> 0, 1, spin off -> on, pipes 64MiB -> 0 (needs a restart)"],
        ),
        (
            ('":80", pool: p', '":80", pool: p, splice: off, tcp: {defer_accept: 5s, congestion: bbr}'),
            [
                "listeners.l changed: splice auto -> off, "
                "tcp.defer_accept off -> 5s, tcp.congestion none -> bbr"
            ],
        ),
        (("health: tcp", "health: tcp\n    tcp: {quickack: on}"), ["pools.p changed: tcp.quickack off -> on"]),
        (
            ("health: tcp", "health: tcp\n    udp: {proxy_protocol: flow}"),
            ["pools.p changed: udp.proxy_protocol off -> flow"],
        ),
        (('":80", pool: p', '":80", pool: p, protocol: udp'), ["listeners.l rebound: protocol tcp -> udp"]),
        (
            ("health: tcp", "health: {kind: udp, send: {hex: 00ff}, expect: {prefix: x}}"),
            ["pools.p changed: health tcp -> {kind: udp, send: {hex: 00ff}, expect: {prefix: x}}"],
        ),
        (("workers: 2", "workers: 2, log: {level: debug}"), ["runtime changed: log.level info -> debug"]),
        (("runtime", "admin: {http: on}\nruntime"), ["admin changed: http off -> on (needs a restart)"]),
        (
            ("runtime", "defaults: {limits: {retries: 0}}\nruntime"),
            ["listeners.l changed: limits.retries 2 -> 0", "listeners.m changed: limits.retries 2 -> 0"],
        ),
        (("runtime", "defaults: {health: off}\nruntime"), []),
        (
            ('":80", pool: p', '":80", pool: p, limits: {sessions: 9}'),
            ["listeners.l changed: limits.sessions none -> 9"],
        ),
        (
            ("health: tcp", "health: {kind: http, expect: {status: [204, 302]}}"),
            ["pools.p changed: health tcp -> {kind: http, expect: {status: 204, 302}}"],
        ),
    ],
)
def test_change_is_said_in_words(edit: tuple[str, str], said: list[str]) -> None:
    assert [str(change) for change in changes(edit)] == said


def test_runtime_change_is_split_by_what_a_reload_brings() -> None:
    found = changes(("workers: 2, drain: 5s", "workers: 1, user: nobody, access_log: stdout, drain: 5s"))
    assert [(change.kind, [key.key for key in change.keys], change.needs_restart) for change in found] == [
        ("runtime_changed", ["access_log.output"], False),
        ("runtime_changed", ["workers", "user"], True),
    ]
    assert needs_restart(found) == found[1:]


def test_drain_of_runtime_is_one_change() -> None:
    found = changes(("drain: 5s", "drain: 6s"))
    assert [change.path for change in found] == ["runtime"]


def test_removed_pool_is_one_change() -> None:
    found = changes(("  q: {backends: [c:1]}\n", ""), ("pool: q", "pool: p"))
    assert [(change.kind, change.name) for change in found] == [
        ("pool_removed", "q"),
        ("listener_changed", "m"),
    ]


def test_changes_carry_types_for_programs() -> None:
    [change] = changes(("weight: 2", "weight: 3"))
    assert (change.kind, change.name, change.address) == ("backend_changed", "p", "b:1")
    assert (change.keys[0].key, change.keys[0].old, change.keys[0].new) == ("weight", 2, 3)
    assert hash(change) == hash(changes(("weight: 2", "weight: 3"))[0])


@given(CONFIGS)
@CALM
def test_same_configuration_has_no_changes(tree: dict[str, Any]) -> None:
    assert diff_configs(parse_config(tree, env={}), parse_config(tree, env={})) == []


def effective(config: Config) -> dict[str, Any]:
    """All that decides how nginy behaves, in an order that does not matter to it."""
    listeners = {n: entry.model_dump() | {"bind": set(entry.bind)} for n, entry in config.listeners.items()}
    pools = {n: entry.model_dump() for n, entry in config.pools.items()}
    for entry in pools.values():
        entry["backends"] = {backend["address"]: backend for backend in entry["backends"]}
    return {"runtime": config.runtime, "admin": config.admin, "pools": pools, "listeners": listeners}


@given(CONFIGS, CONFIGS)
@CALM
def test_no_changes_means_no_difference(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = parse_config(old, env={}), parse_config(new, env={})
    assert (diff_configs(before, after) == []) == (effective(before) == effective(after))


UDP = """\
pools: {p: {backends: ["a:1"]}}
listeners: {l: {bind: ":53", pool: p, protocol: udp, session: {idle: 30s}, limits: {flow_rate: 10/s}}}
"""


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("idle: 30s", "idle: 30s, per_datagram: on"), "session.requests none -> 1"),
        (("idle: 30s", "idle: 30s, key: source"), "session.key tuple -> source"),
        (
            ("idle: 30s", "key: {kind: bytes, length: 8}"),
            "session.key tuple -> {kind: bytes, length: 8}, session.idle 30s -> 1m",
        ),
        (("10/s", "600/m"), ""),
        (("10/s", "90/m"), "limits.flow_rate 10/s -> 2/s"),
        (("{flow_rate: 10/s}", "{flow_rate: 10/s, bandwidth: 1M}"), "limits.bandwidth none -> 1MiB"),
        (("idle: 30s}", "idle: 30s}, udp: {rcvbuf: 1M, gro: on}"), "udp.rcvbuf 4MiB -> 1MiB, udp.gro off -> on"),
        (
            ("idle: 30s}", "idle: 30s}, udp: {proxy_protocol: {from: ['::1', 10.0.0.0/8]}}"),
            "udp.proxy_protocol off -> {from: ::1/128, 10.0.0.0/8}",
        ),
    ],
)
def test_change_of_a_udp_listener_is_said_in_words(edit: tuple[str, str], said: str) -> None:
    assert edit[0] in UDP
    found = diff_configs(parse_config(UDP), parse_config(UDP.replace(*edit)))
    assert [str(change) for change in found] == ([f"listeners.l changed: {said}"] if said else [])
