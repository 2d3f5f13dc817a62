"""One measurement: a warm-up, then a window in which the load's units and the proxy's CPU time are counted together;
and what several rounds of them say."""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from benchmarks.cpu import CpuTime, cpu_time, machine_busy_s
from benchmarks.proxy import Proxy
from benchmarks.workloads import Workload

SETTLE_S = 10.0
WARM_S = 0.3
CALIBRATION_STEPS = 2000  # some 20 ms
CALIBRATION_WARM_STEPS = 200


class MeasureError(Exception):
    """The workload did not run as it should; a figure from it would be worthless."""


@dataclass(frozen=True)
class Sample:
    """One proxy, one workload, one round.

    CPU in seconds per unit, rate in units per second, latency in microseconds. busy, load_busy: share of a core that
    the proxy and the load took.   others: share of the machine that other programs took.   slowness: what a fixed
    piece of work took on the proxy's core just before or after, whichever was slower, beyond the fastest of the run;
    relative.
    """

    proxy: str
    workload: str
    round: int
    units: float
    seconds: float
    cpu_per_unit: float
    user_per_unit: float
    system_per_unit: float
    rate: float
    p50_us: float
    p99_us: float
    bytes_per_s: float
    busy: float
    load_busy: float
    others: float
    slowness: float


class Traffic(Protocol):
    """A workload as far as a sample is concerned."""

    @property
    def key(self) -> str: ...

    def units_of(self, counts: dict[str, int]) -> float: ...


@dataclass(frozen=True)
class Window:
    """What was read around the window of one measurement.

    spent: CPU time of the proxy.   load_s: of the load.   machine_s: of everything.
    """

    seconds: float
    spent: CpuTime
    load_s: float
    machine_s: float
    slowness: float


@dataclass
class Stage:
    """Which core the proxies are pinned to, which the load, and the fastest calibration so far in ns."""

    proxy_core: int
    load_core: int
    fastest_ns: float = float("inf")


