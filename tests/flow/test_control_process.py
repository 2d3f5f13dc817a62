"""Control with worker processes, driven through its own calls where the command line cannot reach."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nginy._fast.door import REASONS
from nginy.config import parse_config
from nginy.control.lifecycle import Control
from nginy.errors import ControlError, NginyError, StartError
from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, named
from tests.tools.proc import is_alive
from tests.tools.sockets import ask, connect, recv_exact
from tests.tools.waiting import wait_until


class Events:
    """All that control has said."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, object]]] = []

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        self.seen.append((kind, fields))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.seen]

    def last(self, kind: str) -> dict[str, object]:
        return next(fields for name, fields in reversed(self.seen) if name == kind)


async def until(condition: Callable[[], object], deadline_s: float = 15.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)


def with_control(
    config: dict[str, Any], test: Callable[[Control, Events], Coroutine[Any, Any, None]], **options: Any
) -> None:
    """Run a test beside a started control, end it, and see that no descriptor and no child is left."""

    async def main() -> None:
        events = Events()
        control = Control(parse_config(config), log=events, **options)
        await control.start()
        try:
            await test(control, events)
        finally:
            await control.stop()
            control.close()
        assert control.exited.is_set()

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) == before
    assert not Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def kill_worker(control: Control, slot: int = 0) -> int:
    pid = control.view().workers[slot].pid
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_killed_worker_is_stood_in_for_replaced_and_counted(backend: Peer) -> None:
    async def test(control: Control, events: Events) -> None:
        address = control.addresses["front"][0]
        with connect(address) as sock:
            sock.sendall(b"x")
            assert await asyncio.to_thread(recv_exact, sock, 1) == b"x"
            slot = next(worker.slot for worker in control.view().workers if worker.sessions)
            pid = kill_worker(control, slot)
            await until(lambda: "worker_died" in events.kinds())
        assert events.last("worker_died") == {
            "slot": slot, "pid": pid, "status": "signal SIGKILL", "sessions_lost": 1
        }  # fmt: skip
        assert events.last("stand_in") == {"slot": 1 - slot, "serves": [slot]}
        await until(lambda: "worker_ready" in events.kinds())
        assert events.last("stand_in") == {"slot": 1 - slot, "serves": []}
        view = control.view()
        assert view.workers[slot].deaths == 1
        assert view.workers[slot].pid not in (0, pid)
        assert view.listeners[0].counters["reasons"][REASONS.index("worker_died")] == 1
        assert view.listeners[0].counters["live"] == 0

    with_control(tcp_config([backend.address], workers=2), test)


def test_while_a_worker_is_gone_its_share_of_connections_is_served(backend: Peer) -> None:
    async def test(control: Control, events: Events) -> None:
        for _ in range(3):  # so that the backoff is long enough to look into
            kill_worker(control)
            await until(lambda: events.kinds().count("worker_ready") == events.kinds().count("worker_died"))
            await until(lambda: control.view().workers[0].state == "serving")
        kill_worker(control)
        await until(lambda: control.view().workers[0].state == "down")
        for _ in range(20):
            assert await asyncio.to_thread(ask, control.addresses["front"][0], b"covered") == b"covered"
        assert control.view().workers[0].state == "down"

    with_control(tcp_config([backend.address], workers=2), test)


def test_a_generation_that_kills_workers_is_left_for_the_last_good_one(start_peer: StartPeer) -> None:
    good, bad = start_peer(named("good")), start_peer(named("bad"))

    async def test(control: Control, events: Events) -> None:
        await control.apply(parse_config(tcp_config([bad.address], workers=2)))
        for deaths in range(1, 6):
            await until(lambda: control.view().workers[0].state == "serving")
            kill_worker(control)
            await until(lambda deaths=deaths: control.view().workers[0].deaths == deaths)
        await until(lambda: events.kinds().count("reload") == 2)
        assert events.last("generation_suspect") == {"generation": 2, "has_last_good": True}
        assert control.generation == 3
        assert await asyncio.to_thread(ask, control.addresses["front"][0], b"") == b"good\n"

    with_control(tcp_config([good.address], workers=2), test)


