"""Proxies that take turns in one workload."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks import report
from benchmarks.bench import Bench, LeftOut, Outcome, Point
from benchmarks.measure import Sample, measure, spread_of, summarise
from benchmarks.network import NetworkError, private_network
from benchmarks.proxies import kind_named
from benchmarks.proxy import Proxy, ProxyError, Shape
from benchmarks.targets import judge
from benchmarks.workloads import Workload

REFERENCE = "haproxy"
TRIES = 4


@dataclass(frozen=True)
class Entrant:
    """One proxy of a contest: which kind, how big, and its name in the table."""

    kind: type[Proxy]
    shape: Shape
    label: str = ""


def entrants_of(bench: Bench, names: Sequence[str], shape: Shape | None = None) -> list[Entrant]:
    """The installed ones of these that are wanted. Raises LeftOut when none is left."""
    wanted = [kind_named(name) for name in names if not bench.only or name in (*bench.only, REFERENCE)]
    missing = [kind.name for kind in wanted if not kind.is_installed()]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    if len(missing) == len(wanted):
        raise LeftOut("none of its proxies is installed")
    return [Entrant(kind, shape or bench.shape()) for kind in wanted if kind.name not in missing]


@contextlib.contextmanager
def running(bench: Bench, entrants: Sequence[Entrant], is_pinned: bool = True) -> Iterator[list[Proxy]]:
    """All of them at once: an idle one costs nothing, and no start falls between two measurements."""
    core = bench.stage.proxy_core if is_pinned else None
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nginy-bench-")))
        folder.chmod(0o755)
        started: list[Proxy] = []
        for entrant in entrants:
            proxy = entrant.kind(folder, entrant.shape, bench.load.ports, core, entrant.label)
            refusal = proxy.refusal()
            if refusal:
                raise ProxyError(f"{proxy.label} does not take its configuration: {refusal}")
            started.append(stack.enter_context(proxy))
        yield started


def take(bench: Bench, workload: Workload, proxy: Proxy, number: int) -> Sample:
    """One round of one proxy."""
    once = partial(measure, bench.load, bench.modes, bench.stage, workload, proxy, number, bench.seconds)
    return undisturbed(once)


def undisturbed(measure_once: Callable[[], Sample]) -> Sample:
    """The first sample while the machine was quiet and as fast as it can be; else the best of a few."""
    samples: list[Sample] = []
    while len(samples) < TRIES:
        samples.append(measure_once())
        if samples[-1].others <= report.OTHERS_MAX and samples[-1].slowness <= report.SLOWNESS_MAX:
            break
    return min(samples, key=lambda sample: max(sample.others, sample.slowness))


def take_turns(bench: Bench, workload: Workload, proxies: Sequence[Proxy]) -> list[Sample]:
    """Every round takes each proxy once, in turning order."""
    samples = []
    for number in range(bench.rounds):
        turn = number % len(proxies)
        for proxy in [*proxies[turn:], *proxies[:turn]]:
            samples.append(take(bench, workload, proxy, number))
    return samples


def grouped(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """By proxy, in the order of the first round."""
    labels = dict.fromkeys(sample.proxy for sample in samples)
    return {label: [sample for sample in samples if sample.proxy == label] for label in labels}


def main_row(workload: Workload, bench: Bench) -> Outcome:
    """A workload of the main table: every proxy beside haproxy, and the targets."""
    with contextlib.ExitStack() as stack:
        if workload.congestion:
            bench = stack.enter_context(elsewhere(bench, workload.congestion))
        proxies = stack.enter_context(running(bench, entrants_of(bench, workload.compares)))
        samples = take_turns(bench, workload, proxies)
    groups = grouped(samples)
    base = groups.get(REFERENCE, [])
    summaries = [summarise(groups[name], base) for name in workload.compares if name in groups]
    verdicts = judge(workload.key, samples)
    return Outcome(report.table(workload, summaries), samples, summaries, verdicts)


@contextlib.contextmanager
def elsewhere(bench: Bench, congestion: str) -> Iterator[Bench]:
    """The same bench in a network of its own. Raises LeftOut."""
    try:
        with private_network(congestion):
            load = bench.modes.Load()
            try:
                yield replace(bench, load=load)
            finally:
                load.close()
    except NetworkError as error:
        raise LeftOut(str(error)) from None


def points_of(curve: str, x: int, samples: Sequence[Sample]) -> list[Point]:
    """One place of a curve for each proxy."""
    points = []
    for label, group in grouped(samples).items():
        summary = summarise(group, group)
        points.append(
            Point(
                curve=curve,
                proxy=label,
                x=x,
                cpu_per_unit=summary.cpu_per_unit,
                user_per_unit=summary.user_per_unit,
                system_per_unit=summary.system_per_unit,
                rate=summary.rate,
                p50_us=summary.p50_us,
                p99_us=summary.p99_us,
                spread=spread_of([sample.cpu_per_unit for sample in group]).spread,
            )
        )
    return points
