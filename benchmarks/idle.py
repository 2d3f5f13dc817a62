"""Nine thousand sessions that say nothing: what each keeps in memory, and what all of them cost."""

import resource
from dataclasses import dataclass, replace

from benchmarks import report
from benchmarks.bench import CURVE_ROUNDS, Bench, LeftOut, Outcome
from benchmarks.contest import Entrant, entrants_of, running
from benchmarks.cpu import cpu_time, memory_bytes
from benchmarks.measure import MeasureError, Spread, begin, spread_of
from benchmarks.proxy import Proxy
from benchmarks.targets import Verdict, judge_amount
from benchmarks.workloads import PLAIN, Workload, round_trips

KEY = "idle9000"
SESSIONS = 9000
TITLE = f"{SESSIONS:,} idle sessions"
IDLE_S = 5.0
DESCRIPTORS = 2 * SESSIONS + 500
MEMORY_BOUND_BYTES = 256.0
CPU_BOUND_PERCENT = 0.5
NOTE = (
    "Growth of what all its processes have allocated (Pss_Anon and Pss_Shmem), after a first crowd of 64 has come and "
    "gone; what the kernel keeps for a socket is not in it."
)
SILENT: Workload = replace(round_trips(SESSIONS), key=KEY, title=TITLE, mode="IDLE")


@dataclass(frozen=True)
class IdleReading:
    """One proxy, once. cpu_percent: of one core, while nothing happens."""

    proxy: str
    bytes_per_session: float
    cpu_percent: float


def read(bench: Bench, proxy: Proxy) -> IdleReading:
    """A fresh proxy: memory that an earlier crowd has left would be used again. Raises MeasureError."""
    load = bench.load
    try:
        begin(load, bench.modes, round_trips(64), proxy)
        load.run(0.5)
        load.stop()
        load.run(0.5)
        before_bytes = memory_bytes(proxy.pids())
        begin(load, bench.modes, SILENT, proxy)
        load.run(1.0)
        grown_bytes = memory_bytes(proxy.pids()) - before_bytes
        spent_before = cpu_time(proxy.pids())
        took_s = load.run(IDLE_S)
        spent = cpu_time(proxy.pids()) - spent_before
        if load.counts["clients"] < SESSIONS:
            raise MeasureError(f"{proxy.label}: only {load.counts['clients']} of {SESSIONS} idle sessions stayed")
    finally:
        load.stop()
        load.run(0.2)
    return IdleReading(proxy.label, grown_bytes / SESSIONS, spent.total_s / took_s * 100)


def readings_of(bench: Bench, entrant: Entrant) -> IdleReading:
    """Start it, read it, end it."""
    with running(bench, [entrant]) as proxies:
        return read(bench, proxies[0])


def run(bench: Bench) -> Outcome:
    """Raises LeftOut where a process may not have enough descriptors."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit < DESCRIPTORS:
        raise LeftOut(f"{SESSIONS:,} sessions need {DESCRIPTORS:,} descriptors; the hard limit is {limit:,}")
    entrants = entrants_of(bench, PLAIN)
    readings = [readings_of(bench, one) for _ in range(min(bench.rounds, CURVE_ROUNDS)) for one in entrants]
    rows, outcome = [], Outcome("")
    for name in dict.fromkeys(reading.proxy for reading in readings):
        mine = [reading for reading in readings if reading.proxy == name]
        memory = spread_of([reading.bytes_per_session for reading in mine])
        cpu = spread_of([reading.cpu_percent for reading in mine])
        rows.append([name, f"{memory.median:,.0f} B ± {memory.spread:.0%}", f"{cpu.median:.2f} %"])
        outcome.figures[name] = {"bytes_per_session": memory.median, "cpu_percent": cpu.median}
        if name == "nginy":
            outcome.verdicts += judged(memory, cpu)
    head = ("", "user memory per session", "CPU of one core while idle")
    outcome.text = "\n".join([f"### {TITLE}", "", *report.lines_of(head, rows), "", NOTE]) + "\n"
    return outcome


def judged(memory: Spread, cpu: Spread) -> list[Verdict]:
    """nginy's two targets."""
    return [
        judge_amount(KEY, "user memory per session", memory, MEMORY_BOUND_BYTES, "B"),
        judge_amount(KEY, "idle CPU of one core", cpu, CPU_BOUND_PERCENT, "%", digits=2),
    ]
