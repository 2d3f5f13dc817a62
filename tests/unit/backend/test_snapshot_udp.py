"""What workers are told of UDP: keys, shares of limits, networks, servers' ids."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from nginy._fast import door
from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.backend.rows import KeyRow, ListenerRow, UdpRow
from nginy.backend.snapshot import build_rows, build_snapshot
from nginy.config import parse_config
from nginy.model import FLOWS_MAX, Config, Session
from nginy.model.session import SLICE_MAX_BYTES

from .test_snapshot import Numbers, resolved_of

PLAIN = UdpRow(
    flows_max=65536,
    requests=0,
    responses=door.NO_BOUND,
    key=KeyRow(door.KEYS["tuple"]),
    server_offset=0,
    server_bytes=0,
    source_flows=0,
    source_rate=0,
    flow_rate=0,
    datagram_rate=0,
    bandwidth=0,
    check=door.CHECKS["none"],
    is_reuse=False,
    nets=[],
)


def config_of(listener: dict[str, Any], backends: list[str] | None = None) -> Config:
    entry = {"bind": ":0", "pool": "p", "protocol": "udp", **listener}
    return parse_config({"pools": {"p": {"backends": backends or ["192.0.2.1:53"]}}, "listeners": {"l": entry}})


def listener_row(listener: dict[str, Any], *, workers: int = 1) -> ListenerRow:
    config = config_of(listener)
    (row,) = build_rows(config, Numbers(), resolved_of(config), {}, workers=workers).listeners
    return row


def udp_row(listener: dict[str, Any], *, workers: int = 1) -> UdpRow:
    row = listener_row(listener, workers=workers).udp
    assert row is not None
    return row


def test_words_and_bounds_of_the_configuration_are_those_of_the_data_plane() -> None:
    assert (FLOWS_MAX, SLICE_MAX_BYTES) == (door.MAX_FLOWS, door.KEY_SLICE_BYTES)
    keys = {"tuple", "source", "quic_cid", "bytes"}
    assert keys < set(door.KEYS)
    for kind in keys:
        assert Session.model_validate({"key": {"kind": kind} | ({"length": 1} if kind == "bytes" else {})})
    assert set(door.CHECKS) == {"none", "dns"}
    assert set(door.PROXY_OUT) == {"off", "flow", "datagram"}


def test_udp_listener_without_more_has_no_bounds_but_its_table() -> None:
    assert udp_row({}) == PLAIN


def test_tcp_listener_has_no_udp_row() -> None:
    assert listener_row({"protocol": "tcp"}).udp is None


def test_idle_of_a_udp_listener_is_that_of_its_sessions() -> None:
    row = listener_row({"session": {"idle": "30s"}, "timeouts": {"drain": "4s"}, "limits": {"sessions": 7}})
    assert (row.idle_ms, row.drain_ms, row.max_sessions) == (30_000, 4_000, 7)


@pytest.mark.parametrize(
    ("session", "changed"),
    [
        ({"max": 9}, {"flows_max": 9}),
        ({"requests": 3, "responses": 2}, {"requests": 3, "responses": 2}),
        ({"responses": 0}, {"responses": 0, "requests": 1}),
        ({"per_datagram": "on"}, {"requests": 1}),
        ({"check": "dns"}, {"check": door.CHECKS["dns"], "responses": 1, "requests": 1}),
        ({"requests": 1, "responses": 0, "reuse": "on"}, {"requests": 1, "responses": 0, "is_reuse": True}),
        ({"key": "source"}, {"key": KeyRow(door.KEYS["source"])}),
        (
            {"key": {"kind": "bytes", "offset": 3, "length": 5}},
            {"key": KeyRow(door.KEYS["bytes"], offset=3, n_bytes=5)},
        ),
        ({"key": {"kind": "quic_cid", "length": 12}}, {"key": KeyRow(door.KEYS["quic_cid"], cid_bytes=12)}),
    ],
)
def test_udp_row_carries_the_session(session: dict[str, Any], changed: dict[str, Any]) -> None:
    assert udp_row({"session": session}) == replace(PLAIN, **changed)


LIMITS = {
    "flows_per_source": 100,
    "flow_rate_per_source": "50/s",
    "flow_rate": "10/s",
    "datagram_rate": 1001,
    "bandwidth": "1KiB",
}


def shares(row: UdpRow) -> tuple[int, ...]:
    return row.source_flows, row.source_rate, row.flow_rate, row.datagram_rate, row.bandwidth


@pytest.mark.parametrize(
    ("workers", "expected"),
    [(1, (100, 50, 10, 1001, 1024)), (3, (34, 17, 4, 334, 342)), (64, (2, 1, 1, 16, 16))],
)
def test_limits_are_shared_among_workers_and_rounded_up(workers: int, expected: tuple[int, ...]) -> None:
    assert shares(udp_row({"limits": LIMITS}, workers=workers)) == expected


def test_limits_of_a_source_are_not_shared_when_it_meets_one_worker() -> None:
    row = udp_row({"limits": LIMITS, "session": {"key": "source"}}, workers=4)
    assert shares(row) == (100, 50, 3, 251, 256)


def test_trusted_networks_are_mapped_into_ipv6() -> None:
    senders = ["10.0.0.0/8", "192.0.2.1", "0.0.0.0/0", "2001:db8::/32", "::/0"]
    row = udp_row({"udp": {"proxy_protocol": {"from": senders}}})
    assert [(str(ip_address(address)), bits) for address, bits in row.nets] == [
        ("::ffff:a00:0", 104),
        ("::ffff:c000:201", 128),
        ("::ffff:0:0", 96),
        ("2001:db8::", 32),
        ("::", 0),
    ]


def test_servers_ids_name_backends_in_the_order_of_the_ids() -> None:
    backends = ["192.0.2.1:443", "192.0.2.2:443", "game.test:443"]
    server = {
        "offset": 1,
        "length": 2,
        "map": {"ff00": "192.0.2.1:443", "0a01": "192.0.2.2:443", "0002": "GAME.test:443"},
    }
    config = config_of({"session": {"key": {"kind": "quic_cid", "length": 8, "server": server}}}, backends)
    known = config.pools["p"].backends
    addresses = [(0, "192.0.2.1:443"), (1, "192.0.2.2:443"), (2, "192.0.2.8:443"), (2, "192.0.2.9:443")]
    resolved = {
        "p": [
            ResolvedBackend(BackendKey("p", known[nth].address, address), known[nth], 1, 0, "ready", None)
            for nth, address in addresses
        ]
    }
    ids = Numbers()
    rows = build_rows(config, ids, resolved, {})
    udp = rows.listeners[0].udp
    assert udp is not None
    by_address = {address: ids.backend("p", address) for _, address in addresses}
    assert udp.cids == [
        (0x0002, by_address["192.0.2.8:443"]),
        (0x0A01, by_address["192.0.2.2:443"]),
        (0xFF00, by_address["192.0.2.1:443"]),
    ]
    assert (udp.server_offset, udp.server_bytes, udp.key.cid_bytes) == (1, 2, 8)
    assert {row.id for row in rows.backends} == set(by_address.values())


def test_each_udp_setting_changes_the_block_and_the_door_accepts_it() -> None:
    server = {"length": 1, "map": {"0a": "192.0.2.1:53"}}
    listeners: list[dict[str, Any]] = [
        {"protocol": "tcp"},
        {},
        {"session": {"idle": "1s"}},
        {"session": {"max": 4_194_303}},
        {"session": {"requests": 2}},
        {"session": {"responses": 2}},
        {"session": {"check": "dns"}},
        {"session": {"requests": 1, "check": "dns", "reuse": "on"}},
        {"session": {"key": "source"}},
        {"session": {"key": {"kind": "bytes", "length": 32}}},
        {"session": {"key": {"kind": "bytes", "length": 32, "offset": 1}}},
        {"session": {"key": "quic_cid"}},
        {"session": {"key": {"kind": "quic_cid", "server": server}}},
        *({"limits": {key: limit}} for key, limit in LIMITS.items()),
        {"udp": {"proxy_protocol": {"from": "::1"}}},
    ]
    blocks = set()
    for listener in listeners:
        config = config_of(listener)
        block = build_snapshot(1, config, Numbers(), resolved_of(config), {}, [], workers=2)
        assert door.verify_snapshot(block) == 1
        blocks.add(block)
    assert len(blocks) == len(listeners)
