"""Rings and tables: at C speed, and from Python beside packages of the Python index and plain Python.

`python -m pytest benchmarks/test_bench_rings.py -q -s`: nanoseconds, or milliseconds, of the thread's own CPU time, the
least and the median of rounds; loops of one table take turns, so that a machine that drifts spoils all of them alike.
Each look-up of a C loop begins with the answer of the one before. Those from Python go through a list of 2,000 keys;
the loop itself is in every figure. Packages that are not installed are left out.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from nginy._fast.testrings import Tables

from benchmarks import plain_rings
from nginy.balancer import BoundedLoad, Jump, Maglev, Rendezvous, Ring

ROUNDS = 25
STEPS = 20_000
KEYS = [f"/item/{i}" for i in range(2000)]
NODES = {f"10.0.{i >> 8}.{i & 255}:8080": 1 for i in range(1000)}


def nodes(n: int) -> dict[str, int]:
    return dict(list(NODES.items())[:n])


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def rounds_of(loops: dict[str, Callable[[], Any]], n_rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of CPU of each loop, in turn."""
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for loop in loops.values():
        loop()
    for _turn in range(n_rounds):
        for name, loop in loops.items():
            start = time.thread_time_ns()
            loop()
            taken[name].append((time.thread_time_ns() - start) / 1e9)
    return taken


Taken = dict[str, list[float]]


def show(title: str, taken: Taken, scale: float, unit: str, bounds: dict[str, float] | None = None) -> None:
    first = statistics.median(next(iter(taken.values())))
    print(f"\n{title:<48}{'least':>10}{'median':>10} {unit:<4}{'ratio':>8}")
    for name, values in taken.items():
        low, median = min(values), statistics.median(values)
        bound = (bounds or {}).get(name)
        verdict = "" if bound is None else f"   target <= {bound:g}: {'met' if median * scale <= bound else 'missed'}"
        print(f"  {name:<46}{low * scale:>10.2f}{median * scale:>10.2f} {unit:<4}{median / first:>8.1f}{verdict}")


def ratio(taken: dict[str, list[float]], ours: str, theirs: str, least: float, what: str) -> None:
    """The median of the rounds' own ratios beside the target."""
    ratios = [other / own for own, other in zip(taken[ours], taken[theirs], strict=True)]
    median = statistics.median(ratios)
    verdict = "met" if median >= least else "missed"
    print(f"  {what}: {median:.1f} times ({min(ratios):.1f} to {max(ratios):.1f})   target >= {least:g}: {verdict}")


