"""What a worker runs in: a child of ours, a process that an earlier control left, or a thread of the host."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from nginy._fast import door
from nginy.control.rejoin import RejoinPaths
from nginy.control.systemd import clean_environment

ROOT = Path(__file__).resolve().parents[2]
# -I -S: nothing of the user's Python setup runs in a worker, and it starts in milliseconds
_BOOT = (
    "import sys; sys.path.insert(0, {root!r}); from nginy._fast.door import worker_process; "
    "sys.exit(worker_process({channel}, {board}, {rejoin}, {slot}, {sessions}, {buffers}, "
    "{pipes}, {flows}, {spin}, {cpu}, {uid}, {gid}))"
)
SpawnKind = Literal["process", "thread"]
OnExit = Callable[[str], None]
"""Called once in the loop's thread with how it ended: `signal SIGKILL`, `status 1`, `unknown status`."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What every worker of this run gets.

    cpus: by slot, empty leaves that to the kernel.   uid, gid: -1 keeps control's.
    """

    sessions_max: int
    buffers_bytes: int
    pipes_bytes: int = 0
    flows_max: int = door.MAX_FLOWS
    is_spin: bool = False
    cpus: tuple[int, ...] = ()
    uid: int = -1
    gid: int = -1

    def cpu_of(self, slot: int) -> int:
        """-1: any."""
        return self.cpus[slot] if self.cpus else -1


class Body(Protocol):
    """A living worker seen from outside.

    `close` gives back what control holds of it, dead or not; idempotent.
    """

    pid: int

    def kill(self) -> None: ...
    def close(self) -> None: ...


class ChildBody:
    """A worker process that control started."""

    def __init__(
        self, order: WorkerOrder, slot: int, channel_fd: int, board_fd: int, rejoin_fd: int, on_exit: OnExit
    ) -> None:
        """The descriptors stay the caller's. Errors: OSError when no process can be made."""
        boot = _BOOT.format(
            root=str(ROOT), channel=channel_fd, board=board_fd, rejoin=rejoin_fd, slot=slot,
            sessions=order.sessions_max, buffers=order.buffers_bytes, pipes=order.pipes_bytes, flows=order.flows_max,
            spin=order.is_spin, cpu=order.cpu_of(slot), uid=order.uid, gid=order.gid,
        )  # fmt: skip
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", boot],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[fd for fd in (channel_fd, board_fd, rejoin_fd) if fd >= 0],
            start_new_session=True,
            cwd="/",
            env=clean_environment(os.environ),
        )
        self.pid = self._popen.pid
        self._watch = ExitWatch(self.pid, self._reap)
        self._on_exit = on_exit

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._popen.kill()

    def close(self) -> None:
        self._watch.close()

    def _reap(self) -> None:
        self._on_exit(status_text(self._popen.wait()))


class LeftBody:
    """A worker process whose control is gone: not our child, so its exit status stays unknown."""

    def __init__(self, pid: int, on_exit: OnExit) -> None:
        """Errors: ProcessLookupError."""
        self.pid = pid
        self._on_exit = on_exit
        self._watch = ExitWatch(pid, lambda: on_exit("unknown status"))

    def kill(self) -> None:
        self._watch.kill()

    def close(self) -> None:
        self._watch.close()


class ThreadBody:
    """A worker thread of the host program. Nobody can kill a thread."""

    def __init__(self, order: WorkerOrder, slot: int, channel_fd: int, board_fd: int, on_exit: OnExit) -> None:
        """Takes over both descriptors."""
        self.pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self._is_closed = False
        self._cpu = order.cpu_of(slot)
        self._worker: door.Worker | None = door.Worker(
            channel_fd, board_fd, slot, sessions_max=order.sessions_max, buffers_bytes=order.buffers_bytes,
            pipes_bytes=order.pipes_bytes, flows_max=order.flows_max, is_spin=order.is_spin,
        )  # fmt: skip
        # daemon: a host that forgets to stop its server must still be able to exit
        self._thread = threading.Thread(target=self._run, name=f"nginy-worker-{slot}", daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Nothing to do: the end of the channel is the last word that a thread gets."""

    def close(self) -> None:
        self._is_closed = True

    def _run(self) -> None:
        assert self._worker is not None
        if self._cpu >= 0:
            with suppress(OSError):  # taken from us since the start: better anywhere than not at all
                os.sched_setaffinity(0, {self._cpu})  # 0: of this thread alone, sched_setaffinity(2)
        status = self._worker.run()
        self._worker = None
        with suppress(RuntimeError):  # the host's loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._ended, status)

    def _ended(self, status: int) -> None:
        self._thread.join()
        if not self._is_closed:
            self._on_exit(f"status {status}")


class ExitWatch:
    """Readability of a pidfd: the process has ended.

    Noticed at once, and never mistaken for another process.
    """

    def __init__(self, pid: int, on_exit: Callable[[], None]) -> None:
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._fd = os.pidfd_open(pid)
        self._loop.add_reader(self._fd, self._fire)

    def kill(self) -> None:
        if self._fd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _fire(self) -> None:
        self.close()
        self._on_exit()


def status_text(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


class Spawner:
    """Starts workers of one kind, all on the same board. board_fd stays the caller's."""

    def __init__(self, kind: SpawnKind, order: WorkerOrder, board_fd: int, rejoin: RejoinPaths | None) -> None:
        self.kind = kind
        self._order = order
        self._board_fd = board_fd
        self._rejoin = rejoin

    def start(self, slot: int, on_exit: OnExit) -> tuple[socket.socket, Body]:
        """Control's end of a fresh channel, and the worker at its other end.

        Errors: OSError, StartError; nothing is left behind then.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            if self.kind == "thread":
                return ours, ThreadBody(self._order, slot, theirs.detach(), os.dup(self._board_fd), on_exit)
            with theirs:
                return ours, self._start_child(slot, theirs.fileno(), on_exit)
        except BaseException:
            ours.close()
            raise

    def _start_child(self, slot: int, channel_fd: int, on_exit: OnExit) -> Body:
        if self._rejoin is None:
            return ChildBody(self._order, slot, channel_fd, self._board_fd, -1, on_exit)
        with self._rejoin.bind(slot) as rejoin:
            return ChildBody(self._order, slot, channel_fd, self._board_fd, rejoin.fileno(), on_exit)
