"""The program that is counted: `python -m tests.guard.scenario PLAY COUNT [PLAY COUNT …]`.

Each play has a worker of its own, in a thread of its own that lives to the end: the first play is thread 2 of the
program, the next one thread 3. Client and backend wait after each step until the worker sleeps, so every run makes
the same turns. Says nothing when all went well.
"""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nginy._fast import door
from tests.guard.exchange import (
    DEADLINE_S,
    accept,
    connect,
    datagram_round_trip,
    listen,
    patient_session,
    round_trip,
)  # fmt: skip
from tests.unit.engine.worker import Driven, listening, snapshot
from tests.unit.policy.rows import backend, socket_row, udp

LOOK_S = 0.0002
# A listener as a configuration without timeouts makes it.
DEFAULTS = {"connect_ms": 3_000, "idle_ms": 900_000, "half_close_ms": 900_000, "keepalive_s": 60}


class Watched:
    """A worker, and whether it sleeps."""

    def __init__(self) -> None:
        before = pollers()
        self.worker = Driven()
        (poller,) = pollers() - before
        self._poller = hex(poller)
        self._state = Path(f"/proc/self/task/{self.worker.thread.native_id}/syscall")

    def sleeps(self) -> bool:
        """Its thread is blocked in a call on its poller: proc(5), `/proc/pid/syscall`."""
        words = self._state.read_text().split()
        return len(words) > 1 and words[1] == self._poller

    def has_ended(self, count: int) -> bool:
        return self.worker.board.worker(0)["ended"] >= count

    def settle(self, ended: int = 0) -> None:
        """Wait until so many sessions have ended and it sleeps. Errors: AssertionError."""
        end_s = time.monotonic() + DEADLINE_S
        while not (self.has_ended(ended) and self.sleeps()):
            assert time.monotonic() < end_s, f"{self.worker.board.worker(0)} is not at rest with {ended} ended"
            time.sleep(LOOK_S)


def pollers() -> set[int]:
    """The epoll descriptors of this program."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:[eventpoll]":
                found.add(int(fd))
    return found


def play_sessions(watched: Watched, front: socket.socket, upstream: socket.socket, count: int) -> None:
    for n in range(count):
        patient_session(front.getsockname(), upstream, watched.settle)
        watched.settle(ended=n + 1)


def play_round_trips(watched: Watched, front: socket.socket, upstream: socket.socket, count: int) -> None:
    with connect(front.getsockname()) as client, accept(upstream) as back:
        watched.settle()
        for _ in range(count):
            round_trip(client, back, watched.settle)
    watched.settle(ended=1)


def play_datagrams(watched: Watched, count: int) -> None:
    """One flow: 64 bytes there, 64 back."""
    kind = (socket.AF_INET, socket.SOCK_DGRAM)
    with socket.socket(*kind) as front, socket.socket(*kind) as upstream, socket.socket(*kind) as client:
        for sock in (front, upstream):
            sock.bind(("127.0.0.1", 0))
        for sock in (upstream, client):
            sock.settimeout(DEADLINE_S)
        front.setblocking(False)
        row = backend(0, address=upstream.getsockname())
        watched.worker.give({0: front})
        watched.worker.publish(snapshot([row], [socket_row()], **DEFAULTS, udp=udp()))
        watched.worker.wait(door.MSG_READY)
        client.connect(front.getsockname())
        watched.settle()
        for _ in range(count):
            datagram_round_trip(client, upstream, watched.settle)


PLAYS: dict[str, Callable[[Watched, socket.socket, socket.socket, int], None]] = {
    "session": play_sessions,
    "round_trip": play_round_trips,
}


def play(watched: Watched, name: str, count: int) -> None:
    """One play on a fresh listener and backend. Errors: AssertionError, OSError."""
    worker = watched.worker
    if name == "datagrams":
        play_datagrams(watched, count)
        return
    with listening() as front, listen() as upstream:
        row = backend(0, address=upstream.getsockname())
        worker.give({0: front})
        worker.publish(snapshot([row], [socket_row()], **DEFAULTS))
        worker.wait(door.MSG_READY)
        watched.settle()
        PLAYS[name](watched, front, upstream, count)


def main() -> int:
    words = sys.argv[1:]
    with contextlib.ExitStack() as stack:
        for name, count in zip(words[::2], words[1::2], strict=True):
            watched = Watched()
            stack.callback(watched.worker.close)
            play(watched, name, int(count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
