"""The flow table: at C speed beside memory itself, and from Python beside a dict of tuples.

`python -m pytest benchmarks/test_bench_flowtable.py -q -s`: the C loops print nanoseconds of CPU per key, the least and
the median of their rounds, and what the target is; keys are random, and making them up is part of each figure.
The Python ones stand in one table per size: the number in brackets is how often the fastest one fits into the others.
Only the thread's own CPU time counts, so that others on the machine cost cache misses but no more.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nginy._fast.testdoor import Flows

from nginy.flows import FlowKey, FlowTable, pack

SMALL, LARGE = 10_000, 1_000_000
LOAD = 0.9
ROUNDS = 15
STEPS = 100_000
SMALL_ROUNDS, SMALL_STEPS = 61, 20_000
ASKED = 10_000  # keys of one round from Python
SIDE_BYTES = 8


@pytest.fixture
def rng() -> random.Random:
    seed = random.SystemRandom().randrange(2**32)
    print(f"\nseed {seed}")
    return random.Random(seed)


@pytest.fixture(scope="module")
def large() -> Flows:
    """A table of a million at 90 % load."""
    flows = Flows(LARGE, SIDE_BYTES)
    flows.fill(int(LARGE * LOAD))
    return flows


def rounds_of(n_rounds: int, rng: random.Random, **loops: Callable[[int], float]) -> dict[str, list[float]]:
    """Each loop in turn, so that a machine that drifts spoils all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(n_rounds):
        for name, loop in loops.items():
            taken[name].append(loop(rng.randrange(2**32)))
    return taken


def show(what: str, values: list[float], bound: float | None = None, unit: str = "ns") -> None:
    low, median = min(values), statistics.median(values)
    verdict = "" if bound is None else f"   target <= {bound:g}: {'met' if median <= bound else 'missed'}"
    print(f"{what:<44}{low:8.2f} {median:8.2f} {unit}{verdict}")


@pytest.mark.parametrize("load", [1.0, LOAD])
def test_small_table(rng: random.Random, load: float) -> None:
    flows, n = Flows(SMALL, SIDE_BYTES), int(SMALL * load)
    flows.fill(n)
    taken = rounds_of(
        SMALL_ROUNDS,
        rng,
        one=lambda seed: flows.time_find(n, SMALL_STEPS, seed, False),
        chained=lambda seed: flows.time_find(n, SMALL_STEPS, seed, True),
        batch=lambda seed: flows.time_find_many(n, SMALL_STEPS, seed),
        absent=lambda seed: flows.time_find_many(n, SMALL_STEPS, seed, first=LARGE),
    )
    print(f"{n} flows in a table of {SMALL}")
    show("one key at a time", taken["one"], 30)
    show("the next key only after this one's entry", taken["chained"])
    show("batches of 64", taken["batch"], 30)
    show("batches of 64, keys that are not there", taken["absent"])


def test_large_table(rng: random.Random, large: Flows) -> None:
    n = large.n_taken
    taken = rounds_of(
        ROUNDS,
        rng,
        one=lambda seed: large.time_find(n, STEPS, seed, False),
        chained=lambda seed: large.time_find(n, STEPS, seed, True),
        reads=lambda seed: large.time_reads(STEPS, seed),
        batch=lambda seed: large.time_find_many(n, STEPS, seed),
        batch8=lambda seed: large.time_find_many(n, STEPS, seed, 8),
        absent=lambda seed: large.time_find_many(n, STEPS, seed, first=LARGE),
    )
    print(f"{n} flows in a table of {LARGE}")
    show("batches of 64", taken["batch"], 75)
    show("batches of 8", taken["batch8"])
    show("batches of 64, keys that are not there", taken["absent"])
    show("one key at a time", taken["one"])
    show("the next key only after this one's entry", taken["chained"])
    show("two dependent reads of the same memory", taken["reads"])
    pairs = zip(taken["chained"], taken["reads"], strict=True)
    show("the former to the latter", [find / reads for find, reads in pairs], 1.5, "")


