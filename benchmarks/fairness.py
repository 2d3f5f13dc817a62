"""What one client that takes all it can get does to the latency of the others in the same worker."""

from dataclasses import replace

from benchmarks import report
from benchmarks.bench import Bench, Outcome
from benchmarks.contest import entrants_of, grouped, running, take
from benchmarks.measure import Sample, Spread, ratio_of
from benchmarks.proxy import Proxy
from benchmarks.targets import judge_ratio
from benchmarks.workloads import Workload, round_trips

KEY = "fairness"
TITLE = "64 kept connections with 64 B round trips, alone and beside one greedy bulk stream"
NAMES = ("haproxy", "nginx", "nginy", "nginy splice off")
ALONE: Workload = replace(round_trips(64), key="fairness-alone")
BESIDE: Workload = replace(round_trips(64), key="fairness-beside", greedy=1)
BOUND = 3.0


def take_pairs(bench: Bench, proxies: list[Proxy]) -> list[Sample]:
    """Each round: every proxy alone and at once beside the greedy stream."""
    samples = []
    for number in range(bench.rounds):
        turn = number % len(proxies)
        for proxy in proxies[turn:] + proxies[:turn]:
            samples += [take(bench, workload, proxy, number) for workload in (ALONE, BESIDE)]
    return samples


def run(bench: Bench) -> Outcome:
    """The target is about p99; what the stream got is printed beside it."""
    with running(bench, entrants_of(bench, NAMES)) as proxies:
        samples = take_pairs(bench, proxies)
    rows, verdicts = [], []
    for label, group in grouped(samples).items():
        alone = [sample for sample in group if sample.workload == ALONE.key]
        beside = [sample for sample in group if sample.workload == BESIDE.key]
        ratio = ratio_of(beside, alone, "p99_us")
        if ratio is None:
            continue
        rows.append(row(label, alone, beside, ratio))
        if label == "nginy":
            verdicts.append(judge_ratio(KEY, "p99 of nginy beside one bulk stream / alone", ratio, BOUND))
    head = ("", "p99 alone", "p99 beside", "ratio (lowest to highest, ± spread)", "p50 beside", "round trips", "stream")
    text = "\n".join([f"### {TITLE}", "", *report.lines_of(head, rows)]) + "\n"
    return Outcome(text, samples, verdicts=verdicts)


def row(label: str, alone: list[Sample], beside: list[Sample], ratio: Spread) -> list[str]:
    """One proxy. The median sample of each kind by p99."""
    quiet = sorted(alone, key=lambda sample: sample.p99_us)[len(alone) // 2]
    pressed = sorted(beside, key=lambda sample: sample.p99_us)[len(beside) // 2]
    return [
        label,
        report.latency(quiet.p99_us),
        report.latency(pressed.p99_us),
        f"**{ratio.median:.2f}** ({ratio.low:.2f} to {ratio.high:.2f}, ± {ratio.spread:.0%})",
        report.latency(pressed.p50_us),
        f"{pressed.rate:,.0f} a second (alone {quiet.rate:,.0f})",
        f"{pressed.bytes_per_s / 1e9:.2f} GB a second",
    ]
