"""From model and verdicts to rows, and from rows to a block that the door accepts."""

import asyncio
import itertools
import time

import pytest

from nginy._fast import door
from nginy.backend.registry import BackendKey, Resolved, resolve_backends
from nginy.backend.rows import KeyRow, ListenerRow, Rows, SocketRow
from nginy.backend.snapshot import build_rows, build_snapshot, to_ms
from nginy.model import Config


class Numbers:
    """Ids in the order in which they are asked for."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, ...], int] = {}

    def _of(self, *name: str) -> int:
        kind = name[0]
        known = [key for key in self.given if key[0] == kind]
        return self.given.setdefault(name, len(known))

    def listener(self, name: str) -> int:
        return self._of("listener", name)

    def pool(self, name: str) -> int:
        return self._of("pool", name)

    def backend(self, pool: str, address: str) -> int:
        return self._of("backend", pool, address)


def config_of(pools: dict[str, object], listeners: dict[str, object] | None = None, **more: object) -> Config:
    entry = {"bind": ":0", "pool": next(iter(pools))}
    return Config.model_validate({"pools": pools, "listeners": listeners or {"in": entry}, **more})


def resolved_of(config: Config) -> Resolved:
    async def none(host: str) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    return asyncio.run(resolve_backends(config, lookup=none))


def rows_of(config: Config, verdicts: dict[BackendKey, str] | None = None) -> Rows:
    return build_rows(config, Numbers(), resolved_of(config), verdicts or {})


def key(address: str, pool: str = "api") -> BackendKey:
    return BackendKey(pool, address, address)


def test_listener_row_carries_every_setting_in_milliseconds() -> None:
    entry = {
        "bind": ":0",
        "pool": "api",
        "half_close": False,
        "keepalive": 30.0,
        "splice": "off",
        "tcp": {"defer_accept": 5.0},
        "timeouts": {"connect": 0.25, "idle": 900.0, "half_close": 60.5, "drain": 4.0},
        "limits": {"sessions": 77, "retries": 3},
    }
    config = config_of({"api": {"backends": ["192.0.2.1:80"]}}, {"in": entry})
    (row,) = rows_of(config).listeners
    assert row == ListenerRow(
        id=0,
        pool=0,
        connect_ms=250,
        idle_ms=900_000,
        half_close_ms=60_500,
        drain_ms=4_000,
        max_sessions=77,
        retries=3,
        keepalive_s=30,
        is_half_close=False,
        is_splice=False,
        is_deferred=True,
        name_hash=door.name_hash("in"),
    )


def test_listener_row_without_caps_and_keepalive_is_zero() -> None:
    entry = {"bind": ":0", "pool": "api", "keepalive": None}
    config = config_of({"api": {"backends": ["192.0.2.1:80"]}}, {"in": entry})
    (row,) = rows_of(config).listeners
    assert (row.max_sessions, row.keepalive_s, row.is_half_close) == (0, 0, True)
    assert (row.is_splice, row.is_deferred) == (True, False)


@pytest.mark.parametrize(
    ("seconds", "ms"), [(0.0, 1), (0.0004, 1), (0.001, 1), (0.0016, 2), (1.0, 1000), (1e9, 2**32 - 1)]
)
def test_to_ms_stays_a_timer(seconds: float, ms: int) -> None:
    assert to_ms(seconds) == ms


@pytest.mark.parametrize("kind", list(door.POLICIES))
@pytest.mark.parametrize(("health", "is_reset"), [(None, False), ("keep", False), ("reset", True)])
def test_pool_row_names_policy_and_what_down_does(kind: str, health: str | None, is_reset: bool) -> None:
    pool = {
        "policy": kind,
        "backends": ["192.0.2.1:80"],
        "health": health and {"kind": "tcp", "on_down": health},
    }
    (row,) = rows_of(config_of({"api": pool})).pools
    assert (row.policy, row.on_down_reset, row.key) == (door.POLICIES[kind], is_reset, KeyRow())


def test_pool_row_carries_tcp_options() -> None:
    tcp = {"quickack": True, "fastopen": True, "congestion": "bbr"}
    (row,) = rows_of(config_of({"api": {"backends": ["192.0.2.1:80"], "tcp": tcp}})).pools
    assert (row.is_quickack, row.is_fastopen, row.congestion) == (True, True, "bbr")


def test_tcp_options_reach_the_block() -> None:
    def block(listener: dict[str, object], tcp: dict[str, object]) -> bytes:
        entry = {"bind": ":0", "pool": "api", **listener}
        config = config_of({"api": {"backends": ["192.0.2.1:80"], "tcp": tcp}}, {"in": entry})
        return build_snapshot(1, config, Numbers(), resolved_of(config), {}, [])

    fronts: list[dict[str, object]] = [{}, {"splice": "off"}, {"tcp": {"defer_accept": 1.0}}]
    backs: list[dict[str, object]] = [{"quickack": True}, {"fastopen": True}, {"congestion": "x" * 15}]
    assert len({*(block(front, {}) for front in fronts), *(block({}, back) for back in backs)}) == 6


@pytest.mark.parametrize(("word", "code"), list(door.PROXY_OUT.items()))
def test_pool_row_carries_udp_options(word: str, code: int) -> None:
    udp = {"proxy_protocol": word, "transparent": word == "flow"}
    (row,) = rows_of(config_of({"api": {"backends": ["192.0.2.1:80"], "udp": udp}})).pools
    assert (row.proxy_out, row.is_transparent) == (code, word == "flow")


@pytest.mark.parametrize(
    ("health", "verdict", "sent"),
    [
        (None, None, "unknown"),
        (None, "down", "unknown"),
        ({"kind": "tcp"}, None, "unknown"),
        ({"kind": "tcp"}, "unknown", "unknown"),
        ({"kind": "tcp"}, "up", "up"),
        ({"kind": "tcp"}, "down", "down"),
        ({"kind": "tcp", "start": "down"}, None, "down"),
        ({"kind": "tcp", "start": "down"}, "unknown", "down"),
        ({"kind": "tcp", "start": "down"}, "up", "up"),
        ({"kind": "tcp", "start": "down"}, "down", "down"),
    ],
)
def test_backend_row_verdict_unknown_is_sent_as_start_says(
    health: object, verdict: str | None, sent: str
) -> None:
    config = config_of({"api": {"backends": ["192.0.2.1:80"], "health": health}})
    (row,) = rows_of(config, {key("192.0.2.1:80"): verdict} if verdict else None).backends
    assert row.verdict == door.VERDICTS[sent]


def test_backend_rows_carry_every_setting_in_configured_order() -> None:
    pools = {
        "api": {
            "backends": [
                {"address": "192.0.2.1:80", "weight": 5, "max_conns": 9},
                {"address": "[2001:db8::1]:443", "state": "drain", "tier": 3},
                {"address": "unix:/run/app.sock", "state": "maint", "weight": 0},
            ]
        },
        "other": {"backends": [{"address": "192.0.2.1:80", "backup": True}]},
    }
    rows = rows_of(config_of(pools))
    found = [(row.id, row.pool, row.tier, row.weight, row.state, row.max_conns) for row in rows.backends]
    states = door.STATES
    assert found == [
        (0, 0, 0, 5, states["ready"], 9),
        (1, 0, 3, 1, states["drain"], 0),
        (2, 0, 0, 0, states["maint"], 0),
        (3, 1, 1, 1, states["ready"], 0),
    ]
    assert [door.format_sockaddr(row.sockaddr) for row in rows.backends] == [
        "192.0.2.1:80",
        "[2001:db8::1]:443",
        "unix:/run/app.sock",
        "192.0.2.1:80",
    ]


def test_rows_name_without_an_id_is_a_key_error() -> None:
    class Nobody(Numbers):
        def backend(self, pool: str, address: str) -> int:
            raise KeyError(address)

    config = config_of({"api": {"backends": ["192.0.2.1:80"]}})
    with pytest.raises(KeyError):
        build_rows(config, Nobody(), resolved_of(config), {})


def test_snapshot_is_a_block_that_the_door_accepts() -> None:
    config = config_of(
        {"api": {"backends": ["192.0.2.1:80", "unix:/run/app.sock"], "health": "tcp"}},
        runtime={"access_log": "stdout", "drain": 5.0},
    )
    ids = Numbers()
    resolved = resolved_of(config)
    sockets = [SocketRow(0, 0, 0), SocketRow(1, 0, door.SHARED_SLOT)]

    def block(gen: int, verdicts: dict[BackendKey, str]) -> bytes:
        return build_snapshot(gen, config, ids, resolved, verdicts, sockets, meta=b'{"note": 1}')

    first = block(7, {})
    assert door.verify_snapshot(first) == 7
    assert door.snapshot_meta(first) == b'{"note": 1}'
    assert block(7, {}) == first
    assert block(7, {key("192.0.2.1:80"): "down"}) != first


def test_snapshot_damaged_block_is_refused() -> None:
    config = config_of({"api": {"backends": ["192.0.2.1:80"]}})
    block = bytearray(build_snapshot(1, config, Numbers(), resolved_of(config), {}, []))
    block[-1] ^= 1
    with pytest.raises(ValueError, match=".+"):
        door.verify_snapshot(bytes(block))


def test_rows_of_a_thousand_backends_take_milliseconds() -> None:
    backends = [f"10.{a}.{b}.1:80" for a, b in itertools.product(range(10), range(100))]
    config = config_of({"api": {"backends": backends, "health": "tcp"}})
    resolved = resolved_of(config)
    verdicts = {backend.key: "up" for backend in resolved["api"]}

    class Fixed(Numbers):
        def backend(self, pool: str, address: str) -> int:
            return 1

    def once() -> float:
        began_s = time.process_time()
        rows = build_rows(config, Fixed(), resolved, verdicts)
        assert len(rows.backends) == 1000
        return time.process_time() - began_s

    # The best of a few: a loaded machine may interrupt any of them.
    assert min(once() for _ in range(5)) < 0.02
