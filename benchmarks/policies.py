"""Every native policy beside round_robin, with three backends and with a thousand: what a choice costs a connection."""

from benchmarks import report
from benchmarks.bench import Bench, Outcome
from benchmarks.contest import Entrant, grouped, running, take_turns
from benchmarks.measure import Sample, ratio_of, summarise
from benchmarks.proxies import Nginy
from benchmarks.targets import judge_ratio
from benchmarks.workloads import connections

KEY = "policies"
TITLE = "new connection, by policy"
BASE = "round_robin"
BOUNDS = {3: 1.02, 1000: 1.05}
"""Backends in the pool, and what any policy may cost beside the base with as many."""


def policies() -> tuple[str, ...]:
    """The names of those that run inside workers."""
    from nginy.balancer.native import NATIVE

    return (BASE, *(name for name in NATIVE if name != BASE))


def kind_of(policy: str) -> type[Nginy]:
    """This project with that policy."""
    return type("NginyBy", (Nginy,), {"name": f"nginy {policy}", "policy": policy})


def label_of(policy: str, backends: int) -> str:
    return f"{policy}, {backends:,} backends"


def run(bench: Bench) -> Outcome:
    """Turns of all policies with as many backends; then the same with more of them."""
    workload = connections(64)
    samples: list[Sample] = []
    for backends in BOUNDS:
        shape = bench.shape(backends)
        entrants = [Entrant(kind_of(policy), shape, label_of(policy, backends)) for policy in policies()]
        with running(bench, entrants) as proxies:
            samples += take_turns(bench, workload, proxies)
    groups = grouped(samples)
    ratios = {label: ratio_of(group, groups[label_of(BASE, backends_of(label))]) for label, group in groups.items()}
    summaries = [summarise(group, group) for group in groups.values()]
    rows = report.group_rows(workload, groups, ratios, f"ratio to {BASE}")
    lines = [f"### {TITLE}", "", *rows, *report.warnings(summaries)]
    outcome = Outcome("\n".join(lines) + "\n", samples)
    for label, ratio in ratios.items():
        if ratio is not None and not label.startswith(f"{BASE},"):
            what = f"CPU, nginy {label} / {BASE} with as many"
            outcome.verdicts.append(judge_ratio(KEY, what, ratio, BOUNDS[backends_of(label)]))
    return outcome


def backends_of(label: str) -> int:
    """How many it was labelled with."""
    return int(label.partition(", ")[2].split()[0].replace(",", ""))
