"""Where a datagram has to arrive, worked out in Python; and real sockets to see where it does."""

import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nginy.control import steer
from nginy.control.datagrams import open_datagrams
from nginy.control.plan import BindWish

DEADLINE_S = 15.0
MASK = 0xFFFFFFFF


def mixed(seed: int, words: Sequence[int]) -> int:
    found = seed
    for word in words:
        found = (found ^ word) * 0x9E3779B1 & MASK
        found ^= found >> 15
    return found


def place(seed: int, words: Sequence[int], slots: int) -> int:
    """The socket that a client known by these words belongs to."""
    found = mixed(seed, words) * 0x85EBCA6B & MASK
    found ^= found >> 13
    found = found * 0xC2B2AE35 & MASK
    found ^= found >> 16
    return found % slots


def words_of(raw: bytes) -> list[int]:
    """Words of four bytes, then two, then one."""
    found = []
    while raw:
        size = 4 if len(raw) >= 4 else 2 if len(raw) >= 2 else 1
        found.append(int.from_bytes(raw[:size], "big"))
        raw = raw[size:]
    return found


def source_words(sock: socket.socket) -> list[int]:
    return words_of(socket.inet_pton(sock.family, sock.getsockname()[0]))


def tuple_words(sock: socket.socket) -> list[int]:
    return [*source_words(sock), sock.getsockname()[1]]


def wish(text: str = "127.0.0.1:0", **options: Any) -> BindWish:
    host, _, port = text.rpartition(":")
    return BindWish(f"udp:{text}", "dns", text, "udp", host.strip("[]"), int(port), 0, 0, rcvbuf=65536, **options)


class Group:
    """Sockets of one address, and which of them a datagram comes to."""

    def __init__(self, socks: list[socket.socket]) -> None:
        self.socks = socks
        self.address = socks[0].getsockname()[:2]

    def steer(self, kind: str, offset: int = 0, length: int = 0, seed: int = 0) -> None:
        steer.steer(self.socks[0], steer.steer_program(kind, offset, length, len(self.socks), seed))

    def arrival(self, client: socket.socket, payload: bytes = b"x", host: str = "") -> int:
        """Send one datagram. -> the only socket that has it"""
        client.sendto(payload, (host or self.address[0], self.address[1]))
        ready = select.select(self.socks, [], [], DEADLINE_S)[0]
        assert len(ready) == 1, f"{payload!r} arrived at {len(ready)} sockets"
        got, sender = ready[0].recvfrom(65536)
        assert (got, sender[1]) == (payload, client.getsockname()[1])
        return self.socks.index(ready[0])


@contextmanager
def group(text: str = "127.0.0.1:0", slots: int = 4, **options: Any) -> Iterator[Group]:
    host, _, port = text.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socks = open_datagrams(wish(text, **options), slots, family, (host.strip("[]"), int(port)))
    try:
        yield Group(socks)
    finally:
        for sock in socks:
            sock.close()


@contextmanager
def client(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A bound socket: a client with an address and a port of its own."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        yield sock
