"""Both ends of UDP flows: backends that answer as told, and sockets that know how to wait."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from tests.tools.sockets import parse_address

WAIT_S = 10.0
QUEUE_BYTES = 8 << 20
SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
MOST_BYTES = 65507
"""The longest payload over IPv4."""

Answer = Callable[[bytes, Any], Sequence[bytes]]
"""What a backend says to one datagram and its sender."""

_END = b"\0this is the end"


def datagram_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A bound socket with a long queue, where that is permitted, and a timeout."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    for forced, plain in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, QUEUE_BYTES)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, plain, QUEUE_BYTES)
    sock.settimeout(WAIT_S)
    sock.bind((host, port))
    return sock


def client_of(address: str, source: str = "") -> socket.socket:
    """A client's socket, connected to `address`."""
    family, target = parse_address(address)
    sock = datagram_socket(source or ("::1" if family == socket.AF_INET6 else "127.0.0.1"))
    sock.connect(target)
    return sock


@contextlib.contextmanager
def clients_of(address: str, count: int, source: str = "") -> Iterator[list[socket.socket]]:
    """So many of them, closed at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(client_of(address, source)) for _ in range(count)]


def address_of(sock: socket.socket) -> str:
    """Where a socket is bound, as it stands in a configuration."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def exchange(sock: socket.socket, payload: bytes = b"hello") -> bytes:
    """Send, and wait for one answer. TimeoutError without one."""
    sock.send(payload)
    return sock.recv(65535)


def exchange_again(sock: socket.socket, payload: bytes = b"hello", tries: int = 50) -> bytes:
    """The same for a client that asks again after 100 ms, as those of UDP do. AssertionError after so many tries."""
    for _ in range(tries):
        with contextlib.suppress(ConnectionRefusedError):
            sock.send(payload)
            if select.select([sock], [], [], 0.1)[0]:
                return sock.recv(65535)
    raise AssertionError(f"{tries} datagrams without an answer")


def is_silent(sock: socket.socket, seconds: float = 0.2) -> bool:
    """Whether nothing comes for so long."""
    return not select.select([sock], [], [], seconds)[0]


def all_waiting(sock: socket.socket, seconds: float = 0.2) -> list[bytes]:
    """What is there, and what still comes until it is silent for so long."""
    found = []
    while not is_silent(sock, seconds):
        found.append(sock.recv(65535))
    return found


def udp_inodes(pid: int) -> dict[int, str]:
    """Its UDP sockets: inode and local address as the kernel writes it."""
    found = {}
    for name in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            found[int(words[9])] = words[1]
    own = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target.startswith("socket:["):
                own.add(int(target[8:-1]))
    return {inode: place for inode, place in found.items() if inode in own}


def listening_inodes(pid: int, port: int) -> set[int]:
    """Those that are bound to this port: a listener's."""
    return {inode for inode, place in udp_inodes(pid).items() if int(place.rpartition(":")[2], 16) == port}


def dns_message(number: int, name: bytes, *, is_answer: bool = False, tail: bytes = b"") -> bytes:
    """A query of type A, or an answer without records but with `tail` behind it."""
    labels = b"".join(bytes([len(part)]) + part for part in name.split(b"."))
    flags = 0x8180 if is_answer else 0x0100
    return struct.pack(">HHHHHH", number, flags, 1, 0, 0, 0) + labels + b"\0\0\1\0\1" + tail


def dns_answer(query: bytes, _sender: Any) -> list[bytes]:
    """As a name server without that name: the question comes back, marked as answered."""
    return [query[:2] + b"\x81\x80" + query[4:]]


def tells_sender(name: bytes) -> Answer:
    """An answer that says who got the datagram from where: `name host:port|payload`."""

    def answer(payload: bytes, sender: Any) -> list[bytes]:
        return [b"%s %s:%d|%s" % (name, sender[0].encode(), sender[1], payload)]

    return answer


class DatagramBackend:
    """A backend in a thread of its own. It answers each datagram with its name and the same bytes unless told else.

    received: (payload, sender) in order, or nothing when it is forgetful; may be read from any thread.
    """

    def __init__(self, name: bytes = b"", answer: Answer | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.name = name
        self.answer: Answer = answer or (lambda payload, _sender: [name + payload])
        self.is_forgetful = False
        self.received: list[tuple[bytes, Any]] = []
        self.sock = datagram_socket(host, port)
        self._place = self.sock.getsockname()[:2]
        self._thread: threading.Thread | None = None
        self._start()

    @property
    def address(self) -> str:
        """As it stands in a configuration."""
        host, port = self._place
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def senders(self) -> list[Any]:
        """Addresses that datagrams came from, each once, in order."""
        return list(dict.fromkeys(sender for _, sender in self.received))

    @property
    def payloads(self) -> list[bytes]:
        """In the order of their arrival."""
        return [payload for payload, _ in self.received]

    def close(self) -> None:
        """From now on the kernel refuses for it. Idempotent."""
        if self._thread is None:
            return
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as last:
            last.sendto(_END, self._place)
        self._thread.join()
        self._thread = None
        self.sock.close()

    def listen_again(self) -> None:
        """At the same address as before."""
        self.sock = datagram_socket(*self._place)
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _start(self) -> None:
        self.sock.settimeout(None)
        self._thread = threading.Thread(target=self._run, args=(self.sock,), daemon=True)
        self._thread.start()

    def _run(self, sock: socket.socket) -> None:
        while True:
            try:
                payload, sender = sock.recvfrom(65535)
            except ConnectionError:  # an ICMP answer to one of ours
                continue
            if payload == _END:
                return
            if not self.is_forgetful:
                self.received.append((payload, sender))
            for answer in self.answer(payload, sender):
                with contextlib.suppress(OSError):
                    sock.sendto(answer, sender)
