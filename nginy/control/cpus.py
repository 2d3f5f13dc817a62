"""Which CPU each worker stays on, and whether there are enough of them to poll without waiting."""

import os
from collections.abc import Iterable

from nginy.errors import StartError
from nginy.model import Config


def worker_cpus(config: Config, slots: int) -> tuple[int, ...]:
    """The CPU of each slot, empty when the kernel decides. Errors: StartError for one that nginy may not use."""
    affinity, usable = config.runtime.affinity, os.sched_getaffinity(0)
    if affinity == "off":
        return ()
    chosen = sorted(usable) if affinity == "on" else list(affinity)
    missing = sorted(set(chosen) - usable)
    if missing:
        raise StartError(
            f"runtime.affinity: nginy may not use CPU {format_cpus(missing)}; "
            f"it may use {format_cpus(usable)}: choose among these, or give it more (taskset, CPUAffinity=, cpuset)"
        )
    return tuple(chosen[slot % len(chosen)] for slot in range(slots))


def has_room_to_spin(slots: int) -> bool:
    """Whether control keeps a CPU when every worker polls on one of its own."""
    return len(os.sched_getaffinity(0)) > slots


def format_cpus(cpus: Iterable[int]) -> str:
    """As the kernel lists them: `0-3, 8`."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and runs[-1][-1] == cpu - 1:
            runs[-1][1:] = [cpu]
        else:
            runs.append([cpu])
    return ", ".join("-".join(map(str, run)) for run in runs)
