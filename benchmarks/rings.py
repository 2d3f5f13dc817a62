"""What rings and tables cost: in C, and from Python beside packages of the Python index and plain Python.

Only the thread's own CPU time counts. The loops of a contest take turns, so that a machine that drifts spoils all of
them alike; ratios are taken within a round. Each look-up of a C loop begins with the answer of the one before; those
from Python go through 2,000 keys; the loop itself is in every figure. Packages that are not installed are left out.
"""

import importlib
import importlib.metadata
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

from nginy._fast.testrings import Tables

from benchmarks import plain_rings, report
from benchmarks.bench import Bench, Outcome
from benchmarks.measure import spread_of
from benchmarks.targets import Verdict, judge_amount, judge_ratio
from nginy.balancer import BoundedLoad, Jump, Maglev, Rendezvous, Ring

KEY = "rings"
TITLE = "rings and tables"
STEPS = 20_000
KEYS = [f"/item/{i}" for i in range(2000)]
ADDRESSES = [f"10.0.{i >> 8}.{i & 255}:8080" for i in range(1000)]

Loop = Callable[[], Any]
Taken = dict[str, list[float]]


@dataclass(frozen=True)
class Contest:
    """Loops that do the same thing, or things to be read side by side.

    loops: name -> what makes the loop, None when its package is not there.   units: things that one loop does.
    mosts: name -> the most that one unit may take.   leasts: (ours, theirs) -> how often ours has to fit into theirs.
    """

    key: str
    title: str
    unit: str
    scale: float
    units: int
    rounds: int
    loops: dict[str, Callable[[], Loop | None]]
    mosts: dict[str, float] = field(default_factory=dict)
    leasts: dict[tuple[str, str], float] = field(default_factory=dict)

    def made(self) -> dict[str, Loop]:
        loops = {name: make() for name, make in self.loops.items()}
        return {name: loop for name, loop in loops.items() if loop is not None}

    def measured(self) -> Taken:
        """CPU of one unit, in `unit`, by loop and round. Each is run once before, so that its memory is near."""
        loops = self.made()
        taken: Taken = {name: [] for name in loops}
        for _turn in range(self.rounds):
            for name, loop in loops.items():
                loop()
                start = time.thread_time_ns()
                loop()
                taken[name].append((time.thread_time_ns() - start) / 1e9 * self.scale / self.units)
        return taken

    def verdicts(self, taken: Taken) -> Iterator[Verdict]:
        for name, most in self.mosts.items():
            yield judge_amount(KEY, f"{self.title}: {name}", spread_of(taken[name]), most, self.unit)
        for (ours, theirs), least in self.leasts.items():
            if theirs in taken:
                ratios = [other / own for own, other in zip(taken[ours], taken[theirs], strict=True)]
                what = f"{self.title}: {theirs} / {ours}"
                yield judge_ratio(KEY, what, spread_of(ratios), least, at_least=True)

    def table(self, taken: Taken) -> str:
        first = statistics.median(next(iter(taken.values())))
        rows = []
        for name, values in taken.items():
            median = statistics.median(values)
            rows.append([name, f"{median:,.{2 if median < 1000 else 0}f} {self.unit}", f"{median / first:,.1f}"])
        return "\n".join([f"**{self.title}**", "", *report.lines_of(("", "median", "ratio to the first"), rows)]) + "\n"


def nodes(n: int) -> dict[str, int]:
    return dict.fromkeys(ADDRESSES[:n], 1)


