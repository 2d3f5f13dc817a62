"""Backends to be checked, and waiting for what the checks find."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import TypeVar

from nginy.backend.check import ProbeTarget
from nginy.backend.registry import BackendKey
from nginy.model import Health, HttpHealth, TcpHealth

DEADLINE_S = 20.0

Answer = TypeVar("Answer")


async def until(condition: Callable[[], Answer], what: str) -> Answer:
    """The first true answer of the condition; fails with `what` after the deadline."""
    end_s = time.monotonic() + DEADLINE_S
    while not (answer := condition()):
        assert time.monotonic() < end_s, f"not within {DEADLINE_S:g} s: {what} (last answer: {answer!r})"
        await asyncio.sleep(0.002)
    return answer


def tcp(**options: object) -> TcpHealth:
    return TcpHealth.model_validate({"interval": 0.02, "timeout": 5.0, **options})


def http(status: tuple[str, ...] = ("200-299",), **options: object) -> HttpHealth:
    base = {"interval": 0.02, "timeout": 5.0, "expect": {"status": status}}
    return HttpHealth.model_validate({**base, **options})


def target(address: str, health: Health, host: str = "") -> ProbeTarget:
    return ProbeTarget(address, health, host)


def key(address: str, pool: str = "pool", name: str = "") -> BackendKey:
    return BackendKey(pool, name or address, address)


def address_of(sock: socket.socket) -> str:
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Visit:
    """One accepted connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        return await self._loop.sock_recv(self._sock, 65536)

    async def request(self) -> bytes:
        """The head of a request; ConnectionError when the visitor leaves before its end."""
        taken = b""
        while b"\r\n\r\n" not in taken:
            chunk = await self.read()
            if not chunk:
                raise ConnectionError("no whole request")
            taken += chunk
        return taken

    async def say(self, answer: bytes) -> None:
        await self._loop.sock_sendall(self._sock, answer)


Talk = Callable[[Visit], Awaitable[None]]


async def hang_up(visit: Visit) -> None:
    """Take the connection and end it."""


async def silent(visit: Visit) -> None:
    """Take the connection, read what comes, never say a word."""
    while await visit.read():
        pass


def says(answer: bytes, asked: list[bytes] | None = None) -> Talk:
    """Read one request, note it, give this answer, end."""

    async def talk(visit: Visit) -> None:
        request = await visit.request()
        if asked is not None:
            asked.append(request)
        await visit.say(answer)

    return talk


def trickles(answer: bytes, pause_s: float) -> Talk:
    """Give the answer byte by byte."""

    async def talk(visit: Visit) -> None:
        await visit.request()
        for at in range(len(answer)):
            await visit.say(answer[at : at + 1])
            await asyncio.sleep(pause_s)

    return talk


class Peer:
    """A listening backend that can be taken away and come back at the same address."""

    def __init__(self, talk: Talk, family: socket.AddressFamily, where: object) -> None:
        self.accepted = 0
        self.talk = talk
        self.address = ""
        self._family = family
        self._where = where
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(self._where)
        sock.listen(64)
        self.address = address_of(sock)
        if self._family != socket.AF_UNIX:
            self._where = sock.getsockname()
        self._start(self._accept(sock))

    async def close(self) -> None:
        """Listen no more, end every visit. Idempotent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, sock: socket.socket) -> None:
        with sock:
            while True:
                visitor, _ = await asyncio.get_running_loop().sock_accept(sock)
                self.accepted += 1
                self._start(self._visit(visitor))

    async def _visit(self, visitor: socket.socket) -> None:
        visitor.setblocking(False)
        with visitor, contextlib.suppress(ConnectionError):
            await self.talk(Visit(visitor))


@contextlib.asynccontextmanager
async def peer(
    talk: Talk = hang_up,
    where: object = ("127.0.0.1", 0),
    family: socket.AddressFamily = socket.AF_INET,
) -> AsyncIterator[Peer]:
    """A peer that listens for as long as the block lasts, unless the block closes it."""
    opened = Peer(talk, family, where)
    opened.open()
    try:
        yield opened
    finally:
        await opened.close()


@contextlib.contextmanager
def listening(
    where: object = ("127.0.0.1", 0), family: socket.AddressFamily = socket.AF_INET, backlog: int = 8
) -> Iterator[str]:
    """A socket that listens and that nobody accepts from. -> its address"""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind(where)
        sock.listen(backlog)
        yield address_of(sock)


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """An address that refuses: bound, so that nobody else gets it, but not listening."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield address_of(sock)
