"""Backends and clients of HTTP that say exactly what a test wants, byte by byte."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.tools.sockets import CHUNK_BYTES

End = bytes
HEAD_END = b"\r\n\r\n"


@dataclass
class Message:
    """A request or a response as it was on the wire. fields: names in lower case."""

    start: str
    fields: list[tuple[str, str]]
    head: bytes
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """The value of a field; None without it. Errors: AssertionError for a field that stands twice."""
        values = [value for key, value in self.fields if key == name]
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    @property
    def status(self) -> int:
        return int(self.start.split()[1])


def is_bare(status: int) -> bool:
    """Whether responses with this status have no body (RFC 9112, 6.3)."""
    return status < 200 or status in (204, 304)


@dataclass
class Stream:
    """A socket whose bytes are taken message by message; what came too early stays."""

    sock: socket.socket
    rest: bytes = b""

    def more(self) -> bool:
        got = self.sock.recv(CHUNK_BYTES)
        self.rest += got
        return bool(got)

    def take(self, n_bytes: int) -> bytes:
        """Errors: EOFError when the peer has finished before."""
        while len(self.rest) < n_bytes:
            if not self.more():
                raise EOFError(self.rest)
        taken, self.rest = self.rest[:n_bytes], self.rest[n_bytes:]
        return taken

    def take_until(self, mark: bytes) -> bytes:
        """Up to the mark, which is included. Errors: EOFError."""
        while mark not in self.rest:
            if not self.more():
                raise EOFError(self.rest)
        return self.take(self.rest.index(mark) + len(mark))

    def head(self) -> Message:
        """The next head, without what belongs to it. Errors: EOFError."""
        head = self.take_until(HEAD_END)
        start, *lines = head[: -len(HEAD_END)].decode("latin-1").split("\r\n")
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Message(start, fields, head)

    def message(self, *, of_head: bool = False) -> Message:
        """The next message with its body. of_head: the answer to HEAD. Errors: EOFError."""
        message = self.head()
        if of_head or (message.start.startswith("HTTP/") and is_bare(message.status)):
            return message
        if message.get("transfer-encoding") is not None:
            message.body = b"".join(self.chunks())
        elif (length := message.get("content-length")) is not None:
            message.body = self.take(int(length))
        elif message.start.startswith("HTTP/"):
            while self.more():
                pass
            message.body, self.rest = self.rest, b""
        return message

    def chunks(self) -> Iterator[bytes]:
        """The chunks of a body one by one, its end and trailers taken too."""
        while size := int(self.take_until(b"\r\n"), 16):
            yield self.take(size)
            assert self.take(2) == b"\r\n"
        while self.take_until(b"\r\n") != b"\r\n":
            pass


@dataclass
class Seen:
    """What a backend was asked, over all its connections."""

    requests: list[Message] = field(default_factory=list)
    n_connections: int = 0


def text(body: bytes = b"ok", start: str = "HTTP/1.1 200 OK", *fields: str) -> bytes:
    """A response with a length."""
    lines = [start, f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + HEAD_END + body


def answering(say: Callable[[Message], bytes] | bytes, seen: Seen | None = None) -> Callable[[socket.socket], None]:
    """A peer that answers each request in its turn; an answer of nothing closes the connection."""

    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        if seen is not None:
            seen.n_connections += 1
        while True:
            try:
                request = stream.message()
            except (EOFError, OSError):
                return
            if seen is not None:
                seen.requests.append(request)
            answer = say if isinstance(say, bytes) else say(request)
            if not answer:
                return
            sock.sendall(answer)

    return serve
