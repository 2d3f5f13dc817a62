"""Backends that speak UDP, for checks to ask."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

from nginy.model import DnsHealth, UdpHealth

from .peers import address_of

Reply = Callable[[bytes, int], list[bytes]]
"""(payload, how many came before it) -> what is answered"""

QUESTION_AT = 12


def dns(**options: object) -> DnsHealth:
    return DnsHealth.model_validate({"interval": 0.02, "timeout": 5.0, **options})


def udp(**options: object) -> UdpHealth:
    return UdpHealth.model_validate({"interval": 0.02, "timeout": 5.0, **options})


def dns_answer(query: bytes, rcode: int = 0, **changed: bytes) -> bytes:
    """A plain answer without records. changed: id, flags, count or question instead of what belongs there."""
    flags = changed.get("flags", (0x8180 | rcode).to_bytes(2, "big"))
    parts = {"id": query[:2], "flags": flags, "count": b"\0\1", "rest": bytes(6), "question": query[QUESTION_AT:]}
    return b"".join({**parts, **changed}.values())


class DatagramPeer:
    """Answers each datagram as told."""

    def __init__(self, reply: Reply, host: str = "127.0.0.1") -> None:
        self.heard: list[bytes] = []
        self._reply = reply
        self._loop = asyncio.get_running_loop()
        self._sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind((host, 0))
        self.address = address_of(self._sock)
        self._loop.add_reader(self._sock.fileno(), self._serve)

    def _serve(self) -> None:
        payload, sender = self._sock.recvfrom(65536)
        for answer in self._reply(payload, len(self.heard)):
            self._sock.sendto(answer, sender)
        self.heard.append(payload)

    def close(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()


@contextlib.asynccontextmanager
async def datagram_peer(reply: Reply, host: str = "127.0.0.1") -> AsyncIterator[DatagramPeer]:
    opened = DatagramPeer(reply, host)
    try:
        yield opened
    finally:
        opened.close()


@contextlib.contextmanager
def unheard_port() -> Iterator[str]:
    """An address where datagrams lie unread: neither an answer nor a refusal."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield address_of(sock)


def refusing_port() -> str:
    """An address that was free a moment ago: the kernel says so to whoever sends there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return address_of(sock)


def silent(payload: bytes, nth: int) -> list[bytes]:
    return []


def echo(payload: bytes, nth: int) -> list[bytes]:
    return [payload]
