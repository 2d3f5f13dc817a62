"""Where a request goes, one loop at a time: `python -m pytest benchmarks/test_bench_routes.py -q`.

Requests in a random order over all routes, so that a look-up pays for the cache as a real one does. The first numbers
are of the worker's own function, in a loop without Python; beside the others stands what one call from Python takes.
"""

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from nginy._fast.testpolicy import site_churn

from benchmarks import plain_routes
from nginy._fast.sites import ACTIONS, Request, Site
from nginy.site.build import Rule, build
from nginy.site.parts import Action

SEED = 20260101
TURNS = 100_000
MOST_NS = 150
Made = tuple[list[Rule], list[Request]]


def rule(number: int, **fields: Any) -> Rule:
    return Rule(Action(ACTIONS["pool"], number, pools=((number % 1000, 1),)), **fields)


def prefixes(n: int) -> Made:
    """/svc-17 of one host."""
    return [rule(i, path=f"/svc-{i}") for i in range(n)], [Request(b"a.org", b"/svc-%d/users/42" % i) for i in range(n)]


def deep(n: int) -> Made:
    """/api/v1/tenant-17/svc-4 of one host."""
    paths = [f"/api/v1/tenant-{i // 100}/svc-{i % 100}" for i in range(n)]
    rules = [rule(i, path=path) for i, path in enumerate(paths)]
    return rules, [Request(b"a.org", f"{path}/x/42".encode()) for path in paths]


def sites(n: int) -> Made:
    """A hundred paths each of many hosts."""
    places = [(f"site-{i // 100}.example.org", f"/svc-{i % 100}") for i in range(n)]
    rules = [rule(i, hosts=(host,), path=path) for i, (host, path) in enumerate(places)]
    return rules, [Request(f"{host}:8080".encode(), f"{path}/users/42".encode()) for host, path in places]


def hosts(n: int) -> Made:
    """One path each of many hosts."""
    names = [f"site-{i}.example.org" for i in range(n)]
    return [rule(i, hosts=(name,)) for i, name in enumerate(names)], [Request(n.encode(), b"/x") for n in names]


@pytest.mark.parametrize("n", [1, 10, 10_000])
@pytest.mark.parametrize("kind", [prefixes, deep, sites, hosts], ids=lambda kind: kind.__name__)
@pytest.mark.benchmark(max_time=0.3, min_rounds=5, timer=time.thread_time)
def test_look_up(benchmark: Any, kind: Callable[[int], Made], n: int) -> None:
    rules, requests = kind(n)
    random.Random(SEED).shuffle(requests)
    site = Site(build(rules))
    benchmark.group = f"{TURNS} look-ups among {n} routes"
    benchmark(site_churn, site, requests, TURNS)
    if benchmark.stats is not None:
        took_ns = benchmark.stats.stats.min / TURNS * 1e9
        print(f" {took_ns:.0f} ns, {MOST_NS} at most", end="")
        assert took_ns <= MOST_NS


@pytest.mark.parametrize("name", ["nginy", "Trie", "RegexList", "Starlette"])
@pytest.mark.benchmark(max_time=0.3, min_rounds=3, timer=time.thread_time)
def test_from_python(benchmark: Any, name: str) -> None:
    """The same look-ups, each a call from Python."""
    n = 10_000
    paths = [f"/svc-{i}" for i in range(n)]
    asked = [f"/svc-{i}/users/42" for i in random.Random(SEED).sample(range(n), 20)]
    if name == "nginy":
        site = Site(build([rule(i, path=path) for i, path in enumerate(paths)]))
        requests = [Request(b"a.org", path.encode()) for path in asked]
        found = benchmark(lambda: [site.find(request)[0] for request in requests])
    else:
        if name == "Starlette":
            pytest.importorskip("starlette")
        lookup = getattr(plain_routes, name)(paths)
        found = benchmark(lambda: [lookup[path] for path in asked])
    benchmark.group = f"{len(asked)} calls from Python among {n} routes"
    assert found == [int(path.split("/")[1][4:]) for path in asked], f"seed {SEED}"
    if benchmark.stats is not None:
        print(f" {benchmark.stats.stats.median / len(asked) * 1e9:,.0f} ns", end="")


@pytest.mark.benchmark(max_time=1, min_rounds=3, timer=time.thread_time)
def test_build(benchmark: Any) -> None:
    """What a load of the configuration pays for 10,000 routes."""
    rules, _requests = sites(10_000)
    benchmark(lambda: Site(build(rules)))
