"""Nothing left over: what a running nginy holds at rest, and the proof that it came back to it."""

import collections
from dataclasses import dataclass, field
from typing import Any

from tests.tools.nginy_process import Nginy
from tests.tools.proc import descriptors
from tests.tools.waiting import wait_until

SETTLE_S = 20.0
STEADY_LOOKS = 10


@dataclass
class Rest:
    """What was held when nothing was going on. Descriptors by kind, for control and by worker pid."""

    control: collections.Counter[str] = field(default_factory=collections.Counter)
    workers: dict[int, collections.Counter[str]] = field(default_factory=dict)


def rest_of(nginy: Nginy) -> Rest:
    """Look at a nginy without sessions, once it holds the same at many looks in a row.

    Right after the start a worker may still let go of what it was sent, or take sockets over from another.
    """
    pids = nginy.worker_pids()
    looks: list[Rest] = []

    def is_steady() -> bool:
        look = Rest(descriptors(nginy.pid), {pid: descriptors(pid) for pid in pids})
        if looks and looks[-1] != look:
            looks.clear()
        looks.append(look)
        return len(looks) >= STEADY_LOOKS

    wait_until(is_steady, "it holds the same for a while")
    return looks[-1]


def busy_parts(status: dict[str, Any]) -> dict[str, int]:
    """Everything in the picture that is not zero although it should be when no session lives.

    A UDP listener keeps one timer in each worker for as long as it is there.
    """
    found = {}
    n_lasting = sum(row["protocol"] == "udp" for row in status["listeners"])
    for row in status["workers"]:
        counters = row["counters"] | {"timers_live": max(row["counters"]["timers_live"] - n_lasting, 0)}
        for name in ("live", "leases", "buffers_used", "timers_live"):
            if counters[name]:
                found[f"worker {row['slot']} {name}"] = counters[name]
        if counters["accepted"] != counters["ended"]:
            found[f"worker {row['slot']} accepted - ended"] = counters["accepted"] - counters["ended"]
    for row in status["listeners"]:
        if row["sessions_live"]:
            found[f"listener {row['name']} live"] = row["sessions_live"]
    for pool in status["pools"]:
        for row in pool["backends"]:
            if row["sessions_live"]:
                found[f"backend {row['address']} live"] = row["sessions_live"]
    return found


def unbalanced(status: dict[str, Any]) -> list[str]:
    """Listeners for which accepted is not live + Σ reasons. `live` is counted apart from the others."""
    wrong = []
    for row in status["listeners"]:
        ended = sum(row["ends"].values())
        if row["sessions"] != row["sessions_live"] + ended:
            wrong.append(
                f"{row['name']}: accepted {row['sessions']}, live {row['sessions_live']}, ended {ended}"
            )
    return wrong


def check_nothing_left(nginy: Nginy, rest: Rest, *, same_descriptors: bool = True) -> None:
    """Wait until no session lives, then compare with the time of rest."""
    wait_until(lambda: not busy_parts(nginy.status()), "no session, lease, buffer or timer", SETTLE_S)
    status = nginy.status()
    assert not unbalanced(status), unbalanced(status)
    if not same_descriptors:
        return
    for pid, before in rest.workers.items():
        if pid in nginy.worker_pids():
            wait_until(lambda pid=pid, before=before: descriptors(pid) == before,
                       f"worker's descriptors are {before} again, not {descriptors(pid)}")  # fmt: skip
    wait_until(lambda: descriptors(nginy.pid) == rest.control,
               f"control's descriptors are {rest.control} again, not {descriptors(nginy.pid)}")  # fmt: skip