@contextmanager
def on_all_cores() -> Iterator[None]:
    """For what has processes of its own: they are not to share the load's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def calibrate(load: Any, stage: Stage) -> float:
    """How much more than at best a fixed piece of work takes on the proxy's core now; 0: nothing.

    The other core rests meanwhile: somebody else's work there shows here too, as cores may share a good deal.
    """
    os.sched_setaffinity(0, {stage.proxy_core})
    try:
        load.calibrate(CALIBRATION_WARM_STEPS)
        step_ns = float(load.calibrate(CALIBRATION_STEPS))
    finally:
        os.sched_setaffinity(0, {stage.load_core})
    stage.fastest_ns = min(stage.fastest_ns, step_ns)
    return step_ns / stage.fastest_ns - 1


def begin(load: Any, modes: ModuleType, workload: Workload, proxy: Proxy) -> None:
    """Open the clients and wait for the first answer of each. Raises MeasureError."""
    load.start(
        proxy.port,
        getattr(modes.Mode, workload.mode),
        workload.clients,
        workload.message_bytes,
        fetch_bytes=workload.fetch_bytes,
        fronts=proxy.shape.listeners,
        n_greedy=workload.greedy,
    )
    settled, wanted = load.settle(SETTLE_S), workload.clients + workload.greedy
    if settled < wanted:
        raise MeasureError(f"{proxy.label}, {workload.key}: only {settled} of {wanted} clients got an answer")


def measure(
    load: Any, modes: ModuleType, stage: Stage, workload: Workload, proxy: Proxy, round_number: int, seconds: float
) -> Sample:
    """Raises MeasureError when clients did not settle or any of them was refused or broken."""
    slowness = calibrate(load, stage)
    try:
        begin(load, modes, workload, proxy)
        load.run(WARM_S)
        load.reset()
        pids = proxy.pids()
        machine_s, load_s, before = machine_busy_s(), time.process_time(), cpu_time(pids)
        took_s = load.run(seconds)
        spent = cpu_time(pids) - before
        load_s, machine_s = time.process_time() - load_s, machine_busy_s() - machine_s
        counts = load.counts
    finally:
        load.stop()
        load.run(0.05)
    window = Window(took_s, spent, load_s, machine_s, max(slowness, calibrate(load, stage)))
    return sample_of(load, workload, proxy, round_number, counts, window)


def sample_of(
    load: Any, workload: Traffic, proxy: Proxy, round_number: int, counts: dict[str, int], window: Window
) -> Sample:
    """What was counted in the window, as figures per unit."""
    units = workload.units_of(counts)
    if counts["errors"] or not units:
        raise MeasureError(f"{proxy.label}, {workload.key}: {counts['errors']} errors, {units} units")
    spent, took_s = window.spent, window.seconds
    user_share = spent.user_s / max(spent.user_s + spent.system_s, 1e-9)
    return Sample(
        proxy=proxy.label,
        workload=workload.key,
        round=round_number,
        units=units,
        seconds=took_s,
        cpu_per_unit=spent.total_s / units,
        user_per_unit=spent.total_s / units * user_share,
        system_per_unit=spent.total_s / units * (1 - user_share),
        rate=units / took_s,
        p50_us=load.percentile_us(0.5),
        p99_us=load.percentile_us(0.99),
        bytes_per_s=counts["bytes"] / took_s,
        busy=spent.total_s / took_s,
        load_busy=window.load_s / took_s,
        others=max(0.0, window.machine_s - window.load_s - spent.total_s) / took_s / (os.cpu_count() or 1),
        slowness=window.slowness,
    )


@dataclass(frozen=True)
class Spread:
    """Several rounds of one figure: the median, the ends, and half of the middle half relative to the median."""

    median: float
    low: float
    high: float
    spread: float


def spread_of(values: Sequence[float]) -> Spread:
    """At least one value."""
    ordered = sorted(values)
    median = statistics.median(ordered)
    quarter = len(ordered) // 4
    width = (ordered[len(ordered) - 1 - quarter] - ordered[quarter]) / 2
    return Spread(median, ordered[0], ordered[-1], width / median if median else 0.0)


def ratio_of(samples: Sequence[Sample], base: Sequence[Sample], field: str = "cpu_per_unit") -> Spread | None:
    """Ratios taken within each round that both have; None without one."""
    base_of = {sample.round: getattr(sample, field) for sample in base}
    pairs = [(getattr(sample, field), base_of[sample.round]) for sample in samples if sample.round in base_of]
    ratios = [mine / theirs for mine, theirs in pairs if theirs]
    return spread_of(ratios) if ratios else None


@dataclass(frozen=True)
class Summary:
    """Medians over the rounds, user and system as means (they come in clock ticks); `ratio` as ratio_of has it."""

    proxy: str
    workload: str
    rounds: int
    cpu_per_unit: float
    user_per_unit: float
    system_per_unit: float
    rate: float
    p50_us: float
    p99_us: float
    busy: float
    load_busy: float
    ratio: float
    ratio_low: float
    ratio_high: float
    spread: float
    ratio_user: float
    ratio_system: float
    others: float
    slowness: float


def summarise(samples: Sequence[Sample], base: Sequence[Sample]) -> Summary:
    """samples and base: one proxy and the reference in the same rounds."""
    nothing = Spread(float("nan"), float("nan"), float("nan"), 0.0)
    ratio = ratio_of(samples, base) or nothing

    def middle(field: str) -> float:
        return float(statistics.median(getattr(sample, field) for sample in samples))

    def mean(group: Sequence[Sample], field: str) -> float:
        return statistics.fmean(getattr(sample, field) for sample in group) if group else float("nan")

    return Summary(
        proxy=samples[0].proxy,
        workload=samples[0].workload,
        rounds=len(samples),
        cpu_per_unit=middle("cpu_per_unit"),
        user_per_unit=mean(samples, "user_per_unit"),
        system_per_unit=mean(samples, "system_per_unit"),
        rate=middle("rate"),
        p50_us=middle("p50_us"),
        p99_us=middle("p99_us"),
        busy=middle("busy"),
        load_busy=middle("load_busy"),
        ratio=ratio.median,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        spread=ratio.spread,
        ratio_user=_over(mean(samples, "user_per_unit"), mean(base, "user_per_unit")),
        ratio_system=_over(mean(samples, "system_per_unit"), mean(base, "system_per_unit")),
        others=max(sample.others for sample in samples),
        slowness=max(sample.slowness for sample in samples),
    )


def _over(mine: float, theirs: float) -> float:
    return mine / theirs if theirs else float("nan")