def test_a_reload_waits_for_the_slowest_worker(start_peer: StartPeer) -> None:
    async def test(control: Control, events: Events) -> None:
        pid = control.view().workers[0].pid
        os.kill(pid, signal.SIGSTOP)
        change = asyncio.create_task(
            control.apply(parse_config(tcp_config([peer.address], workers=2, listener={"backlog": 9})))
        )
        await until(lambda: control.view().workers[1].adopted_gen == 2)
        os.kill(pid, signal.SIGCONT)
        report = await change
        assert report.late_workers == []
        assert control.view().workers[0].adopted_gen == 2

    peer = start_peer()
    with_control(tcp_config([peer.address], workers=2), test)


def test_changes_after_the_end_are_refused(backend: Peer) -> None:
    async def test(control: Control, events: Events) -> None:
        with connect(control.addresses["front"][0]) as sock:
            sock.sendall(b"x")
            assert await asyncio.to_thread(recv_exact, sock, 1) == b"x"
            draining = asyncio.create_task(control.drain(15.0))
            await until(lambda: control.state == "draining")
            with pytest.raises(ControlError, match="draining"):
                await control.apply(parse_config(tcp_config([backend.address], listener={"backlog": 9})))
        await draining
        assert control.state == "stopped"
        assert events.kinds()[-1] == "stopped"

    with_control(tcp_config([backend.address]), test)


def test_settings_that_need_a_restart_are_told(backend: Peer) -> None:
    async def test(control: Control, events: Events) -> None:
        report = await control.apply(parse_config(tcp_config([backend.address], workers=2)))
        assert len(report.warnings) == 1
        assert "workers 1 -> 2" in report.warnings[0]
        assert len(control.view().workers) == 1

    with_control(tcp_config([backend.address], workers=1), test)


def test_a_renamed_listener_keeps_its_port_and_its_clients_in_the_queue(backend: Peer) -> None:
    async def test(control: Control, events: Events) -> None:
        address = control.addresses["front"][0]
        fixed = tcp_config([backend.address], workers=2, listener={"bind": address})
        await control.apply(parse_config(fixed))
        renamed = {**fixed, "listeners": {"other": fixed["listeners"]["front"]}}
        await control.apply(parse_config(renamed))
        assert control.addresses == {"other": [address]}
        assert await asyncio.to_thread(ask, address, b"same door") == b"same door"
        assert control.view().listeners[0].counters["accepted"] == 1

    with_control(tcp_config([backend.address], workers=2), test)


def test_from_a_wildcard_to_one_address_of_the_same_port(backend: Peer) -> None:
    async def test(control: Control, events: Events) -> None:
        port = control.addresses["front"][0].rpartition(":")[2]
        for host in ("0.0.0.0", "127.0.0.1", "0.0.0.0"):
            config = tcp_config([backend.address], workers=2, listener={"bind": f"{host}:{port}"})
            await control.apply(parse_config(config))
            assert control.addresses == {"front": [f"{host}:{port}"]}
            assert await asyncio.to_thread(ask, f"127.0.0.1:{port}", b"moved") == b"moved"

    with_control(tcp_config([backend.address], workers=2, listener={"bind": "0.0.0.0:0"}), test)


def test_a_pid_file_lives_as_long_as_control(backend: Peer, tmp_path: Path) -> None:
    path = tmp_path / "pid"

    async def test(control: Control, events: Events) -> None:
        assert path.read_text() == f"{os.getpid()}\n"

    with_control(tcp_config([backend.address], runtime={"pid_file": str(path)}), test)
    assert not path.exists()


def test_a_start_that_fails_late_ends_its_workers(backend: Peer, tmp_path: Path) -> None:
    config = tcp_config([backend.address], workers=2, runtime={"pid_file": str(tmp_path / "no" / "pid")})
    with pytest.raises(StartError, match="pid file"):
        with_control(config, never, control_socket=tmp_path / "c")
    assert not Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert not list(tmp_path.iterdir())


async def never(control: Control, events: Events) -> None:
    raise AssertionError("it must not start")


# ---- adoption ----


def lose_control(nginy: Nginy) -> list[int]:
    pids = nginy.worker_pids()
    nginy.send(signal.SIGKILL)
    nginy.wait_exit()
    return pids