def test_look_up_in_c() -> None:
    small, large = Tables(100), Tables(1000)
    assert 15_900 < small.build_ring() <= 16_000
    key = b"/item/12345"
    loops: dict[str, Callable[[], Any]] = {
        "the loop alone": lambda: small.mix_alone(STEPS),
        "maglev, 65,537 slots": lambda: large.find_in_maglev(STEPS),
        "ring of 16,000 points": lambda: small.find_on_ring(STEPS),
        "ring of 16,000 points, own hash of 11 bytes": lambda: small.hash_and_find_on_ring(0, key, STEPS),
        "ring of 16,000 points, CRC-32 of 11 bytes": lambda: small.hash_and_find_on_ring(1, key, STEPS),
        "ring of 16,000 points, MD5 of 11 bytes": lambda: small.hash_and_find_on_ring(2, key, STEPS),
        "ring of 160,000 points": lambda: large.find_on_ring(STEPS),
        "jump, 1,000 buckets": lambda: large.jump(STEPS),
        "rendezvous, 100 nodes": lambda: small.find_by_rendezvous(STEPS // 10),
    }
    taken = rounds_of(loops)
    taken["rendezvous, 100 nodes"] = [10 * value for value in taken["rendezvous, 100 nodes"]]
    bounds = {"maglev, 65,537 slots": 30.0, "ring of 16,000 points": 100.0}
    show("one look-up in C", taken, 1e9 / STEPS, "ns", bounds | {"ring of 16,000 points, CRC-32 of 11 bytes": 100.0})


def test_build_in_c() -> None:
    small, large = Tables(100), Tables(1000)
    loops: dict[str, Callable[[], Any]] = {
        "maglev, 65,537 slots, 1,000 nodes": large.build_maglev,
        "maglev, 65,537 slots, 100 nodes": small.build_maglev,
        "ring, 100 nodes, 16,000 points": small.build_ring,
        "ring, 1,000 nodes, 160,000 points": large.build_ring,
    }
    show("one build in C", rounds_of(loops), 1e3, "ms", {"maglev, 65,537 slots, 1,000 nodes": 10.0})


def all_keys(look_up: Callable[[str], Any]) -> Callable[[], Any]:
    def loop() -> None:
        for key in KEYS:
            look_up(key)

    return loop


def add_packages(loops: dict[str, Callable[[], Any]], n: int) -> None:
    """Rings of the Python index with the same nodes."""
    if has("uhashring"):
        from uhashring import HashRing

        loops["uhashring, ketama"] = all_keys(HashRing(nodes(n), hash_fn="ketama").get_node)
        loops["uhashring, its own hash"] = all_keys(HashRing(nodes(n)).get_node)
    if has("hashring"):
        from hashring import HashRing as OtherRing

        loops["hashring"] = all_keys(OtherRing(list(nodes(n))).get_node)


@pytest.mark.parametrize("n", [10, 100])
def test_ring_from_python(n: int) -> None:
    ours = Ring(nodes(n), compat="ketama")
    plain = plain_rings.KetamaRing(nodes(n))
    nginx, plain_nginx = Ring(nodes(n), compat="nginx"), plain_rings.NginxRing(nodes(n))
    assert [ours[key] for key in KEYS] == [plain[key] for key in KEYS]
    assert [nginx[key] for key in KEYS] == [plain_nginx[key] for key in KEYS]
    loops: dict[str, Callable[[], Any]] = {
        "Ring": all_keys(Ring(nodes(n)).__getitem__),
        "Ring, as nginx": all_keys(nginx.__getitem__),
        "Ring, as libketama": all_keys(ours.__getitem__),
        "plain Python, as nginx": all_keys(plain_nginx.__getitem__),
        "plain Python, as libketama": all_keys(plain.__getitem__),
    }
    add_packages(loops, n)
    taken = rounds_of(loops)
    show(f"one look-up from Python, ring of {n} nodes", taken, 1e9 / len(KEYS), "ns")
    if "uhashring, ketama" in taken:
        ratio(taken, "Ring", "uhashring, its own hash", 20, "Ring beside uhashring")
        ratio(taken, "Ring, as libketama", "uhashring, ketama", 1, "as libketama beside uhashring's ketama")


@pytest.mark.parametrize("n", [10, 100])
def test_ring_built_from_python(n: int) -> None:
    loops: dict[str, Callable[[], Any]] = {
        "Ring": lambda: Ring(nodes(n)),
        "Ring, as nginx": lambda: Ring(nodes(n), compat="nginx"),
        "Ring, as libketama": lambda: Ring(nodes(n), compat="ketama"),
        "plain Python, as nginx": lambda: plain_rings.NginxRing(nodes(n)),
        "plain Python, as libketama": lambda: plain_rings.KetamaRing(nodes(n)),
    }
    if has("uhashring"):
        from uhashring import HashRing

        loops["uhashring, ketama"] = lambda: HashRing(nodes(n), hash_fn="ketama")
        loops["uhashring, its own hash"] = lambda: HashRing(nodes(n))
    if has("hashring"):
        from hashring import HashRing as OtherRing

        loops["hashring"] = lambda: OtherRing(list(nodes(n)))
    taken = rounds_of(loops, 9)
    show(f"one build from Python, ring of {n} nodes", taken, 1e3, "ms")
    if "uhashring, ketama" in taken:
        ratio(taken, "Ring", "uhashring, its own hash", 20, "Ring beside uhashring")
        ratio(taken, "Ring, as libketama", "uhashring, ketama", 20, "as libketama beside uhashring's ketama")


def test_others_from_python() -> None:
    hundred = nodes(100)
    numbers = [hash(key) & plain_rings.MASK for key in KEYS]
    jump = Jump(1000)
    loads = BoundedLoad(Ring(hundred))

    def take_and_give() -> None:
        for key in KEYS:
            loads.release(loads.choose(key))

    loops: dict[str, Callable[[], Any]] = {
        "Maglev": all_keys(Maglev(hundred).__getitem__),
        "Maglev, plain Python": all_keys(plain_rings.Maglev(list(hundred)).__getitem__),
        "Rendezvous, 100 nodes": all_keys(Rendezvous(hundred).__getitem__),
        "Rendezvous, 100 nodes, plain Python": all_keys(plain_rings.Rendezvous(hundred).__getitem__),
        "Jump, 1,000 buckets": lambda: [jump[number] for number in numbers],
        "jump, 1,000 buckets, plain Python": lambda: [plain_rings.jump(number, 1000) for number in numbers],
        "BoundedLoad, choose and release": take_and_give,
    }
    assert [jump[number] for number in numbers] == [plain_rings.jump(number, 1000) for number in numbers]
    if has("jump"):
        from jump import hash as package_jump

        loops["jump-consistent-hash, 1,000 buckets"] = lambda: [package_jump(number, 1000) for number in numbers]
    if has("hrw"):
        import hrw

        names = [name.encode() for name in hundred]
        loops["hrw, 100 nodes"] = all_keys(lambda key: hrw.choose(key.encode(), names, k=1)[0][0])
    show("one look-up from Python", rounds_of(loops, 9), 1e9 / len(KEYS), "ns")


def test_maglev_built_from_python() -> None:
    thousand = nodes(1000)
    loops: dict[str, Callable[[], Any]] = {
        "Maglev, 65,537 slots, 1,000 nodes": lambda: Maglev(thousand),
        "plain Python": lambda: plain_rings.Maglev(list(thousand)),
    }
    show("one Maglev table from Python", rounds_of(loops, 5), 1e3, "ms", {"Maglev, 65,537 slots, 1,000 nodes": 10.0})