def test_memory_of_a_million() -> None:
    before = resident_bytes()
    flows = Flows(LARGE)
    empty = resident_bytes() - before
    flows.fill(LARGE)
    full = resident_bytes() - before
    per_entry = flows.n_bytes / LARGE
    print(f"\n1,000,000 flows: {flows.n_bytes / 2**20:.1f} MiB reserved, {per_entry:.1f} B each (target <= 96)")
    print(f"resident when empty {empty / 2**10:.0f} KiB, when full {full / 2**20:.1f} MiB")
    assert per_entry <= 96
    assert full <= flows.n_bytes + 2**20


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_flood_of_new_keys() -> None:
    """A full table of unreplied flows: each key is looked up in vain, evicts the oldest flow and takes its place."""
    for size in (SMALL, LARGE):
        flows = Flows(size, SIDE_BYTES)
        flows.fill(size)
        values = [flows.time_churn(STEPS, LARGE * (2 + turn)) for turn in range(ROUNDS)]
        show(f"table of {size}: miss, evict, add", values)


@pytest.mark.parametrize("is_touched", [False, True])
def test_expiry_of_a_million_at_once(is_touched: bool) -> None:
    """In calls of at most 64 looks: all expire, or all have been active since and only move."""
    flows = Flows(LARGE, SIDE_BYTES)
    flows.fill(LARGE)
    flows.assure_all()
    if is_touched:
        flows.touch_all(50)
    calls, removed, longest_us = flows.time_expire(100, 60)
    print(f"\n{calls} calls, {removed} removed, the longest {longest_us:.0f} us (target <= 1000)")
    assert removed == (0 if is_touched else LARGE)
    assert longest_us <= 1000


# ---- from Python ----


def keys_of(numbers: Iterator[int] | range) -> list[FlowKey]:
    """Tuples as a program gets them from its sockets: equal to those in the table, but made anew."""
    return [
        (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", 1024 + n % 50_000, "198.51.100.1", 53) for n in numbers
    ]


@pytest.fixture(scope="module", params=[SMALL, LARGE])
def both(request: pytest.FixtureRequest) -> Any:
    """(keys, dict, table), with the keys of so many flows."""
    keys = keys_of(range(request.param))
    table, plain = FlowTable(len(keys)), {}
    for number, key in enumerate(keys):
        plain[key] = number
        table.add(key, number, 0)
    gc.collect()
    gc.freeze()
    yield keys, plain, table
    gc.unfreeze()


KINDS = ("dict", "dict, its own tuples", "dict, one by one", "table, packed", "table, tuples", "table, one by one")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.benchmark(max_time=0.5, min_rounds=9, timer=time.thread_time)
def test_look_up_from_python(benchmark: Any, rng: random.Random, both: Any, kind: str) -> None:
    own, plain, table = both
    numbers = [rng.randrange(len(own)) for _ in range(ASKED)]
    keys = keys_of(iter(numbers))
    held = [own[number] for number in numbers]
    packed = pack(keys)
    kinds: dict[str, Callable[[], Any]] = {
        "dict": lambda: list(map(plain.get, keys)),
        "dict, its own tuples": lambda: list(map(plain.get, held)),
        "dict, one by one": lambda: [plain.get(key) for key in keys],
        "table, packed": lambda: table.get_packed(packed),
        "table, tuples": lambda: table.get_many(keys),
        "table, one by one": lambda: [table.get(key) for key in keys],
    }
    assert list(kinds[kind]()) == numbers
    benchmark.group = f"{ASKED} of {len(own)} flows from Python"
    benchmark(kinds[kind])
    if benchmark.stats is not None:
        print(f" {benchmark.stats.stats.median / ASKED * 1e9:.1f} ns per key", end="")


@pytest.mark.parametrize("is_own", [False, True])
def test_batch_beside_a_dict(rng: random.Random, both: Any, is_own: bool) -> None:
    """The target: packed keys and a dict in turn. is_own: the dict is asked for the very tuples that it holds."""
    own, plain, table = both
    ratios = []
    for _ in range(2 * ROUNDS):
        numbers = [rng.randrange(len(own)) for _ in range(ASKED)]
        keys = [own[number] for number in numbers] if is_own else keys_of(iter(numbers))
        packed = pack(keys)
        start = time.thread_time_ns()
        by_dict = list(map(plain.get, keys))
        middle = time.thread_time_ns()
        by_table = table.get_packed(packed)
        end = time.thread_time_ns()
        assert by_table.tolist() == by_dict == numbers
        ratios.append((middle - start) / (end - middle))
    median = statistics.median(ratios)
    verdict = "met" if median >= 5 else "missed"
    what = "its own tuples" if is_own else "equal tuples"
    print(f"{len(own)} flows, {what}: a dict takes {median:.1f} times as long", end="")
    print(f" ({min(ratios):.1f} to {max(ratios):.1f})   target >= 5: {verdict}")
