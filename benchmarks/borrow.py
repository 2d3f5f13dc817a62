"""Set an option on the listening sockets of another process, which has no word for it in its own configuration."""

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

SYS_PIDFD_GETFD = 438  # the same on every architecture
LISTENS = "0A"


class BorrowError(Exception):
    """The process keeps its sockets to itself; says why."""


def listening_inodes(port: int) -> set[str]:
    """Kernel numbers of the IPv4 sockets that listen on a port, on whatever address."""
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == LISTENS and int(row[1].partition(":")[2], 16) == port}


def borrow(pid: int, port: int) -> Iterator[socket.socket]:
    """The process's own sockets that listen on a port, one after the other; each is valid until the next.

    Raises BorrowError.
    """
    inodes = {f"socket:[{inode}]" for inode in listening_inodes(port)}
    process = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if os.readlink(entry) in inodes:
                with socket.socket(fileno=_duplicate(process, int(entry.name))) as borrowed:
                    yield borrowed
    finally:
        os.close(process)


def _duplicate(process: int, number: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.syscall(SYS_PIDFD_GETFD, process, number, 0)
    if fd < 0:
        raise BorrowError(f"cannot reach a socket of another process: {os.strerror(ctypes.get_errno())}; be root")
    return fd


def defer_accept(pid: int, port: int, seconds: int) -> int:
    """Clients are handed over with their first bytes. -> how many sockets. Raises BorrowError."""
    count = 0
    for borrowed in borrow(pid, port):
        borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, seconds)
        count += 1
    return count
