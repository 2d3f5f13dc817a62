"""What the structures of the data plane cost, one at a time: `python -m pytest benchmarks`.

Each benchmark does a fixed number of steps without Python in between; `ns_per_step` in the extra column is the
figure to look at.
"""

from dataclasses import replace
from typing import Any

import pytest
from nginy._fast.testdoor import Slab, Wheel
from nginy._fast.testpolicy import Chooser

from nginy._fast import door
from nginy.backend.rows import BackendRow, KeyRow, PoolRow

STEPS = 100_000
POOL = 0


PARAMETERS: dict[str, dict[str, int]] = {
    "jump_load": {"low_ms": 500, "high_ms": 2000},
    "bounded_ring": {"factor": 1250},
    "bounded_maglev": {"factor": 1250},
}
RINGS = ("ring", "bounded_ring", "hash_preserve")
TABLES = (*RINGS, "maglev", "bounded_maglev")


def pool_of(policy: str) -> PoolRow:
    usual = PoolRow(POOL, door.POLICIES[policy], False, False, False, "", KeyRow())
    return replace(usual, **PARAMETERS.get(policy, {}))


def names_of(n_backends: int) -> list[str]:
    return [f"10.0.{i >> 8}.{i & 255}:80" for i in range(n_backends)]


def backends_of(n_backends: int, *, is_mixed: bool = True) -> list[BackendRow]:
    return [
        BackendRow(
            i, POOL, 0, 1 + i % 5 if is_mixed else 1, 0, 1, 0,
            door.pack_sockaddr(f"10.0.{i >> 8}.{i & 255}", 80), door.name_hash(name),
        )
        for i, name in enumerate(names_of(n_backends))
    ]  # fmt: skip


def chooser_of(policy: str, n_backends: int, *, is_mixed: bool) -> Chooser:
    """A worker's chooser with the table that the policy looks things up in."""
    backends = backends_of(n_backends, is_mixed=is_mixed)
    chooser = Chooser(door.pack_snapshot(1, [], [pool_of(policy)], backends, []))
    if policy in TABLES:
        weights = [row.weight for row in backends]
        shape = door.build_shape("ring" if policy in RINGS else "maglev", names_of(n_backends), weights, size=65537)
        chooser.adopt(door.pack_table(POOL, [(0, shape, range(n_backends))]))
    for row in backends:
        chooser.note_spent(row.id, 1000 + row.id % 7, 1)
    return chooser


def note_cost(benchmark: Any, steps: int) -> None:
    """Put the cost of one step beside the result."""
    if benchmark.stats is not None:
        benchmark.extra_info["ns_per_step"] = round(benchmark.stats.stats.median / steps * 1e9, 2)
        print(f" {benchmark.extra_info['ns_per_step']} ns per step", end="")


@pytest.mark.parametrize("n_backends", [3, 100, 1000])
@pytest.mark.parametrize("weights", ["equal", "mixed"])
@pytest.mark.parametrize("policy", sorted(door.POLICIES))
def test_choose(benchmark: Any, policy: str, weights: str, n_backends: int) -> None:
    chooser = chooser_of(policy, n_backends, is_mixed=weights == "mixed")
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
    block = door.pack_snapshot(1, [], [pool_of("least_conn")], backends_of(n_backends), [])
    assert benchmark(door.verify_snapshot, block) == 1
    note_cost(benchmark, n_backends)


@pytest.mark.parametrize("n_backends", [3, 1000, 10_000])
def test_snapshot_pack(benchmark: Any, n_backends: int) -> None:
    """What control does at each change."""
    pools = [pool_of("round_robin")]
    backends = backends_of(n_backends)
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
