"""Rings and tables, one loop at a time: `python -m pytest benchmarks/test_bench_rings.py -q`.

The loops of benchmarks/rings.py; those of a contest stand in one table, and the number in brackets is how often the
fastest one fits into the others. `python -m benchmarks.compare --workload rings` measures them in alternating rounds.
"""

import time
from typing import Any

import pytest

from benchmarks import plain_rings, rings
from nginy.balancer import Jump, Ring

CONTESTS = {contest.key: contest for contest in rings.contests()}
LOOPS = [(key, name) for key, contest in CONTESTS.items() for name in contest.loops]


@pytest.mark.parametrize(("key", "name"), LOOPS)
@pytest.mark.benchmark(max_time=0.3, min_rounds=5, timer=time.thread_time)
def test_loop(benchmark: Any, key: str, name: str) -> None:
    contest = CONTESTS[key]
    loop = contest.loops[name]()
    if loop is None:
        pytest.skip("its package is not installed")
    benchmark.group = f"{contest.title}, {contest.units} times"
    benchmark(loop)
    if benchmark.stats is not None:
        print(f" {benchmark.stats.stats.median / contest.units * contest.scale:.2f} {contest.unit}", end="")


@pytest.mark.parametrize("n", [1, 10, 100])
def test_plain_versions_give_the_same_answers(n: int) -> None:
    """So that the same thing is compared."""
    nodes = rings.nodes(n)
    nginx, ketama = plain_rings.NginxRing(nodes), plain_rings.KetamaRing(nodes)
    assert [nginx[key] for key in rings.KEYS] == [Ring(nodes, compat="nginx")[key] for key in rings.KEYS]
    assert [ketama[key] for key in rings.KEYS] == [Ring(nodes, compat="ketama")[key] for key in rings.KEYS]
    assert all(plain_rings.jump(number, 1000) == Jump(1000)[number] for number in rings.NUMBERS)


def test_uhashrings_ketama_gives_the_same_answers() -> None:
    """A second witness beside libketama's digest, where weights divide evenly: it does not cut in single precision."""
    if rings.package("uhashring") is None:
        pytest.skip("uhashring is not installed")
    theirs, ours = rings.uhashring(10, hash_fn="ketama"), Ring(rings.nodes(10), compat="ketama")
    assert [theirs.get_node(key) for key in rings.KEYS] == [ours[key] for key in rings.KEYS]