def test_a_next_control_that_cannot_start_leaves_the_workers_alone(
    start_nginy: StartNginy, start_peer: StartPeer, backend: Peer
) -> None:
    blocker = start_peer()
    config = tcp_config([backend.address], workers=2)
    nginy = start_nginy(config)
    address = nginy.address()
    with connect(address) as sock:
        sock.sendall(b"a")
        assert recv_exact(sock, 1) == b"a"
        pids = lose_control(nginy)
        nginy.write(tcp_config([backend.address], workers=2, listener={"bind": ["127.0.0.1:0", blocker.address]}))
        nginy.start(wait=False)
        assert nginy.wait_exit() == 2
        assert "is taken by" in nginy.log()
        assert all(is_alive(pid) for pid in pids)
        nginy.write(config)
        nginy.start()
        assert sorted(nginy.worker_pids()) == sorted(pids)
        assert nginy.address() == address
        sock.sendall(b"b")
        assert recv_exact(sock, 1) == b"b"


def test_a_next_control_binds_what_is_new_and_closes_what_is_gone(start_nginy: StartNginy, backend: Peer) -> None:
    both = tcp_config([backend.address], workers=2)
    both["listeners"]["second"] = {"bind": "127.0.0.1:0", "pool": "back"}
    nginy = start_nginy(both)
    first, second = nginy.address(), nginy.address("second")
    lose_control(nginy)
    changed = tcp_config([backend.address], workers=2)
    changed["listeners"]["third"] = {"bind": "127.0.0.1:0", "pool": "back"}
    nginy.write(changed)
    nginy.start()
    assert nginy.address() == first
    assert ask(nginy.address("third"), b"new") == b"new"
    with pytest.raises(ConnectionRefusedError):
        connect(second)


def test_a_backend_that_was_down_is_not_tried_again_because_control_changed(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    good, bad = start_peer(), start_peer()
    bad.stop_listening()
    pool = {"health": {"kind": "tcp", "interval": "200ms", "fall": 2}}
    nginy = start_nginy(tcp_config([good.address, bad.address], workers=2, pool=pool))
    wait_until(lambda: nginy.backends("back")[1]["verdict"] == "down", "it is down")
    lose_control(nginy)
    slow = {"health": {"kind": "tcp", "interval": "1h", "fall": 2}}
    nginy.write(tcp_config([good.address, bad.address], workers=2, pool=slow))
    nginy.start()
    assert nginy.backends("back")[1]["verdict"] == "down"
    for _ in range(10):
        assert ask(nginy.address(), b"x") == b"x"
    assert nginy.backends("back")[1]["attempts"] == {}


def test_a_worker_that_does_not_answer_the_next_control_is_replaced(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2))
    address = nginy.address()
    pids = lose_control(nginy)
    os.kill(pids[0], signal.SIGSTOP)
    nginy.start()
    assert not is_alive(pids[0])
    wait_until(lambda: len(nginy.worker_pids()) == 2, "it is replaced")
    for _ in range(20):
        assert ask(address, b"served") == b"served"


def test_ids_are_kept_by_the_next_control(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    """A name that was removed and comes back after a change of control finds its counters."""
    old, new = start_peer(named("old")), start_peer(named("new"))
    nginy = start_nginy(tcp_config([old.address]))
    for _ in range(3):
        assert ask(nginy.address(), b"") == b"old\n"
    nginy.reload(tcp_config([new.address]))
    assert ask(nginy.address(), b"") == b"new\n"
    lose_control(nginy)
    nginy.write(tcp_config([new.address, old.address]))
    nginy.start()
    wait_until(lambda: [row["sessions"] for row in nginy.backends("back")] == [1, 3], "each has its own count")


def test_notes_of_another_build_are_refused_with_a_clear_message(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address]), checked=False)
    pids = lose_control(nginy)
    path = nginy.control_path.with_name(f"{nginy.control_path.name}.w7")
    import socket
    import threading

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.bind(str(path))
        stranger.listen()

        def greet() -> None:
            accepted, _ = stranger.accept()
            with accepted:
                accepted.send(b"a worker of another build")

        threading.Thread(target=greet, daemon=True).start()
        nginy.start(wait=False)
        assert nginy.wait_exit() == 2
    assert "cannot adopt the workers that run" in nginy.log()
    assert all(is_alive(pid) for pid in pids)


def test_control_without_a_board_says_what_it_is() -> None:
    control = Control(parse_config(tcp_config(["127.0.0.1:1"])))
    with pytest.raises(NginyError, match="nginy is starting"):
        control.view()
    assert control.generation == 0
    assert control.addresses == {}
