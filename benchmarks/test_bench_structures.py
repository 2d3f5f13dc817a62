"""What the structures of the data plane cost, one at a time: `python -m pytest benchmarks`.

Each benchmark does a fixed number of steps without Python in between; `ns_per_step` in the extra column is the
figure to look at.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from nginy._fast.testdoor import Slab, Wheel
from nginy._fast.testpolicy import Chooser

from nginy._fast import door
from nginy.backend.rows import KeyRow

STEPS = 100_000
POOL = 0


@dataclass
class Row:
    """A row of a snapshot: the door reads it by attribute."""

    id: int
    pool: int = POOL
    policy: int = 0
    on_down_reset: bool = False
    is_quickack: bool = False
    is_fastopen: bool = False
    congestion: str = ""
    proxy_out: int = 0
    is_transparent: bool = False
    deadline_ms: int = 0
    key: KeyRow = field(default_factory=KeyRow)
    tier: int = 0
    weight: int = 1
    state: int = 0
    verdict: int = 1
    max_conns: int = 0
    sockaddr: bytes = b""


def snapshot(policy: str, n_backends: int) -> bytes:
    """One pool with so many backends of mixed weights."""
    pools = [Row(POOL, policy=door.POLICIES[policy])]
    backends = [
        Row(i, weight=1 + i % 5, sockaddr=door.pack_sockaddr(f"10.0.{i >> 8}.{i & 255}", 80)) for i in range(n_backends)
    ]
    return door.pack_snapshot(1, [], pools, backends, [])


def note_cost(benchmark: Any, steps: int) -> None:
    """Put the cost of one step beside the result."""
    if benchmark.stats is not None:
        benchmark.extra_info["ns_per_step"] = round(benchmark.stats.stats.median / steps * 1e9, 2)
        print(f" {benchmark.extra_info['ns_per_step']} ns per step", end="")


@pytest.mark.parametrize("n_backends", [3, 100, 1000])
@pytest.mark.parametrize("policy", sorted(door.POLICIES))
def test_choose(benchmark: Any, policy: str, n_backends: int) -> None:
    chooser = Chooser(snapshot(policy, n_backends))
    steps = STEPS if n_backends < 1000 else STEPS // 20
    benchmark(chooser.churn, POOL, steps)
    note_cost(benchmark, steps)


@pytest.mark.parametrize("cap", [64, 65536])
def test_slab_take_and_give(benchmark: Any, cap: int) -> None:
    slab = Slab(cap)
    benchmark(slab.churn, STEPS)
    note_cost(benchmark, STEPS)


@pytest.mark.parametrize("timers", [64, 10_000])
def test_wheel_arm_again(benchmark: Any, timers: int) -> None:
    wheel = Wheel(timers, 0)
    rounds = STEPS // timers
    benchmark(wheel.churn, rounds, 0)
    note_cost(benchmark, rounds * timers)


def test_wheel_fire_ten_thousand(benchmark: Any) -> None:
    """With the list of numbers that only a test asks for."""
    timers = 10_000
    wheel = Wheel(timers, 0)
    now = [0]

    def arm_and_fire() -> None:
        wheel.churn(1, now[0])
        now[0] += 60_000
        assert len(wheel.advance(now[0])) == timers

    benchmark(arm_and_fire)
    note_cost(benchmark, timers)


@pytest.mark.parametrize("n_backends", [3, 1000, 10_000])
def test_snapshot_verify(benchmark: Any, n_backends: int) -> None:
    """What a worker does before it adopts: checksum and bounds."""
    block = snapshot("least_conn", n_backends)
    assert benchmark(door.verify_snapshot, block) == 1
    note_cost(benchmark, n_backends)


@pytest.mark.parametrize("n_backends", [3, 1000, 10_000])
def test_snapshot_pack(benchmark: Any, n_backends: int) -> None:
    """What control does at each change."""
    pools = [Row(POOL)]
    address = door.pack_sockaddr("10.0.0.1", 80)
    backends = [Row(i, sockaddr=address) for i in range(n_backends)]
    benchmark(door.pack_snapshot, 1, [], pools, backends, [])
    note_cost(benchmark, n_backends)


@pytest.mark.parametrize("slots", [1, 64])
def test_board_read_a_listener(benchmark: Any, slots: int) -> None:
    """One row of the picture: the sum over all workers."""
    board = door.Board(door.board_create(slots), slots)
    try:
        benchmark(board.listener, 0)
    finally:
        board.close()
