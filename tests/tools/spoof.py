"""Datagrams that claim to come from anywhere: raw sockets, for a network namespace of our own."""

import os
import random
import socket
import struct
import time
from typing import Self

FIRST_SOURCE = 0x0A000000
"""10.0.0.0; each datagram comes from the next address."""
AT_ONCE = 16
PAYLOAD = b"flood"


def spoofed(source: int, target: tuple[str, int], payload: bytes) -> bytes:
    """An IPv4 packet with a UDP datagram, without the checksum of UDP. source: the address as a number."""
    n_bytes = 28 + len(payload)
    head = struct.pack(">BBHHHBBHI", 0x45, 0, n_bytes, 0, 0, 64, socket.IPPROTO_UDP, 0, source)
    port = 1024 + random.randrange(60000)
    return head + socket.inet_aton(target[0]) + struct.pack(">HHHH", port, target[1], n_bytes - 20, 0) + payload


class Flood:
    """A child process that sends `rate` datagrams a second, each from another address, until the end.

    Needs CAP_NET_RAW.
    """

    def __init__(self, target: tuple[str, int], rate: float) -> None:
        self.target = target
        self.rate = rate
        self._pid = 0
        self._stop, self._sent = os.pipe(), os.pipe()

    def __enter__(self) -> Self:
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._stop[1])
            try:
                os.write(self._sent[1], b"%d" % self._run())
            finally:
                os._exit(0)
        os.close(self._stop[0])
        os.close(self._sent[1])
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> int:
        """End it; how many datagrams were sent. Only the first call knows."""
        if not self._pid:
            return 0
        os.close(self._stop[1])
        said = os.read(self._sent[0], 32)
        os.waitpid(self._pid, 0)
        os.close(self._sent[0])
        self._pid = 0
        return int(said or b"0")

    def _run(self) -> int:
        os.set_blocking(self._stop[0], False)
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        begin_s, sent = time.monotonic(), 0
        while not self._is_over():
            due = int((time.monotonic() - begin_s) * self.rate) - sent
            for number in range(sent, sent + min(due, AT_ONCE)):
                sock.sendto(spoofed(FIRST_SOURCE + number, self.target, PAYLOAD), self.target)
            sent += min(due, AT_ONCE)
            if due < AT_ONCE:
                time.sleep(0.0005)
        return sent

    def _is_over(self) -> bool:
        """The other end of the pipe is closed, by stop() or because the test is gone."""
        try:
            return os.read(self._stop[0], 1) == b""
        except BlockingIOError:
            return False
