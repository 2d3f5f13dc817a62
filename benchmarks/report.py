"""The table that people read and the JSON that programs read."""

from collections.abc import Mapping, Sequence

from benchmarks.measure import Summary
from benchmarks.workloads import Workload

OTHERS_MAX = 0.05
HEAD = (
    "| | CPU per {unit} | of it user | ratio to haproxy (lowest to highest, ± spread) "
    "| per second | p50 | p99 | busy |\n"
    "|---|---|---|---|---|---|---|---|"
)


def _latency(value_us: float) -> str:
    return f"{value_us:,.0f} µs" if value_us else "–"


def row(workload: Workload, summary: Summary) -> str:
    """One line of a workload's table."""
    cpu = summary.cpu_per_unit * workload.scale
    user = summary.user_per_unit / summary.cpu_per_unit
    rate = f"{summary.rate:,.2f} GB" if workload.unit == "GB" else f"{summary.rate:,.0f}"
    width = f"{summary.ratio_low:.2f} to {summary.ratio_high:.2f}, ± {summary.spread:.0%}"
    ratio = f"**{summary.ratio:.2f}** ({width})"
    cells = [
        summary.proxy,
        f"{cpu:.2f} {workload.cpu_unit}",
        f"{user:.0%}",
        ratio,
        rate,
        _latency(summary.p50_us),
        _latency(summary.p99_us),
        f"{summary.busy:.0%}",
    ]
    return "| " + " | ".join(cells) + " |"


def table(workload: Workload, summaries: Sequence[Summary]) -> str:
    """A workload with its head line."""
    lines = [f"### {workload.title}", "", HEAD.format(unit=workload.unit)]
    lines += [row(workload, summary) for summary in summaries]
    others = max(summary.others for summary in summaries)
    if others > OTHERS_MAX:
        lines += ["", f"Not quiet: other programs took up to {others:.0%} of the machine; measure again."]
    return "\n".join(lines) + "\n"


def front_matter(
    machine: Mapping[str, object], versions: Mapping[str, str], command: str, rounds: int, seconds: float
) -> str:
    """Machine, versions and the command, as a list."""
    lines = [
        f"- command: `{command}`",
        f"- {rounds} alternating rounds of {seconds:g} s each, medians",
        "- the proxy pinned to one core, clients and backends together to another",
    ]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in machine.items()]
    lines += [f"- {name}: {version}" for name, version in versions.items()]
    return "\n".join(lines) + "\n"
