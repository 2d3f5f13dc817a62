"""Addresses as nginy writes them, and what a client does with a socket."""

import contextlib
import errno
import hashlib
import socket
import struct
from typing import Literal

TIMEOUT_S = 15.0
CHUNK_BYTES = 65536
PORT_TRIES = 100
IP_BIND_ADDRESS_NO_PORT = (
    24  # linux/in.h; the port is picked at connect, so it may be shared between addresses
)

End = Literal["eof", "reset"]


def parse_address(address: str) -> tuple[int, str | tuple[str, int]]:
    """`host:port`, `[v6]:port` or `unix:/path` as (family, what connect() takes)."""
    if address.startswith("unix:"):
        return socket.AF_UNIX, address.removeprefix("unix:")
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        return socket.AF_INET6, (host.strip("[]"), int(port))
    return socket.AF_INET, (host, int(port))


def connect(address: str, timeout_s: float = TIMEOUT_S, source: str | None = None) -> socket.socket:
    """A connected blocking socket with a timeout. `source` is the local address to come from."""
    family, target = parse_address(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    return sock


def set_reset_on_close(sock: socket.socket) -> None:
    """From now on close() sends a reset instead of an orderly end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(sock: socket.socket) -> None:
    """End the connection with a reset."""
    set_reset_on_close(sock)
    sock.close()


def recv_exact(sock: socket.socket, n_bytes: int) -> bytes:
    """Exactly so many bytes; AssertionError when the stream ends before."""
    parts = []
    missing = n_bytes
    while missing:
        part = sock.recv(min(missing, CHUNK_BYTES))
        assert part, f"the stream ended {missing} bytes early"
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def read_to_end(sock: socket.socket) -> tuple[bytes, End]:
    """All bytes until the other side ends, and how it ended."""
    parts = []
    while True:
        try:
            part = sock.recv(CHUNK_BYTES)
        except (ConnectionResetError, BrokenPipeError):
            return b"".join(parts), "reset"
        if not part:
            return b"".join(parts), "eof"
        parts.append(part)


def how_it_ends(sock: socket.socket) -> End:
    """Read and forget until the end."""
    return read_to_end(sock)[1]


def end_of(address: str) -> End:
    """Connect, send nothing, and tell how it ends; a reset may come before connect() has returned."""
    try:
        with connect(address) as sock:
            return how_it_ends(sock)
    except ConnectionResetError:
        return "reset"


def ask(address: str, question: bytes, source: str | None = None) -> bytes:
    """Send, shut down writing, read to the end. ConnectionResetError when the answer was cut by a reset."""
    with connect(address, source=source) as sock:
        try:
            sock.sendall(question)
            sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno == errno.ENOTCONN:  # a reset had come between the two
                raise ConnectionResetError("reset before the question was sent") from error
            raise
        answer, end = read_to_end(sock)
        if end == "reset":
            raise ConnectionResetError(f"reset after {len(answer)} bytes")
        return answer


def is_refused_or_reset(address: str) -> bool:
    """Whether a client that sends one byte is turned away."""
    try:
        ask(address, b"?")
    except (ConnectionError, TimeoutError):
        return True
    return False


def sha256(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on right now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def free_port_of_both(host: str = "127.0.0.1") -> int:
    """A port that is free for TCP and for UDP right now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(PORT_TRIES):
        port = free_port(host)
        with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
    raise AssertionError(f"no port of {host} is free for TCP and UDP")


@contextlib.contextmanager
def closing_all(socks: list[socket.socket]):
    """Close every socket of the list at the end, also those that were appended meanwhile."""
    try:
        yield socks
    finally:
        for sock in socks:
            sock.close()
