"""One active check of one backend under one deadline: a connect, an HTTP exchange, or a question by datagram."""

import asyncio
import errno
import os
import socket
from dataclasses import dataclass
from time import monotonic

from nginy.backend.address import Place, split_address
from nginy.backend.ask import ask
from nginy.backend.result import CheckError, duration
from nginy.model import DnsHealth, Health, HttpHealth, UdpHealth

HEAD_BYTES = 16384
"""More than this before the end of the answer's head is refused; no health answer needs a tenth of it."""
READ_BYTES = 4096
LATE_S = 0.05
"""A deadline noticed later than this was missed by control, not by the backend."""
TEXT_MAX = 120

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_TEXTS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.ENOENT: "no such socket",
    errno.ENOTCONN: "listen queue full",
}


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What to check and how. host: for the Host header, when the health section names none."""

    address: str
    health: Health
    host: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended.

    is_void: it says nothing about the backend (control itself was short of something).
    is_late: control was kept from looking when the deadline passed (stopped, or no CPU).
    """

    is_ok: bool
    text: str
    latency_s: float
    is_void: bool = False
    is_late: bool = False


async def check(target: ProbeTarget) -> CheckResult:
    """Check once. Takes at most the timeout; twice the timeout when control itself missed the deadline.

    Errors: none but cancellation; the socket is closed in every case.   Thread: the running loop's.
    """
    timeout_s = target.health.timeout
    started_s = monotonic()
    attempt = asyncio.ensure_future(_attempt(target, started_s))
    attempt.add_done_callback(_hear)
    try:
        await asyncio.wait({attempt}, timeout=timeout_s)
        is_late = monotonic() - started_s > timeout_s + LATE_S
        if is_late and not attempt.done():
            # What the kernel holds for this socket has not been looked at yet.
            await asyncio.wait({attempt}, timeout=timeout_s)
    finally:
        is_over = attempt.done()
        if not is_over:
            attempt.cancel()
            await asyncio.wait({attempt})
    latency_s = monotonic() - started_s
    if not is_over:
        return CheckResult(False, f"timed out after {duration(timeout_s)}", latency_s, is_late=is_late)
    error = attempt.exception()
    if error is None:
        text, latency_s = attempt.result()
        return CheckResult(True, text, latency_s, is_late=is_late)
    return _failure(error, latency_s, is_late)


def _hear(attempt: asyncio.Future[tuple[str, float]]) -> None:
    # An error that nobody asks for (the check was cancelled meanwhile) must not end up on stderr.
    if not attempt.cancelled():
        attempt.exception()


def _failure(error: BaseException, latency_s: float, is_late: bool) -> CheckResult:
    if isinstance(error, CheckError):
        return CheckResult(False, str(error)[:TEXT_MAX], latency_s, is_late=is_late)
    if not isinstance(error, OSError):
        raise error
    number = error.errno or 0
    text = _TEXTS.get(number) or os.strerror(number).lower()
    if number in _SHORTAGES:
        return CheckResult(False, f"not checked: {text}", latency_s, is_void=True, is_late=is_late)
    return CheckResult(False, text, latency_s, is_late=is_late)


async def _attempt(target: ProbeTarget, started_s: float) -> tuple[str, float]:
    """-> (text, latency in s) of a good check; OSError or CheckError otherwise."""
    place = split_address(target.address)
    if isinstance(target.health, DnsHealth | UdpHealth):
        return await ask(place, target.health)
    with _open(place) as sock:
        await _connect(sock, place)
        if not isinstance(target.health, HttpHealth):
            latency_s = monotonic() - started_s
            return f"tcp: connected in {duration(latency_s)}", latency_s
        status = await _ask(sock, target.health, target.health.host or target.host or target.address)
    latency_s = monotonic() - started_s
    if not target.health.expect.accepts(status):
        raise CheckError(f"http {status}, expected {', '.join(target.health.expect.status)}")
    return f"http {status} in {duration(latency_s)}", latency_s


def _open(place: Place) -> socket.socket:
    inet = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    sock = socket.socket(socket.AF_UNIX if place.path else inet, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


async def _connect(sock: socket.socket, place: Place) -> None:
    where = place.path or (place.host, place.port)
    await asyncio.get_running_loop().sock_connect(sock, where)
    # A unix socket whose listen queue is full looks writable without being connected: ENOTCONN comes here.
    peer = sock.getpeername()
    if not place.path and sock.getsockname() == peer:
        raise CheckError("refused (the kernel joined the socket to itself)")


async def _ask(sock: socket.socket, health: HttpHealth, host: str) -> int:
    """Send the request, read up to the end of the answer's head. -> the final status."""
    import h11  # loaded with the first http check, not with nginy

    loop = asyncio.get_running_loop()
    wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    headers = [("Host", host), ("User-Agent", "nginy-health"), ("Accept", "*/*"), ("Connection", "close")]
    request = wire.send(h11.Request(method=health.method, target=health.path, headers=headers)) or b""
    await loop.sock_sendall(sock, request + (wire.send(h11.EndOfMessage()) or b""))
    taken_bytes = 0
    while True:
        try:
            event = wire.next_event()
        except h11.RemoteProtocolError as error:
            raise CheckError(f"not http: {error}") from None
        if isinstance(event, h11.Response):
            return event.status_code
        if event is not h11.NEED_DATA:
            if taken_bytes > HEAD_BYTES or not isinstance(event, h11.InformationalResponse):
                raise CheckError("not http: no final answer")
            continue
        chunk = await loop.sock_recv(sock, READ_BYTES)
        if not chunk:
            raise CheckError("closed inside the answer" if taken_bytes else "closed without an answer")
        taken_bytes += len(chunk)
        wire.receive_data(chunk)
