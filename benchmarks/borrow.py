"""Set an option on the sockets of another process, which has no word for it in its own configuration."""

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

SYS_PIDFD_GETFD = 438  # the same on every architecture
LISTENS = "0A"
UNCONNECTED = "07"
SO_RCVBUFFORCE = 33


class BorrowError(Exception):
    """The process keeps its sockets to itself; says why."""


def _inodes(table: str, state: str, port: int) -> set[str]:
    rows = [line.split() for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == state and int(row[1].partition(":")[2], 16) == port}


def listening_inodes(port: int) -> set[str]:
    """Kernel numbers of the IPv4 sockets that listen on a TCP port, on whatever address."""
    return _inodes("tcp", LISTENS, port)


def bound_inodes(port: int) -> set[str]:
    """Kernel numbers of the IPv4 sockets that are bound to a UDP port and connected to nobody, on whatever address."""
    return _inodes("udp", UNCONNECTED, port)


def _numbers(pid: int, inodes: set[str]) -> list[int]:
    """Descriptors of these sockets in a process; some of its others may come and go meanwhile."""
    names = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found += [int(entry)] if os.readlink(f"/proc/{pid}/fd/{entry}") in names else []
    return found


def holds(pid: int, inodes: set[str]) -> bool:
    """Whether a process has one of these sockets. One that has ended or is not ours to look into has none."""
    try:
        return bool(_numbers(pid, inodes))
    except OSError:
        return False


def borrow(pid: int, inodes: set[str]) -> Iterator[socket.socket]:
    """The process's own sockets with these kernel numbers, one after the other; each is valid until the next.

    Raises BorrowError.
    """
    process = os.pidfd_open(pid)
    try:
        for number in _numbers(pid, inodes):
            with socket.socket(fileno=_duplicate(process, number)) as borrowed:
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
    for borrowed in borrow(pid, listening_inodes(port)):
        borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, seconds)
        count += 1
    return count


def receive_buffer(pid: int, port: int, size_bytes: int) -> int:
    """The receive buffer of UDP sockets, whatever the system allows programs by themselves. -> how many sockets.

    Raises BorrowError.
    """
    count = 0
    for borrowed in borrow(pid, bound_inodes(port)):
        borrowed.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size_bytes)
        count += 1
    return count
