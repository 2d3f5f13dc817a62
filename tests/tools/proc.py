"""What /proc tells about a running program: children, descriptors, memory."""

import collections
import contextlib
import os
import re
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def children_of(pid: int) -> list[int]:
    """Pids of the direct children."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for its parent does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def descriptors(pid: int) -> collections.Counter[str]:
    """Open descriptors by kind: socket, pipe, anon_inode:[eventpoll], memfd:…, or a path."""
    kinds: collections.Counter[str] = collections.Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            kinds[re.sub(r":\[\d+\]$", "", os.readlink(entry))] += 1
    return kinds


def free_numbers(pid: int, count: int) -> list[int]:
    """The lowest descriptor numbers that are not in use."""
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return [number for number in range(max(used) + count + 1) if number not in used][:count]


def resident_bytes(pid: int) -> int:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def cpu_s(pid: int) -> float:
    """CPU seconds used so far, all threads."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9
