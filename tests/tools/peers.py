"""Backends of our own: each answers in one particular way, on a port of the kernel's choice.

A Peer serves every connection in a thread of its own. What it does is a function of the connected socket;
the ready ones stand below: echo, sink, source, named, slow_reader, resetting, half_closing, speaks_first,
silent.
"""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.tools.sockets import CHUNK_BYTES, reset

Serve = Callable[[socket.socket], None]

ACCEPT_LOOK_S = 0.1


class Peer:
    """A listening backend.

    `accepted`, `live` and `socks` may be read from any thread; close() ends everything.
    """

    def __init__(
        self,
        serve: Serve,
        host: str = "127.0.0.1",
        path: Path | None = None,
        port: int = 0,
        backlog: int = 512,
    ):
        self.serve = serve
        self.path = path
        self.backlog = backlog
        self.accepted = 0
        self.live = 0
        self.socks: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._listener: socket.socket | None = None
        self._bind: str | tuple[str, int] = str(path) if path else (host, port)
        self._family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listen()

    @property
    def address(self) -> str:
        """As it stands in a configuration."""
        if self.path:
            return f"unix:{self.path}"
        host, port = self._bind[0], self._bind[1]
        return f"[{host}]:{port}" if self._family == socket.AF_INET6 else f"{host}:{port}"

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._bind[1])

    def listen(self) -> None:
        """Begin to listen, on the same address as before if there was one."""
        listener = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            if self.path:
                self.path.unlink(missing_ok=True)
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self._bind)
            listener.listen(self.backlog)
        except BaseException:
            listener.close()
            raise
        listener.settimeout(ACCEPT_LOOK_S)
        if not self.path:
            self._bind = listener.getsockname()[:2]
        self._is_closing.clear()
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._thread.start()

    def stop_listening(self) -> None:
        """New connections are refused from here on; those that live go on."""
        self._is_closing.set()
        if self._thread:
            self._thread.join()
        if self._listener:
            self._listener.close()
        self._thread = self._listener = None

    def drop_all(self) -> None:
        """Reset every live connection."""
        with self._lock:
            socks = list(self.socks)
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Stop listening and end every connection. Idempotent."""
        self.stop_listening()
        with self._lock:
            socks = list(self.socks)
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while not self._is_closing.is_set():
            try:
                sock, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            sock.settimeout(None)
            with self._lock:
                self.accepted += 1
                self.live += 1
                self.socks.add(sock)
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock: socket.socket) -> None:
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.serve(sock)
        except OSError:
            pass
        finally:
            with self._lock:
                self.live -= 1
                self.socks.discard(sock)
            sock.close()


def echo(sock: socket.socket) -> None:
    """Send back what comes, until the client shuts down writing."""
    while received := sock.recv(CHUNK_BYTES):
        sock.sendall(received)


def sink(sock: socket.socket) -> None:
    """Read to the end, then answer with `<count> <sha256>`."""
    digest = hashlib.sha256()
    count = 0
    while received := sock.recv(CHUNK_BYTES):
        digest.update(received)
        count += len(received)
    sock.sendall(f"{count} {digest.hexdigest()}".encode())


def source(content: bytes) -> Serve:
    """Send `content` at once and end in order, whatever comes."""

    def serve(sock: socket.socket) -> None:
        sock.sendall(content)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(CHUNK_BYTES):
            pass

    return serve


def named(name: str) -> Serve:
    """Send the name at once, then echo: who answered?"""

    def serve(sock: socket.socket) -> None:
        sock.sendall(name.encode() + b"\n")
        echo(sock)

    return serve


speaks_first = named


def slow_reader(pause_s: float, chunk_bytes: int) -> Serve:
    """Read `chunk_bytes` every `pause_s`, with a small receive buffer, and answer nothing."""

    def serve(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while sock.recv(chunk_bytes):
            time.sleep(pause_s)

    return serve


def resetting(after_bytes: int, answer: bytes = b"") -> Serve:
    """Read so many bytes, answer, then reset."""

    def serve(sock: socket.socket) -> None:
        missing = after_bytes
        while missing > 0:
            received = sock.recv(min(missing, CHUNK_BYTES))
            if not received:
                return
            missing -= len(received)
        if answer:
            sock.sendall(answer)
        reset(sock)

    return serve


def half_closing(answer: bytes, on_end: Callable[[bytes], None]) -> Serve:
    """Answer and shut down writing at once, go on reading, and hand over all that came at the end."""

    def serve(sock: socket.socket) -> None:
        sock.sendall(answer)
        sock.shutdown(socket.SHUT_WR)
        parts = []
        while received := sock.recv(CHUNK_BYTES):
            parts.append(received)
        on_end(b"".join(parts))

    return serve


def silent(sock: socket.socket) -> None:
    """Read and say nothing."""
    while sock.recv(CHUNK_BYTES):
        pass


class FullBacklog:
    """An address on which connecting neither succeeds nor fails: the accept queue is full and nobody
    empties it."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self._fillers: list[socket.socket] = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._listener.getsockname())
            self._fillers.append(filler)

    @property
    def address(self) -> str:
        """As it stands in a configuration."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Give everything back."""
        for sock in (*self._fillers, self._listener):
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
