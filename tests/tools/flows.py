"""Many UDP flows that go on and on, each datagram checked: what was lost, what was wrong, and which way each took.

Their backends answer as `tells_sender` does. One thread, one datagram of a flow under way at a time.
"""

import random
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from tests.tools.datagrams import client_of

LOST_S = 1.0
"""Without an answer for so long a datagram counts as lost, and its flow sends the next one."""
HEAD = struct.Struct(">IQ")
TAIL_MOST = 300
AT_ONCE = 32
"""Flows that send before answers are looked at: no queue on the way is ever full."""

Way = tuple[bytes, bytes]
"""Name of the backend, and the address from which it was sent to."""


@dataclass
class FlowTally:
    """Datagrams of all flows. gap_s: the longest wait for an answer.   lost_by: how many of which flow.
    lost_s: when each of these was sent.

    ways: by flow, in order, each one that differs from the one before.
    """

    sent: int = 0
    answered: int = 0
    late: int = 0
    refused: int = 0
    gap_s: float = 0.0
    lost_by: dict[int, int] = field(default_factory=dict)
    lost_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    ways: dict[int, list[Way]] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        return sum(self.lost_by.values())

    def note_loss(self, flow: int, sent_s: float) -> None:
        self.lost_s.append(sent_s)
        self.lost_by[flow] = self.lost_by.get(flow, 0) + 1

    def flows_that_moved(self) -> list[int]:
        """Those that took more than one way."""
        return [flow for flow, ways in self.ways.items() if len(ways) > 1]


class LiveFlows:
    """A context manager; from its beginning to its end so many flows send, `rate` datagrams a second in all.

    `tally` may be read from any thread.
    """

    def __init__(self, address: str, count: int, rate: float = 2000.0, seed: int = 1, source: str = "") -> None:
        self.tally = FlowTally()
        self.socks: list[socket.socket] = []
        self._rate = rate
        self._random = random.Random(seed)
        self._poll = select.epoll()
        self._by_fd: dict[int, int] = {}
        self._payloads: list[bytes] = [b""] * count
        self._since_s: list[float] = [0.0] * count
        self._numbers = [0] * count
        self._is_ending = threading.Event()
        for flow in range(count):
            sock = client_of(address, source)
            sock.setblocking(False)
            self.socks.append(sock)
            self._by_fd[sock.fileno()] = flow
            self._poll.register(sock.fileno(), select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
        for sock in self.socks:
            sock.close()
        self._poll.close()

    def stop(self) -> FlowTally:
        """Send nothing more, wait for what is under way, and return the tally. Idempotent."""
        self._is_ending.set()
        self._thread.join()
        return self.tally

    @property
    def all_answered(self) -> bool:
        """Whether each flow has had an answer."""
        return len(self.tally.ways) == len(self.socks)

    @property
    def longest_wait_s(self) -> float:
        """Of the datagrams that have no answer yet: one that is lost keeps its flow waiting for LOST_S."""
        now_s = time.monotonic()
        waits = zip(list(self._payloads), list(self._since_s), strict=True)
        return max((now_s - since_s for payload, since_s in waits if payload), default=0.0)

    def _run(self) -> None:
        begin_s, paced, cursor = time.monotonic(), 0, 0
        while not self._is_ending.is_set():
            due = int((time.monotonic() - begin_s) * self._rate) - paced
            paced += due
            for _ in range(min(due, AT_ONCE)):
                self._send(cursor % len(self.socks))
                cursor += 1
            self._receive(0.002)
        end_s = time.monotonic() + LOST_S
        while any(self._payloads) and time.monotonic() < end_s:
            self._receive(0.01)
        for flow, payload in enumerate(self._payloads):
            if payload:
                self.tally.note_loss(flow, self._since_s[flow])

    def _send(self, flow: int) -> None:
        now_s = time.monotonic()
        if self._payloads[flow]:
            if now_s - self._since_s[flow] < LOST_S:
                return
            self.tally.note_loss(flow, self._since_s[flow])
        self._numbers[flow] += 1
        tail = self._random.randbytes(self._random.randint(0, TAIL_MOST))
        self._payloads[flow] = HEAD.pack(flow, self._numbers[flow]) + tail
        self._since_s[flow] = now_s
        self.tally.sent += 1
        self.socks[flow].send(self._payloads[flow])

    def _receive(self, seconds: float) -> None:
        for fd, _bits in self._poll.poll(seconds, 256):
            flow = self._by_fd[fd]
            try:
                answer = self.socks[flow].recv(65535)
            except BlockingIOError:
                continue
            except ConnectionRefusedError:
                self.tally.refused += 1
                continue
            self._judge(flow, answer)

    def _judge(self, flow: int, answer: bytes) -> None:
        tally = self.tally
        head, _, payload = answer.partition(b"|")
        if payload != self._payloads[flow]:
            if len(payload) >= HEAD.size and HEAD.unpack_from(payload)[0] == flow:
                tally.late += 1
            else:
                tally.wrong.append(f"flow {flow} got {answer[:60]!r}")
            return
        name, _, place = head.partition(b" ")
        ways = tally.ways.setdefault(flow, [])
        if not ways or ways[-1] != (name, place):
            ways.append((name, place))
        tally.answered += 1
        tally.gap_s = max(tally.gap_s, time.monotonic() - self._since_s[flow])
        self._payloads[flow] = b""
