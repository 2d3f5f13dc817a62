"""One worker in a thread, driven over its channel as control would."""

import fcntl
import os
import socket
import threading
from typing import Any

from nginy._fast import door
from tests.unit.policy.rows import listener, pool

F_ADD_SEALS, ALL_SEALS = 1033, 0xF


def sealed(block: bytes, seals: int = ALL_SEALS) -> int:
    fd = os.memfd_create("snapshot", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(fd, block)
    fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def listening(backlog: int = 64) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


class Driven:
    """starts: False leaves that to the caller, who has something to say first."""

    def __init__(
        self, slot: int = 0, board_fd: int | None = None, *, starts: bool = True, **options: Any
    ) -> None:
        options = {"sessions_max": 100, "buffers_bytes": 1 << 20} | options
        self.board_fd = door.board_create(2) if board_fd is None else board_fd
        self.board = door.Board(os.dup(self.board_fd), 2)
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(10)
        worker = door.Worker(theirs.detach(), os.dup(self.board_fd), slot, **options)
        self.thread = threading.Thread(target=worker.run)
        if starts:
            self.thread.start()

    def give(self, sockets: dict[int, socket.socket]) -> None:
        message = door.pack_message(door.MSG_SOCKETS, ids=list(sockets))
        socket.send_fds(self.channel, [message], [s.fileno() for s in sockets.values()])

    def publish(self, block: bytes, seals: int = ALL_SEALS) -> None:
        fd = sealed(block, seals)
        socket.send_fds(self.channel, [door.pack_message(door.MSG_SNAPSHOT)], [fd])
        os.close(fd)

    def tell(self, kind: int, a: int = 0) -> None:
        self.channel.send(door.pack_message(kind, a))

    def wait(self, kind: int) -> tuple[int, int]:
        """Read until a message of this kind; its a and b."""
        while True:
            message = self.channel.recv(door.MAX_MESSAGE_BYTES)
            if not message:
                raise EOFError("the worker is gone")
            got, a, b, _ids = door.unpack_message(message)
            if got == kind:
                return a, b

    def join(self) -> None:
        self.thread.join(10)
        assert not self.thread.is_alive()

    def close(self) -> None:
        self.channel.close()
        self.join()
        self.board.close()
        os.close(self.board_fd)


def snapshot(backends: list[Any], sockets: list[Any], gen: int = 1, **changes: Any) -> bytes:
    return door.pack_snapshot(gen, [listener(**changes)], [pool()], backends, sockets)
