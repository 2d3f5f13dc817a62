"""What a proxy at rest adds to the way of a single datagram and of its answer."""

from collections.abc import Mapping, Sequence

from benchmarks import report, udp_report
from benchmarks.bench import Bench, Outcome
from benchmarks.contest import running
from benchmarks.measure import Spread, spread_of
from benchmarks.targets import Verdict, judge_ratio
from benchmarks.udp import datagrams, entrants_of, take_turns
from benchmarks.udp_measure import UdpSample
from benchmarks.udp_proxies import Direct
from benchmarks.udp_workloads import LATENCY

BOUND = 1.0
BASE = LATENCY.base
NOTE = "Added: a proxy's median beyond that without a proxy in the same round. The load polls, so it is never woken up."

Added = Mapping[int, float]


def added_us(samples: Sequence[UdpSample], direct: Sequence[UdpSample]) -> Added:
    """By round, microseconds of the median that were not there without a proxy."""
    without = {sample.round: sample.p50_us for sample in direct}
    return {sample.round: sample.p50_us - without[sample.round] for sample in samples if sample.round in without}


def ratio_of(mine: Added, theirs: Added) -> Spread | None:
    """Within each round that both have; None without one."""
    ratios = [mine[number] / theirs[number] for number in mine if theirs.get(number)]
    return spread_of(ratios) if ratios else None


def row(name: str, samples: Sequence[UdpSample], added: Mapping[str, Added]) -> list[str]:
    """One proxy."""
    p50, p99 = (spread_of([getattr(sample, field) for sample in samples]) for field in ("p50_us", "p99_us"))
    cells = [name, f"{p50.median:.1f} µs ± {p50.spread:.0%}", f"{p99.median:.1f} µs", "–", "–"]
    if name != Direct.name and added[name]:
        mine = spread_of(list(added[name].values()))
        ratio = ratio_of(added[name], added.get(BASE, {}))
        cells[3] = f"{mine.median:.1f} µs"
        if ratio:
            cells[4] = f"**{ratio.median:.2f}** ({ratio.low:.2f} to {ratio.high:.2f}, ± {ratio.spread:.0%})"
    return [*cells, f"{sum(sample.rate for sample in samples) / len(samples):,.0f}", udp_report.losses(samples)]


def judged(added: Mapping[str, Added]) -> list[Verdict]:
    """nginy's added median beside nginx'."""
    ratio = ratio_of(added.get("nginy", {}), added.get(BASE, {}))
    return [judge_ratio(LATENCY.key, "added p50, nginy / nginx", ratio, BOUND)] if ratio else []


def run(bench: Bench) -> Outcome:
    """The way without a proxy takes its turn among the others."""
    names = LATENCY.compares
    with datagrams(bench) as bench, running(bench, entrants_of(bench, names, (BASE, Direct.name))) as proxies:
        turns = take_turns(bench, LATENCY, proxies)
    groups = turns.groups
    added = {name: added_us(samples, groups[Direct.name]) for name, samples in groups.items()}
    times = f"ratio to {BASE} (lowest to highest, ± spread)"
    head = ("", "p50", "p99", "added p50", times, "datagrams a second", "lost")
    rows = [row(name, groups[name], added) for name in names if name in groups]
    lines = [f"### {LATENCY.title}", "", *report.lines_of(head, rows), "", NOTE]
    for note in turns.notes:
        lines += ["", note]
    return Outcome("\n".join(lines) + "\n", list(turns.samples), verdicts=judged(added))
