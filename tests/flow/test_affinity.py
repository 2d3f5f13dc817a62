"""Where workers run: on the CPUs that the configuration names, also after one was replaced."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import nginy
from nginy.control.cpus import format_cpus
from tests.conftest import StartNginy
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer
from tests.tools.sockets import ask
from tests.tools.waiting import wait_until

OURS = sorted(os.sched_getaffinity(0))
FIRST, LAST = OURS[0], OURS[-1]


def config(backend: Peer, workers: int = 2, **runtime: Any) -> dict[str, Any]:
    return tcp_config([backend.address], workers=workers, runtime=runtime)


def places(nginy: Nginy) -> list[set[int]]:
    """The CPUs of each worker, by slot."""
    return [os.sched_getaffinity(worker["pid"]) for worker in nginy.workers()]


def test_a_list_pins_each_worker_and_its_successor(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, 3, affinity=[LAST, FIRST]))
    wanted = [{LAST}, {FIRST}, {LAST}]
    assert places(nginy) == wanted
    assert os.sched_getaffinity(nginy.pid) == set(OURS)
    os.kill(nginy.workers()[1]["pid"], signal.SIGKILL)
    wait_until(lambda: nginy.workers()[1]["deaths"] == 1 and nginy.workers()[1]["state"] == "serving", "a successor")
    assert places(nginy) == wanted
    assert ask(nginy.address(), b"served") == b"served"


def test_on_goes_through_the_cpus_that_nginy_may_use(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, len(OURS) + 1, affinity="on"))
    assert places(nginy) == [{cpu} for cpu in (*OURS, FIRST)]
    fenced = start_nginy(config(backend, 2, affinity="on"), before=["taskset", "-c", str(LAST)])
    assert places(fenced) == [{LAST}, {LAST}]


def test_off_leaves_workers_where_the_kernel_wants_them(start_nginy: StartNginy, backend: Peer) -> None:
    assert places(start_nginy(config(backend))) == [set(OURS)] * 2


def test_a_cpu_that_is_not_ours_is_refused_with_those_that_are(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, affinity=[FIRST, 8191]), wait=False)
    assert nginy.wait_exit() == 2
    assert f"runtime.affinity: nginy may not use CPU 8191; it may use {format_cpus(OURS)}" in nginy.log()
    assert "Traceback" not in nginy.log()
    assert not nginy.pids_left()


def test_a_reload_says_that_affinity_needs_a_restart(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend))
    report = nginy.reload(config(backend, affinity=[FIRST], spin="on", pipes="1MiB"))
    assert len(report["warnings"]) == 1
    for change in (f"affinity off -> {FIRST}", "spin off -> on", "pipes 64MiB -> 1MiB"):
        assert change in report["warnings"][0]
    assert places(nginy) == [set(OURS)] * 2


def test_threads_of_a_host_are_pinned_one_by_one_and_the_host_is_not(backend: Peer) -> None:
    def worker_places() -> dict[str, set[int]]:
        names = {thread.native_id: thread.name for thread in threading.enumerate() if "nginy-worker" in thread.name}
        return {name: os.sched_getaffinity(tid) for tid, name in names.items() if tid is not None}

    with nginy.Server(config(backend, 2, affinity=[LAST, FIRST])):
        wanted = {"nginy-worker-0": {LAST}, "nginy-worker-1": {FIRST}}
        wait_until(lambda: worker_places() == wanted, "both are in place")
        assert os.sched_getaffinity(0) == set(OURS)
        others = {int(name) for name in os.listdir("/proc/self/task")} - {
            thread.native_id for thread in threading.enumerate() if "nginy-worker" in thread.name
        }
        assert all(os.sched_getaffinity(tid) == set(OURS) for tid in others if Path(f"/proc/self/task/{tid}").exists())


def test_spinning_is_turned_off_with_a_warning_when_control_would_starve(
    start_nginy: StartNginy, backend: Peer
) -> None:
    nginy = start_nginy(config(backend, len(OURS), spin="on"))
    [line] = [line for line in nginy.log().splitlines() if "spin off" in line]
    assert " warning " in line
    assert f"cpus={len(OURS)} workers={len(OURS)}" in line
    for _ in range(200):
        assert ask(nginy.address(), b"x") == b"x"
    assert sum(worker["counters"]["spins"] for worker in nginy.workers()) == 0


@pytest.mark.skipif(len(OURS) < 2, reason="needs a CPU for the worker and one for control")
def test_spinning_is_done_where_there_is_room_for_it(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, len(OURS) - 1, spin="on"))
    assert "spin off" not in nginy.log()

    def has_spun() -> bool:
        for _ in range(50):
            assert ask(nginy.address(), b"x") == b"x"
        return sum(worker["counters"]["spins"] for worker in nginy.workers()) > 0

    wait_until(has_spun, "a worker polled without waiting")
