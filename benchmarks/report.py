"""The tables that people read."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.bench import Point
from benchmarks.measure import Sample, Spread, Summary, summarise
from benchmarks.targets import Verdict
from benchmarks.workloads import Workload

OTHERS_MAX = 0.05
SLOWNESS_MAX = 0.08
HEAD = (
    "",
    "CPU per {unit}",
    "user",
    "system",
    "CPU ratio to haproxy (lowest to highest, ± spread)",
    "user ratio",
    "system ratio",
    "per second",
    "p50",
    "p99",
    "busy",
    "load busy",
)


def lines_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def latency(value_us: float) -> str:
    """Microseconds, or a dash where there was nothing to time."""
    return f"{value_us:,.0f} µs" if value_us else "–"


def ratio(value: float) -> str:
    """Two digits, or a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def row(workload: Workload, summary: Summary) -> list[str]:
    """One proxy in a workload's table."""
    width = f"{ratio(summary.ratio_low)} to {ratio(summary.ratio_high)}, ± {summary.spread:.0%}"
    return [
        summary.proxy,
        f"{summary.cpu_per_unit * workload.scale:.2f} {workload.cpu_unit}",
        f"{summary.user_per_unit * workload.scale:.2f}",
        f"{summary.system_per_unit * workload.scale:.2f}",
        f"**{ratio(summary.ratio)}** ({width})",
        ratio(summary.ratio_user),
        ratio(summary.ratio_system),
        f"{summary.rate:,.2f} GB" if workload.unit == "GB" else f"{summary.rate:,.0f}",
        latency(summary.p50_us),
        latency(summary.p99_us),
        f"{summary.busy:.0%}",
        f"{summary.load_busy:.0%}",
    ]


def table(workload: Workload, summaries: Sequence[Summary]) -> str:
    """A workload with its head line."""
    head = [cell.format(unit=workload.unit) for cell in HEAD]
    lines = [f"### {workload.title}", "", *lines_of(head, [row(workload, summary) for summary in summaries])]
    return "\n".join([*lines, *warnings(summaries)]) + "\n"


def group_rows(
    workload: Workload, groups: Mapping[str, Sequence[Sample]], ratios: Mapping[str, Spread | None], ratio_name: str
) -> list[str]:
    """A Markdown table with one line for each group of samples. ratio_name: what the ratios are to."""
    rows = []
    for label, group in groups.items():
        taken, times = summarise(group, group), ratios[label]
        width = f"({times.low:.2f} to {times.high:.2f}, ± {times.spread:.0%})" if times else ""
        rows.append([
            label,
            f"{taken.cpu_per_unit * workload.scale:.2f} {workload.cpu_unit}",
            f"{taken.user_per_unit * workload.scale:.2f}",
            f"**{times.median:.2f}** {width}" if times else "–",
            f"{taken.rate:,.0f}",
            latency(taken.p99_us),
        ])
    return lines_of(("", f"CPU per {workload.unit}", "user", ratio_name, "per second", "p99"), rows)


def warnings(summaries: Sequence[Summary]) -> list[str]:
    """Why a table should be measured again."""
    others = max(summary.others for summary in summaries)
    slowness = max(summary.slowness for summary in summaries)
    lines = []
    if others > OTHERS_MAX:
        lines += ["", f"Not quiet: other programs took up to {others:.0%} of the machine; measure again."]
    if slowness > SLOWNESS_MAX:
        lines += ["", f"Not steady: the proxy's core was up to {slowness:.0%} slower than at its best; measure again."]
    return lines


def curve_table(title: str, x_name: str, unit: str, points: Sequence[Point], has_latency: bool = True) -> str:
    """A curve: one line for each place, one column for each proxy."""
    names = list(dict.fromkeys(point.proxy for point in points))
    head = [x_name, *(f"{name}: CPU per {unit} (user){', p99' if has_latency else ''}" for name in names)]
    rows = []
    for x in dict.fromkeys(point.x for point in points):
        here = {point.proxy: point for point in points if point.x == x}
        rows.append([f"{x:,}", *(curve_cell(here[name], has_latency) if name in here else "–" for name in names)])
    return "\n".join([f"### {title}", "", *lines_of(head, rows)]) + "\n"


def curve_cell(point: Point, has_latency: bool) -> str:
    """CPU in µs with its spread, the user's part of it, and the latency."""
    cpu, user = point.cpu_per_unit * 1e6, point.user_per_unit * 1e6
    digits = 2 if cpu < 1000 else 0
    said = f"{cpu:,.{digits}f} µs ± {point.spread:.0%} ({user:,.{digits}f})"
    return f"{said}, {latency(point.p99_us)}" if has_latency else said


def targets_table(verdicts: Sequence[Verdict]) -> str:
    """Every target of the run."""
    rows = [
        [
            verdict.workload, verdict.what, verdict.target, verdict.got, "met" if verdict.is_met else "**not met**",
            verdict.here,
        ]
        for verdict in verdicts
    ]
    met = sum(verdict.is_met for verdict in verdicts)
    lines = ["## Targets", "", f"{met} of {len(verdicts)} met, within the spread of the run, at most 5 %.", ""]
    return "\n".join([*lines, *lines_of(("workload", "what", "target", "got", "", "means here"), rows)]) + "\n"


def front_matter(run: Mapping[str, Any]) -> str:
    """Machine, versions and the command, as a list."""
    lines = [
        f"- command: `{run['command']}`",
        f"- {run['rounds']} alternating rounds of {run['seconds']:g} s each, medians",
        "- the proxy pinned to one core, clients and backends together to another",
    ]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in run["about"].items()]
    lines += [f"- {name}: {version}" for name, version in run["versions"].items()]
    return "\n".join(lines) + "\n"


def run_line(run: Mapping[str, Any]) -> str:
    """The same in one line."""
    about = [f"{key.replace('_', ' ')} {value}" for key, value in run["about"].items() if key != "date"]
    versions = ", ".join(dict.fromkeys(run["versions"].values()))
    return (
        f"{run['about']['date']}, `{run['command']}`: {run['rounds']} alternating rounds of {run['seconds']:g} s each, "
        f"medians. {', '.join(about)}. {versions}."
    )
