"""The tables of UDP that people read."""

from collections.abc import Mapping, Sequence

from benchmarks import report
from benchmarks.measure import Summary
from benchmarks.udp_measure import UdpSample
from benchmarks.udp_workloads import UdpWorkload

HEAD = (
    "",
    "CPU per {unit}",
    "user",
    "system",
    "CPU ratio to {base} (lowest to highest, ± spread)",
    "user ratio",
    "system ratio",
    "per second",
    "lost",
    "p50",
    "p99",
    "busy",
    "load busy",
)


def losses(samples: Sequence[UdpSample]) -> str:
    """How many of all rounds were lost, as a share too; what came to the wrong client, and what in a wrong order."""
    sent, lost = sum(sample.sent for sample in samples), sum(sample.lost for sample in samples)
    words = [f"{lost:,} ({lost / sent:.2%})" if lost and sent else f"{lost:,}"]
    for field, said in (("foreign", "to the wrong client"), ("misordered", "out of order")):
        count = sum(getattr(sample, field) for sample in samples)
        words += [f"{count:,} {said}"] if count else []
    return ", ".join(words)


def row(workload: UdpWorkload, summary: Summary, samples: Sequence[UdpSample]) -> list[str]:
    """One proxy in a workload's table."""
    ratio = f"{report.ratio(summary.ratio_low)} to {report.ratio(summary.ratio_high)}, ± {summary.spread:.0%}"
    return [
        summary.proxy,
        f"{summary.cpu_per_unit * workload.scale:.2f} {workload.cpu_unit}",
        f"{summary.user_per_unit * workload.scale:.2f}",
        f"{summary.system_per_unit * workload.scale:.2f}",
        f"**{report.ratio(summary.ratio)}** ({ratio})",
        report.ratio(summary.ratio_user),
        report.ratio(summary.ratio_system),
        f"{summary.rate:,.0f}",
        losses(samples),
        report.latency(summary.p50_us),
        report.latency(summary.p99_us),
        f"{summary.busy:.0%}",
        f"{summary.load_busy:.0%}",
    ]


def table(workload: UdpWorkload, summaries: Sequence[Summary], groups: Mapping[str, Sequence[UdpSample]],
          notes: Sequence[str] = ()) -> str:  # fmt: skip
    """A workload with its head line. groups: the samples of each proxy.   notes: lines below the table."""
    head = [cell.format(unit=workload.unit, base=workload.base) for cell in HEAD]
    rows = [row(workload, summary, groups[summary.proxy]) for summary in summaries]
    lines = [f"### {workload.title}", "", *report.lines_of(head, rows), *report.warnings(summaries)]
    for note in notes:
        lines += ["", note]
    return "\n".join(lines) + "\n"
