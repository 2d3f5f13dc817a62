"""CPU time and memory of a process and everything it started, read from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class CpuTime:
    """Seconds of CPU. `total_s` is exact; `user_s` and `system_s` come in clock ticks."""

    total_s: float
    user_s: float
    system_s: float

    def __sub__(self, before: "CpuTime") -> "CpuTime":
        return CpuTime(self.total_s - before.total_s, self.user_s - before.user_s, self.system_s - before.system_s)


def pid_tree(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def cpu_time(pids: list[int]) -> CpuTime:
    """Sum over all threads of the given processes; one that is gone raises FileNotFoundError."""
    total_ns = user_ticks = system_ticks = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total_ns += int((task / "schedstat").read_text().split()[0])
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user_ticks += int(fields[11])
        system_ticks += int(fields[12])
    return CpuTime(total_ns / 1e9, user_ticks * TICK_S, system_ticks * TICK_S)


OWN_MEMORY = ("Pss_Anon", "Pss_Shmem")


def memory_bytes(pids: list[int], fields: tuple[str, ...] = OWN_MEMORY) -> int:
    """Sum of some lines of smaps_rollup over the processes.

    OWN_MEMORY: what they allocated, alone or shared among them, without the pages of program files: how many of those
    count for a process depends on who else runs the same program. ("Rss",): everything, shared pages in full.
    """
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.partition(":")[0] in fields:
                total += int(line.split()[1]) * 1024
    return total


def machine_busy_s() -> float:
    """Seconds that all cores together have worked since boot, with what the host took from them."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _wait, irq, softirq, stolen = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + stolen) * TICK_S
