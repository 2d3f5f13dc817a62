"""A thousand backends and a hundred listeners beside three and one: what a big configuration costs a connection."""

from benchmarks import report
from benchmarks.bench import Bench, Outcome
from benchmarks.contest import Entrant, entrants_of, grouped, running, take_turns
from benchmarks.measure import Sample, ratio_of, summarise
from benchmarks.proxies import Nginy
from benchmarks.targets import judge_ratio
from benchmarks.workloads import PLAIN, connections

KEY = "scale"
TITLE = "new connection, a big configuration beside a small one"
SMALL, BACKENDS, LISTENERS = (3, 1), (1000, 1), (3, 100)
BIG = (1000, 100)
BOUND = 1.03


def label_of(name: str, size: tuple[int, int]) -> str:
    """`nginy, 1,000 backends, 100 listeners`."""
    return f"{name}, {size[0]:,} backends, {size[1]} listener{'s' if size[1] > 1 else ''}"


def entrants(bench: Bench) -> list[Entrant]:
    """Every proxy small and big; nginy also with one of the two."""
    found = []
    for plain in entrants_of(bench, PLAIN):
        sizes = (SMALL, BACKENDS, LISTENERS, BIG) if plain.kind is Nginy else (SMALL, BIG)
        found += [Entrant(plain.kind, bench.shape(*size), label_of(plain.kind.name, size)) for size in sizes]
    return found


def run(bench: Bench) -> Outcome:
    """Turns of all sizes; ratios are those to the same proxy's small one."""
    workload = connections(64)
    with running(bench, entrants(bench)) as proxies:
        samples = take_turns(bench, workload, proxies)
    groups = grouped(samples)
    summaries = [summarise(group, group) for group in groups.values()]
    ratios = {label: ratio_of(group, base_of(label, groups)) for label, group in groups.items()}
    rows = report.group_rows(workload, groups, ratios, "ratio to the same proxy, small")
    lines = [f"### {TITLE}", "", *rows, *report.warnings(summaries)]
    outcome = Outcome("\n".join(lines) + "\n", samples)
    got = ratios.get(label_of("nginy", BIG))
    if got is not None:
        what = "CPU, nginy: 1,000 backends and 100 listeners / 3 backends and 1 listener"
        outcome.verdicts.append(judge_ratio(KEY, what, got, BOUND))
    return outcome


def base_of(label: str, groups: dict[str, list[Sample]]) -> list[Sample]:
    """The small one of the same proxy."""
    return groups.get(label_of(label.partition(",")[0], SMALL), [])
