"""A check by datagram: one question, asked again after half of the time, and the answer to it. DNS, or any bytes."""

import asyncio
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from nginy.backend.address import Place
from nginy.backend.dnsquery import make_query, read_rcode
from nginy.backend.result import CheckError, duration
from nginy.model import DnsHealth, UdpHealth

ANSWER_BYTES = 65535
SILENCE_SHARE = 0.75
"""Where silence passes: how much of the timeout is waited for a refusal, so that the deadline is never reached."""
SHOWN_BYTES = 24

Read = Callable[[bytes], str | None]
"""payload -> what passed, as text; None: not an answer to this question. CheckError: a wrong one."""


async def ask(place: Place, health: DnsHealth | UdpHealth) -> tuple[str, float]:
    """-> (text, seconds) of a good check.

    Errors: CheckError, OSError; ConnectionRefusedError as soon as the backend's host says that the port is closed.
    Ends by itself only when it is known; the caller has the deadline.
    """
    if place.path:
        raise CheckError(f"a unix socket cannot be checked by {health.kind}")
    payload, read = _question(health)
    with _open(place) as sock:
        _connect(sock, place)
        started_s = monotonic()
        sock.send(payload)
        asking = asyncio.ensure_future(_ask_again(sock, payload, health.timeout / 2))
        try:
            if isinstance(health, UdpHealth) and not health.needs_answer:
                text = await _outlast(sock, health.timeout * SILENCE_SHARE)
            else:
                text = await _await_answer(sock, read)
        finally:
            await _end(asking)
    latency_s = monotonic() - started_s
    return f"{health.kind}: {text} in {duration(latency_s)}", latency_s


def _question(health: DnsHealth | UdpHealth) -> tuple[bytes, Read]:
    if isinstance(health, DnsHealth):
        return _dns_question(health)
    return health.send.octets if health.send is not None else b"", lambda answer: _read_payload(health, answer)


def _dns_question(health: DnsHealth) -> tuple[bytes, Read]:
    query = make_query(secrets.randbits(16), health.name, health.type)

    def read(answer: bytes) -> str | None:
        rcode = read_rcode(query, answer)
        if rcode is not None and rcode not in health.rcode:
            raise CheckError(f"dns: {rcode}, expected {', '.join(health.rcode)}")
        return rcode

    return query.encode(), read


def _read_payload(health: UdpHealth, answer: bytes) -> str:
    if health.expect is not None and not health.expect.accepts(answer):
        shown = repr(answer[:SHOWN_BYTES])[1:] + ("…" if len(answer) > SHOWN_BYTES else "")
        raise CheckError(f"udp: unexpected answer of {len(answer)} bytes: {shown}")
    return f"{len(answer)} bytes"


def _open(place: Place) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in place.host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


def _connect(sock: socket.socket, place: Place) -> None:
    """So that only the backend is heard, and a refusal comes as an error."""
    sock.connect((place.host, place.port))
    if sock.getsockname() == sock.getpeername():
        # it would hear its own question and take it for an answer
        raise CheckError("refused (the kernel joined the socket to itself)")


async def _ask_again(sock: socket.socket, payload: bytes, after_s: float) -> None:
    """One datagram may get lost; two in a row are the backend's affair."""
    await asyncio.sleep(after_s)
    with suppress(OSError):  # a refusal is heard where answers are
        sock.send(payload)


async def _await_answer(sock: socket.socket, read: Read) -> str:
    while True:
        answer = await _receive(sock)
        text = read(answer)
        if text is not None:
            return text


async def _outlast(sock: socket.socket, wait_s: float) -> str:
    """Any answer is as good as none."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            return f"{len(await _receive(sock))} bytes"
    with suppress(BlockingIOError):
        # a refusal may have come while control was kept from looking
        return f"{len(sock.recv(ANSWER_BYTES))} bytes"
    return "not refused"


async def _receive(sock: socket.socket) -> bytes:
    """The next datagram; the loops' own sock_recv is for streams."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return sock.recv(ANSWER_BYTES)
        except BlockingIOError:
            pass
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(sock.fileno(), _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(sock.fileno())


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _end(asking: asyncio.Future[None]) -> None:
    asking.cancel()
    await asyncio.wait({asking})
