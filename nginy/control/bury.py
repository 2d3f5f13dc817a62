"""The end of a worker that no control can reach any more."""

import os
import select
import signal
from contextlib import suppress

from nginy._fast import door

KILL_TIMEOUT_S = 1.0


def bury(board: door.Board, board_fd: int, slot: int) -> int:
    """Make sure that the worker of a slot that did not answer is dead, and fold its row. -> sessions lost.

    Blocks up to KILL_TIMEOUT_S. A worker that is stuck can be reached by nobody any more, so it is killed.
    """
    pid = board.worker(slot)["pid"]
    with suppress(OSError):
        fd = os.pidfd_open(pid)
        try:
            # the number may belong to somebody else by now: only our worker has this board
            if _holds(pid, os.fstat(board_fd)):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                select.select([fd], [], [], KILL_TIMEOUT_S)
        finally:
            os.close(fd)
    return board.fold(slot)


def _holds(pid: int, wanted: os.stat_result) -> bool:
    folder = f"/proc/{pid}/fd"
    for fd in os.listdir(folder):
        with suppress(OSError):
            found = os.stat(f"{folder}/{fd}")
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False
