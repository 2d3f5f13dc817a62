"""What a policy process runs in: a child of ours, or a thread of the host program."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nginy.balancer.link import EXIT_FORKED, EXIT_MEMORY
from nginy.control.spawn import ROOT, ExitWatch, SpawnKind, status_text
from nginy.control.systemd import clean_environment

if TYPE_CHECKING:
    from nginy.balancer.process import Seatings

EXITS = {f"status {EXIT_FORKED}": "fork", f"status {EXIT_MEMORY}": "memory"}
_BOOT = (
    "import sys; sys.path.append({root!r}); from nginy.balancer.process import main; "
    "main({link}, {board}, {bell}, {boxes!r}, {uid}, {gid})"
)
THREADS_LEFT_MAX = 4  # hung ones that nobody can end; further policies are left to their fallbacks
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class HostOrder:
    """What every policy process of this run gets.

    folders: where user code is looked for first.   memory_bytes: bound of a process of its own.
    uid, gid: -1 keeps control's.
    """

    folders: tuple[str, ...]
    memory_bytes: int
    uid: int = -1
    gid: int = -1


class Host(Protocol):
    """A policy process seen from control. writer: of the link, once it is there."""

    pid: int
    writer: asyncio.StreamWriter | None

    def memory_bytes(self) -> int:
        """What it has in memory; 0 when that cannot be told from the host's own."""

    def end(self) -> None:
        """Let go of it for good; it is never heard of again. Idempotent."""


OnExit = Callable[[Any, str], None]


def start_host(
    order: HostOrder, kind: SpawnKind, board_fd: int, bell: int, boxes: Sequence[tuple[int, int]], on_exit: OnExit
) -> tuple[Host, socket.socket]:
    """A fresh policy process, and control's end of the link to it. All descriptors stay the caller's.

    on_exit(host, status): it has ended unasked.   Errors: OSError; nothing is left behind then.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            host: Host
            if kind == "thread":
                host = _ThreadHost(theirs, board_fd, bell, boxes, on_exit)
            else:
                host = _ChildHost(order, theirs.fileno(), board_fd, bell, boxes, on_exit)
    except BaseException:
        ours.close()
        raise
    ours.setblocking(False)
    return host, ours


class _ChildHost:
    """A process of its own, in a session of its own: its children end with it."""

    def __init__(
        self, order: HostOrder, link: int, board_fd: int, bell: int, boxes: Sequence[tuple[int, int]], on_exit: OnExit
    ) -> None:
        self.writer: asyncio.StreamWriter | None = None
        self._on_exit = on_exit
        # the board is opened anew, for reading only: user code cannot spoil it
        board = os.open(f"/proc/self/fd/{board_fd}", os.O_RDONLY | os.O_CLOEXEC)
        boot = _BOOT.format(
            root=str(ROOT), link=link, board=board, bell=bell, boxes=list(boxes), uid=order.uid, gid=order.gid
        )
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", boot],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[link, board, bell, *(fd for box in boxes for fd in box)],
                start_new_session=True,
                cwd=order.folders[0] if order.folders else "/",
                env=clean_environment(os.environ),
            )
        finally:
            os.close(board)
        self.pid = self._popen.pid
        self._watch = ExitWatch(self.pid, self._reap)
        self._is_ended = False

    def memory_bytes(self) -> int:
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:
                fields = file.read().split()
            return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES  # resident, without what it shares
        except (OSError, ValueError, IndexError):
            return 0

    def end(self) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        if self.writer is not None:
            self.writer.close()
        self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _reap(self) -> None:
        self._kill()  # what it has started ends with it; its number is still its own until wait()
        status = status_text(self._popen.wait())
        if not self._is_ended:
            self._on_exit(self, status)


class _ThreadHost:
    """A thread of the host program, with a loop of its own. Nobody can kill a thread: one that hangs is left alone.

    Errors: OSError while THREADS_LEFT_MAX of them are.
    """

    _left: ClassVar[list[threading.Thread]] = []

    def __init__(
        self, link: socket.socket, board_fd: int, bell: int, boxes: Sequence[tuple[int, int]], on_exit: OnExit
    ) -> None:
        left = [thread for thread in _ThreadHost._left if thread.is_alive()]
        _ThreadHost._left = left
        if len(left) >= THREADS_LEFT_MAX:
            raise OSError(errno.EAGAIN, f"{len(left)} threads of policies hang, and a thread cannot be ended")
        self.pid = os.getpid()
        self.writer: asyncio.StreamWriter | None = None
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self._is_ended = False
        from nginy.balancer.process import Seatings

        seatings = Seatings(
            os.dup(link.fileno()), os.dup(board_fd), os.dup(bell), [(os.dup(box), os.dup(ring)) for box, ring in boxes]
        )
        # daemon: a host that forgets to stop its server must still be able to exit
        self._thread = threading.Thread(target=self._run, args=(seatings,), name="nginy-policies", daemon=True)
        self._thread.start()

    def memory_bytes(self) -> int:
        return 0

    def end(self) -> None:
        if not self._is_ended:
            _ThreadHost._left.append(self._thread)
        self._is_ended = True
        if self.writer is not None:
            self.writer.close()

    def _run(self, seatings: "Seatings") -> None:
        from nginy.balancer.process import live_in_thread

        status = "returned"
        try:
            asyncio.run(live_in_thread(seatings))
        except BaseException as error:  # whatever user code does, it ends here
            status = repr(error)
        with suppress(RuntimeError):  # the host's loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._ended, status)

    def _ended(self, status: str) -> None:
        if not self._is_ended:
            self._on_exit(self, status)
