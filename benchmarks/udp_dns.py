"""DNS: each query from a new source port, so each is a flow of its own; and how many descriptors that takes."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks import report, udp_report
from benchmarks.bench import Bench, Outcome
from benchmarks.contest import running
from benchmarks.proxy import Proxy
from benchmarks.targets import Verdict, judge_fact
from benchmarks.udp import datagrams, entrants_of, judged, summaries_of, take_turns
from benchmarks.udp_measure import begin
from benchmarks.udp_workloads import QUERIES, QUERIES_UNDER_WAY

LOOKS = 10
LOOK_S = 0.3
GROWTH_MAX = QUERIES_UNDER_WAY


@dataclass(frozen=True)
class Descriptors:
    """Of one proxy. before: the first query.   during: at each look.   ports: different ones that the backends saw in
    all of that time, for so many queries."""

    proxy: str
    before: int
    during: tuple[int, ...]
    ports: int
    queries: int

    @property
    def growth(self) -> int:
        """The most of the second half beyond the most of the first half."""
        half = len(self.during) // 2
        return max(self.during[half:]) - max(self.during[:half])


def open_descriptors(proxy: Proxy) -> int:
    """Of all its processes."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in proxy.pids())


def watch(bench: Bench, proxy: Proxy) -> Descriptors:
    """A few seconds of queries; descriptors are counted between slices, with the last queries still under way."""
    load = bench.load
    before = open_descriptors(proxy)
    during = []
    try:
        begin(bench, QUERIES, proxy)
        load.reset()
        for _ in range(LOOKS):
            load.run(LOOK_S)
            during.append(open_descriptors(proxy))
        counts = load.counts
    finally:
        load.stop()
    return Descriptors(proxy.label, before, tuple(during), counts["ports"], counts["units"])


def row(seen: Descriptors) -> list[str]:
    """One proxy."""
    return [
        seen.proxy,
        f"{seen.before:,}",
        ", ".join(f"{count:,}" for count in seen.during),
        f"{seen.growth:+,}",
        f"{seen.ports:,} for {seen.queries:,} queries",
    ]


def judged_descriptors(seen: Descriptors) -> list[Verdict]:
    """No growth; and with reuse no socket for each query."""
    said = f"{seen.growth:+,}"
    what = f"descriptors of {seen.proxy}, later beyond earlier"
    verdicts = [judge_fact(QUERIES.key, what, f"≤ {GROWTH_MAX}", said, seen.growth <= GROWTH_MAX)]
    if not seen.proxy.endswith("reuse off"):
        bound = seen.queries // 100
        what = f"upstream ports of {seen.proxy} for {seen.queries:,} queries"
        verdicts.append(judge_fact(QUERIES.key, what, f"≤ {bound:,}", f"{seen.ports:,}", seen.ports <= bound))
    return verdicts


def run(bench: Bench) -> Outcome:
    """The table as for any workload, then the descriptors."""
    with datagrams(bench) as bench, running(bench, entrants_of(bench, QUERIES.compares, (QUERIES.base,))) as proxies:
        turns = take_turns(bench, QUERIES, proxies)
        seen = [watch(bench, proxy) for proxy in proxies if proxy.label not in turns.spoilt]
    summaries = summaries_of(QUERIES, turns)
    head = ("", "descriptors before", f"every {LOOK_S:g} s under load", "growth", "upstream ports")
    lines = ["", *report.lines_of(head, [row(one) for one in seen])]
    text = udp_report.table(QUERIES, summaries, turns.groups, turns.notes) + "\n".join(lines) + "\n"
    verdicts = judged(QUERIES, turns)
    for one in seen:
        if one.proxy.startswith("nginy"):
            verdicts += judged_descriptors(one)
    figures = {one.proxy: {"before": one.before, "during": one.during, "ports": one.ports} for one in seen}
    return Outcome(text, list(turns.samples), summaries, verdicts, figures=figures)