def package(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def items(lookup: Any) -> Loop:
    """lookup[key] for every key."""

    def loop() -> None:
        for key in KEYS:
            lookup[key]

    return loop


def calls(look_up: Callable[[str], Any]) -> Loop:
    def loop() -> None:
        for key in KEYS:
            look_up(key)

    return loop


def uhashring(n: int, **options: Any) -> Any:
    module = package("uhashring")
    return module and module.HashRing(nodes(n), **options)


def hashring(n: int) -> Any:
    module = package("hashring")
    return module and module.HashRing(list(nodes(n)))


def of_package(made: Any) -> Loop | None:
    return None if made is None else calls(made.get_node)


def builds(make: Callable[..., Any], *words: Any, **options: Any) -> Loop | None:
    """Building it again and again; None when its package is not there."""
    return None if make(*words, **options) is None else partial(make, *words, **options)


def in_c() -> Iterator[Contest]:
    small, large = Tables(100), Tables(1000)
    hashing = partial(partial, small.hash_and_find_on_ring)
    yield Contest(
        "c-look-up", "one look-up in C", "ns", 1e9, STEPS, 25,
        {
            "the loop alone": lambda: partial(small.mix_alone, STEPS),
            "Maglev, 65,537 slots": lambda: partial(large.find_in_maglev, STEPS),
            "ring of 16,000 points": lambda: partial(small.find_on_ring, STEPS),
            "ring of 16,000 points, and the key's own hash": lambda: hashing(0, b"/item/12345", STEPS),
            "ring of 16,000 points, and the key's CRC-32": lambda: hashing(1, b"/item/12345", STEPS),
            "ring of 16,000 points, and the key's MD5": lambda: hashing(2, b"/item/12345", STEPS),
            "ring of 160,000 points": lambda: partial(large.find_on_ring, STEPS),
            "jump, 1,000 buckets": lambda: partial(large.jump, STEPS),
            "rendezvous, 100 nodes": lambda: partial(small.find_by_rendezvous, STEPS),
        },
        {"Maglev, 65,537 slots": 30, "ring of 16,000 points": 100},
    )  # fmt: skip
    yield Contest(
        "c-build", "one build in C", "ms", 1e3, 1, 25,
        {
            "Maglev, 65,537 slots, 1,000 nodes": lambda: large.build_maglev,
            "Maglev, 65,537 slots, 100 nodes": lambda: small.build_maglev,
            "ring, 100 nodes, 16,000 points": lambda: small.build_ring,
            "ring, 1,000 nodes, 160,000 points": lambda: large.build_ring,
        },
        {"Maglev, 65,537 slots, 1,000 nodes": 10},
    )  # fmt: skip


def ring_look_up(n: int) -> Contest:
    return Contest(
        f"ring-{n}", f"one look-up from Python, ring of {n} nodes", "ns", 1e9, len(KEYS), 25,
        {
            "Ring": lambda: items(Ring(nodes(n))),
            "Ring, as nginx": lambda: items(Ring(nodes(n), compat="nginx")),
            "Ring, as libketama": lambda: items(Ring(nodes(n), compat="ketama")),
            "plain Python, as nginx": lambda: items(plain_rings.NginxRing(nodes(n))),
            "plain Python, as libketama": lambda: items(plain_rings.KetamaRing(nodes(n))),
            "uhashring": lambda: of_package(uhashring(n)),
            "uhashring, as libketama": lambda: of_package(uhashring(n, hash_fn="ketama")),
            "hashring": lambda: of_package(hashring(n)),
        },
        leasts={("Ring", "uhashring"): 20},
    )  # fmt: skip


def ring_build(n: int) -> Contest:
    return Contest(
        f"ring-build-{n}", f"one build from Python, ring of {n} nodes", "ms", 1e3, 1, 9,
        {
            "Ring": lambda: builds(Ring, nodes(n)),
            "Ring, as nginx": lambda: builds(Ring, nodes(n), compat="nginx"),
            "Ring, as libketama": lambda: builds(Ring, nodes(n), compat="ketama"),
            "plain Python, as nginx": lambda: builds(plain_rings.NginxRing, nodes(n)),
            "plain Python, as libketama": lambda: builds(plain_rings.KetamaRing, nodes(n)),
            "uhashring": lambda: builds(uhashring, n),
            "uhashring, as libketama": lambda: builds(uhashring, n, hash_fn="ketama"),
            "hashring": lambda: builds(hashring, n),
        },
        leasts={("Ring", "uhashring"): 20, ("Ring, as libketama", "uhashring, as libketama"): 20},
    )  # fmt: skip


def others() -> Iterator[Contest]:
    hundred = nodes(100)
    yield Contest(
        "tables", "one look-up from Python, 100 nodes", "ns", 1e9, len(KEYS), 9,
        {
            "Maglev": lambda: items(Maglev(hundred)),
            "Maglev, plain Python": lambda: items(plain_rings.Maglev(list(hundred))),
            "Rendezvous": lambda: items(Rendezvous(hundred)),
            "Rendezvous, plain Python": lambda: items(plain_rings.Rendezvous(hundred)),
            "hrw": lambda: hrw_loop(list(hundred)),
            "BoundedLoad, choose and release": lambda: bounded_loop(hundred),
        },
    )  # fmt: skip
    yield Contest(
        "jump", "one look-up from Python, jump with 1,000 buckets", "ns", 1e9, len(KEYS), 25,
        {
            "Jump": lambda: items_of_numbers(Jump(1000)),
            "plain Python": lambda: calls_of_numbers(plain_rings.jump),
            "jump-consistent-hash": lambda: None if (jump := package("jump")) is None else calls_of_numbers(jump.hash),
        },
    )  # fmt: skip
    thousand = nodes(1000)
    yield Contest(
        "maglev-build", "one Maglev table from Python, 65,537 slots, 1,000 nodes", "ms", 1e3, 1, 5,
        {
            "Maglev": lambda: builds(Maglev, thousand),
            "plain Python": lambda: builds(plain_rings.Maglev, list(thousand)),
        },
        {"Maglev": 10},
    )  # fmt: skip


def hrw_loop(names: list[str]) -> Loop | None:
    hrw = package("hrw")
    texts = [name.encode() for name in names]
    return hrw and calls(lambda key: hrw.choose(key.encode(), texts, k=1))


def bounded_loop(weights: dict[str, int]) -> Loop:
    loads = BoundedLoad(Ring(weights))
    return calls(lambda key: loads.release(loads.choose(key)))


NUMBERS = [plain_rings.hash64(key) for key in KEYS]


def items_of_numbers(jump: Jump) -> Loop:
    def loop() -> None:
        for number in NUMBERS:
            jump[number]

    return loop


def calls_of_numbers(jump: Callable[[int, int], int]) -> Loop:
    def loop() -> None:
        for number in NUMBERS:
            jump(number, 1000)

    return loop


def contests() -> list[Contest]:
    return [*in_c(), *(ring_look_up(n) for n in (10, 100)), *(ring_build(n) for n in (10, 100)), *others()]


def run(bench: Bench) -> Outcome:
    """No proxy and no load; the rounds are each contest's own."""
    outcome, texts = Outcome(""), []
    for contest in contests():
        taken = contest.measured()
        texts.append(contest.table(taken))
        outcome.verdicts += contest.verdicts(taken)
        outcome.figures[contest.key] = {name: statistics.median(values) for name, values in taken.items()}
    outcome.text = "\n".join([f"### {TITLE}", "", *texts, note(), ""])
    return outcome


def note() -> str:
    """How it was measured, and beside what."""
    versions = []
    for name in ("uhashring", "hashring", "hrw", "jump-consistent-hash"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} is not installed")
    return (
        "CPU time of the thread; each loop is run once before it is measured, so that its memory is near. From Python: "
        f"2,000 keys of 6 to 10 letters, the loop over them included. Beside {', '.join(versions)}."
    )
