"""The structures beside the same thing in plain Python: `python -m pytest benchmarks/test_bench_ratios.py -q`.

The two of a group do the same steps, are checked against each other first, and stand in one table: the number
in brackets is how often the faster one fits into the other.
"""

from typing import Any

import pytest

from benchmarks import plain
from nginy._fast import door, testdoor, testpolicy
from nginy.backend.rows import BackendRow, KeyRow, PoolRow

pytestmark = pytest.mark.benchmark(max_time=0.25, min_rounds=5)

KINDS = ("native", "python")
POOL = 0
SLAB_STEPS = 10_000
TIMERS = 1000
SLACK_MS = 16  # the wheel's tick
STEPS = {3: 2000, 1000: 20}
N_SNAPSHOT = 1000


def backends_of(n: int) -> list[Any]:
    """Rows of mixed weights."""
    return [
        BackendRow(
            id=number, pool=POOL, tier=0, weight=1 + number % 5, state=door.STATES["ready"],
            verdict=door.VERDICTS["up"], max_conns=0,
            sockaddr=door.pack_sockaddr(f"10.0.{number >> 8}.{number & 255}", 80),
        )
        for number in range(n)
    ]  # fmt: skip


def pack_native(gen: int, backends: list[Any], policy: str = "round_robin") -> bytes:
    pools = [PoolRow(POOL, door.POLICIES[policy], False, False, False, "", KeyRow())]
    return door.pack_snapshot(gen, [], pools, backends, [])


@pytest.mark.parametrize("kind", KINDS)
def test_slab(benchmark: Any, kind: str) -> None:
    slab = {"native": testdoor.Slab, "python": plain.Slab}[kind](1024)
    slab.churn(SLAB_STEPS)
    assert not any(slab.is_taken(i) for i in range(1024)) if kind == "native" else len(slab.free) == 1024
    benchmark.group = f"slab: take and give, {SLAB_STEPS} times"
    benchmark(slab.churn, SLAB_STEPS)


@pytest.mark.parametrize("kind", KINDS)
def test_timers(benchmark: Any, kind: str) -> None:
    check_timers()
    timers = testdoor.Wheel(TIMERS, 0) if kind == "native" else plain.Heap(TIMERS)
    benchmark.group = f"timers: re-arm each of {TIMERS}, 10 times"
    benchmark(timers.churn, 10, 0)


def check_timers() -> None:
    """After two rounds the wheel fires what the heap fires: never earlier, at most a tick later."""
    wheel, heap = testdoor.Wheel(TIMERS, 0), plain.Heap(TIMERS)
    for timers in (wheel, heap):
        timers.churn(1, 0)
        timers.churn(1, 500)
    by_wheel: set[int] = set()
    by_heap: set[int] = set()
    for now_ms in range(1400, 2700, 100):
        by_wheel |= set(wheel.advance(now_ms))
        late = set(heap.advance(now_ms - SLACK_MS)) | by_heap
        by_heap = late | set(heap.advance(now_ms))
        assert late <= by_wheel <= by_heap, now_ms
    assert by_wheel == by_heap == set(range(TIMERS))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_backends", STEPS)
@pytest.mark.parametrize("policy", plain.POLICIES)
def test_choose(benchmark: Any, policy: str, n_backends: int, kind: str) -> None:
    backends, steps = backends_of(n_backends), STEPS[n_backends]
    block, weights = pack_native(1, backends, policy), [row.weight for row in backends]
    for n in range(1, 50):
        assert testpolicy.Chooser(block).churn(POOL, n) == plain.Chooser(policy, weights).churn(n), n
    benchmark.group = f"choose: {policy} of {n_backends}, {steps} times"
    if kind == "native":
        benchmark(testpolicy.Chooser(block).churn, POOL, steps)
    else:
        benchmark(plain.Chooser(policy, weights).churn, steps)


@pytest.mark.parametrize("kind", KINDS)
def test_snapshot(benchmark: Any, kind: str) -> None:
    backends = backends_of(N_SNAPSHOT)
    pairs: dict[str, tuple[Any, Any]] = {
        "native": (pack_native, door.verify_snapshot),
        "python": (plain.pack_snapshot, plain.verify_snapshot),
    }
    pack, verify = pairs[kind]
    spoilt = bytearray(pack(7, backends))
    spoilt[len(spoilt) // 2] ^= 1
    with pytest.raises(ValueError):
        verify(bytes(spoilt))
    benchmark.group = f"snapshot: pack and verify {N_SNAPSHOT} backends"
    assert benchmark(lambda: verify(pack(7, backends))) == 7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_bytes", [16, 1024])
def test_hash(benchmark: Any, n_bytes: int, kind: str) -> None:
    """One call from Python each, so for short strings the call itself is most of the native time."""
    for length in range(40):
        content = bytes(range(length))
        assert testdoor.hash_of(content, 5) == plain.hash_of(content, 5), length
    benchmark.group = f"hash of {n_bytes} bytes"
    benchmark({"native": testdoor.hash_of, "python": plain.hash_of}[kind], bytes(n_bytes))
