"""Everything that can be measured, by name."""

from collections.abc import Sequence
from functools import partial

from benchmarks import (
    adoption,
    fairness,
    idle,
    mailbox,
    policies,
    rings,
    scale,
    startup,
    structures,
    udp,
    udp_capacity,
    udp_dns,
    udp_flood,
    udp_latency,
    udp_workloads,
    web,
    web_latency,
    workers,
)
from benchmarks.bench import Part
from benchmarks.contest import main_row
from benchmarks.curves import CURVES
from benchmarks.workloads import CUBIC, MAIN

QUICK: dict[str, Part] = {workload.key: partial(main_row, workload) for workload in MAIN}
OVER_UDP: dict[str, Part] = {
    **{workload.key: partial(udp.udp_row, workload) for workload in udp_workloads.ROWS},
    udp_workloads.QUERIES.key: udp_dns.run,
    udp_workloads.CAPACITY.key: udp_capacity.run,
    udp_workloads.LATENCY.key: udp_latency.run,
    udp_flood.KEY: udp_flood.run,
}
OVER_HTTP: dict[str, Part] = {
    **{workload.key: partial(web.row, workload) for workload in web.ROWS},
    web_latency.KEY: web_latency.run,
}
FURTHER: dict[str, Part] = {
    **{workload.key: partial(main_row, workload) for workload in CUBIC},
    scale.KEY: scale.run,
    policies.KEY: policies.run,
    fairness.KEY: fairness.run,
    idle.KEY: idle.run,
    workers.KEY: workers.run,
    startup.KEY: startup.run,
    rings.KEY: rings.run,
    structures.TABLE_KEY: structures.table,
    structures.BESIDE_KEY: structures.beside,
    mailbox.KEY: mailbox.run,
    adoption.KEY: adoption.run,
    **OVER_HTTP,
    **OVER_UDP,
    **CURVES,
}
FULL: dict[str, Part] = {**QUICK, **FURTHER}
GROUPS: dict[str, tuple[str, ...]] = {"http": tuple(OVER_HTTP), "udp": tuple(OVER_UDP)}


def chosen(names: Sequence[str], is_full: bool) -> dict[str, Part]:
    """The named ones or groups, else those of the run's length. Raises ValueError for an unknown name."""
    names = [key for name in names for key in GROUPS.get(name, (name,))]
    unknown = [name for name in names if name not in FULL]
    if unknown:
        raise ValueError(f"unknown workload {', '.join(unknown)}; known: {', '.join([*FULL, *GROUPS])}")
    if names:
        return {name: FULL[name] for name in names}
    return FULL if is_full else QUICK
