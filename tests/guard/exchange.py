"""What one client and one backend do, by turns in one thread: sessions never meet, so each costs the same."""

import contextlib
import random
import socket
from collections.abc import Callable
from pathlib import Path

BYTES = 64
DEADLINE_S = 20.0
TRIES = 100
FIRST_FREE_PORT = 1024  # those under it are root's

Address = tuple[str, int]
Pause = Callable[[], object]
"""Called after each step; may wait until the worker has nothing left to do."""


def nothing() -> None:
    """The pause of a client that does not wait."""


def listen(is_source_port: bool = False) -> socket.socket:
    """A backend's listening socket on loopback; the caller closes it. Errors: OSError when no port is free.

    is_source_port: on a port that the kernel also picks as a source. A worker has to ask there whether it has met
    itself, which is two calls more; the usual port of a service lies outside.
    """
    upstream = socket.socket()
    upstream.settimeout(DEADLINE_S)
    try:
        bind_elsewhere(upstream, 0 if is_source_port else first_source_port())
        upstream.listen(64)
    except BaseException:
        upstream.close()
        raise
    return upstream


def first_source_port() -> int:
    """The lowest that the kernel picks by itself: ip(7), ip_local_port_range."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def bind_elsewhere(sock: socket.socket, below: int) -> None:
    """To a free port under `below` that anybody may take; to one of the kernel's choice when there is none."""
    ports = range(FIRST_FREE_PORT, below)
    for port in random.sample(ports, min(len(ports), TRIES)):
        with contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return
    sock.bind(("127.0.0.1", 0))


def connect(front: Address) -> socket.socket:
    """A client's connected socket; the caller closes it. Errors: OSError."""
    client = socket.create_connection(front, timeout=DEADLINE_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def accept(upstream: socket.socket) -> socket.socket:
    """The backend's end of the next session; the caller closes it. Errors: OSError."""
    back, _ = upstream.accept()
    back.settimeout(DEADLINE_S)
    back.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return back


def take(receiver: socket.socket) -> None:
    """Receive what one side sends. Errors: AssertionError, OSError."""
    got = receiver.recv(BYTES, socket.MSG_WAITALL)
    assert len(got) == BYTES, f"{len(got)} of {BYTES} bytes came through"


def round_trip(client: socket.socket, back: socket.socket, pause: Pause = nothing) -> None:
    """64 bytes there, 64 back. Errors: AssertionError, OSError."""
    for sender, receiver in ((client, back), (back, client)):
        sender.sendall(bytes(BYTES))
        take(receiver)
        pause()


def datagram_round_trip(client: socket.socket, upstream: socket.socket, pause: Pause = nothing) -> None:
    """A datagram of 64 bytes there, one back. Errors: AssertionError, OSError."""
    client.send(bytes(BYTES))
    got, flow = upstream.recvfrom(2 * BYTES)
    pause()
    upstream.sendto(got, flow)
    assert client.recv(2 * BYTES) == bytes(BYTES)
    pause()


def finish(client: socket.socket, back: socket.socket, pause: Pause = nothing) -> None:
    """The client closes, the backend follows. Errors: AssertionError, OSError."""
    client.close()
    assert back.recv(1) == b"", "the client's end was not passed on"
    pause()
    back.close()


def patient_session(front: Address, upstream: socket.socket, pause: Pause = nothing) -> None:
    """The client speaks only when it is through to the backend: one round trip. Errors: AssertionError, OSError."""
    with connect(front) as client, accept(upstream) as back:
        pause()
        round_trip(client, back, pause)
        finish(client, back, pause)


def prompt_session(front: Address, upstream: socket.socket) -> None:
    """The client speaks as soon as it is connected, as most do: one round trip. Errors: AssertionError, OSError."""
    with connect(front) as client:
        client.sendall(bytes(BYTES))
        with accept(upstream) as back:
            take(back)
            back.sendall(bytes(BYTES))
            take(client)
            finish(client, back)
