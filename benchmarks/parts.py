"""Everything that can be measured, by name."""

from collections.abc import Sequence
from functools import partial

from benchmarks import fairness, idle, scale, startup, workers
from benchmarks.bench import Part
from benchmarks.contest import main_row
from benchmarks.curves import CURVES
from benchmarks.workloads import CUBIC, MAIN

QUICK: dict[str, Part] = {workload.key: partial(main_row, workload) for workload in MAIN}
FURTHER: dict[str, Part] = {
    **{workload.key: partial(main_row, workload) for workload in CUBIC},
    scale.KEY: scale.run,
    fairness.KEY: fairness.run,
    idle.KEY: idle.run,
    workers.KEY: workers.run,
    startup.KEY: startup.run,
    **CURVES,
}
FULL: dict[str, Part] = {**QUICK, **FURTHER}


def chosen(names: Sequence[str], is_full: bool) -> dict[str, Part]:
    """The named ones, else those of the run's length. Raises ValueError for an unknown name."""
    unknown = [name for name in names if name not in FULL]
    if unknown:
        raise ValueError(f"unknown workload {', '.join(unknown)}; known: {', '.join(FULL)}")
    if names:
        return {name: FULL[name] for name in names}
    return FULL if is_full else QUICK
