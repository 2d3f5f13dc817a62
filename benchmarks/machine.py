"""What a figure was measured on."""

import datetime
import os
import platform
from pathlib import Path


def _first(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "unknown"


def cpu_model() -> str:
    """The processor's name as the kernel knows it."""
    for line in _first("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def describe() -> dict[str, object]:
    """Kernel, cores, memory, congestion control, Python, date."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "kernel": platform.release(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "congestion_control": _first("/proc/sys/net/ipv4/tcp_congestion_control"),
        "python": platform.python_version(),
    }
