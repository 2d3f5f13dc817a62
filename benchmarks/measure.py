"""One measurement: a warm-up, then a window in which the load's units and the proxy's CPU time are counted
together."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from benchmarks.cpu import CpuTime, cpu_time, machine_busy_s
from benchmarks.proxies import Proxy
from benchmarks.workloads import Workload

SETTLE_S = 10.0
WARM_S = 0.3


class MeasureError(Exception):
    """The workload did not run as it should; a figure from it would be worthless."""


@dataclass(frozen=True)
class Sample:
    """One proxy, one workload, one round.

    CPU in seconds per unit, rate in units per second, latency in microseconds.
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
    busy: float
    others: float


def measure(
    load: Any, modes: ModuleType, workload: Workload, proxy: Proxy, round_number: int, seconds: float
) -> Sample:
    """Raises MeasureError when clients did not settle or any of them was refused or broken."""
    load.start(proxy.port, getattr(modes.Mode, workload.mode), workload.clients, workload.message_bytes)
    try:
        settled = load.settle(SETTLE_S)
        if settled < workload.clients:
            raise MeasureError(
                f"{proxy.name}, {workload.key}: only {settled} of {workload.clients} clients got an answer"
            )
        load.run(WARM_S)
        load.reset()
        pids = proxy.pids()
        others_s = machine_busy_s() - time.process_time()
        before = cpu_time(pids)
        took_s = load.run(seconds)
        spent = cpu_time(pids) - before
        return sample_of(
            load, workload, proxy, round_number, took_s, spent, machine_busy_s() - time.process_time() - others_s
        )
    finally:
        load.stop()
        load.run(0.05)


def sample_of(
    load: Any, workload: Workload, proxy: Proxy, round_number: int, took_s: float, spent: CpuTime, busy_s: float
) -> Sample:
    """What was counted in the window, as figures per unit. busy_s: the whole machine but the load."""
    counts = load.counts
    units = workload.units_of(counts)
    if counts["errors"] or not units:
        raise MeasureError(f"{proxy.name}, {workload.key}: {counts['errors']} errors, {units} units")
    ticks_s = max(spent.user_s + spent.system_s, 1e-9)
    user_share = spent.user_s / ticks_s
    return Sample(
        proxy=proxy.name,
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
        busy=spent.total_s / took_s,
        others=max(0.0, busy_s - spent.total_s) / took_s / (os.cpu_count() or 1),
    )


@dataclass(frozen=True)
class Summary:
    """Medians over the rounds; `ratio` is the median of the ratios taken within each round, with the lowest
    and highest."""

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
    ratio: float
    ratio_low: float
    ratio_high: float
    spread: float
    others: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def summarise(samples: Sequence[Sample], base: Sequence[Sample]) -> Summary:
    """samples and base: one proxy and the reference in the same rounds.

    The spread is half of the middle half of the ratios, relative to their median.
    """
    base_cpu = {sample.round: sample.cpu_per_unit for sample in base}
    shared = [sample for sample in samples if sample.round in base_cpu]
    ratios = sorted(sample.cpu_per_unit / base_cpu[sample.round] for sample in shared) or [float("nan")]

    def middle(field: str) -> float:
        return statistics.median(getattr(sample, field) for sample in samples)

    ratio = statistics.median(ratios)
    low, high = ratios[len(ratios) // 4], ratios[len(ratios) - 1 - len(ratios) // 4]
    return Summary(
        proxy=samples[0].proxy,
        workload=samples[0].workload,
        rounds=len(samples),
        cpu_per_unit=middle("cpu_per_unit"),
        user_per_unit=middle("user_per_unit"),
        system_per_unit=middle("system_per_unit"),
        rate=middle("rate"),
        p50_us=middle("p50_us"),
        p99_us=middle("p99_us"),
        busy=middle("busy"),
        ratio=ratio,
        ratio_low=ratios[0],
        ratio_high=ratios[-1],
        spread=(high - low) / 2 / ratio,
        others=max(sample.others for sample in samples),
    )
