"""How servers read the same bytes: what nginy sends, as a recorder has taken it down, and what others say it means."""

import contextlib
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.tools.sockets import CHUNK_BYTES, connect, read_to_end
from tests.tools.web import Message, Stream, text

READER_TIMEOUT_S = 5.0
MARK = b"GET /the-mark HTTP/1.1\r\nHost: mark.example\r\nX-Fill: " + b"f" * 300 + b"\r\n"
LAST = MARK + b"Connection: close\r\n\r\n"
NEXT = MARK + b"\r\n"


@dataclass(frozen=True)
class Reading:
    """One request as somebody has read it."""

    method: bytes
    target: bytes
    host: bytes
    body: bytes


MARK_READING = Reading(b"GET", b"/the-mark", b"mark.example", b"")
HEAD_READING = Reading(b"HEAD", b"", b"", b"")


def without_body(reading: Reading) -> Reading | int | str:
    """What can be said of it in an answer: that of HEAD has no room."""
    return HEAD_READING if reading.method == b"HEAD" else reading


def reading_of(said: bytes) -> Reading:
    """What an application of tests/tools/web_apps.py says. An empty query counts as none: ASGI makes them one."""
    words = [b"" if word == b"-" else bytes.fromhex(word.decode()) for word in said.split(b",")]
    method, target, host, body = words
    return Reading(method, target[:-1] if target.endswith(b"?") else target, host, body)


class Kept(Stream):
    """A stream that also keeps all its bytes."""

    kept = b""

    def more(self) -> bool:
        got = self.sock.recv(CHUNK_BYTES)
        self.rest += got
        self.kept += got
        return bool(got)


def read_strictly(message: Message) -> Reading:
    """nginy's own form: one host, target and version between single spaces."""
    method, target, version = message.start.encode("latin-1").split(b" ")
    assert version == b"HTTP/1.1", message.head
    host = message.get("host")
    assert host is not None, message.head
    assert not (message.get("content-length") and message.get("transfer-encoding")), message.head
    return Reading(method, target[:-1] if target.endswith(b"?") else target, host.encode("latin-1"), message.body)


@dataclass
class Recorder:
    """A backend's requests: their bytes one by one, and what they mean to a plain reader."""

    taken: list[tuple[Reading, bytes]] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    def serve(self, sock: socket.socket) -> None:
        """As a Peer does. A request that ends too early is not taken."""
        stream = Kept(sock)
        while True:
            try:
                request = stream.message()
                reading = read_strictly(request)
            except (EOFError, OSError):
                return
            except (AssertionError, ValueError) as error:
                self.unclear.append(f"recorder: {error!r} in {stream.kept!r}")
                return
            end = len(stream.kept) - len(stream.rest)
            self.taken.append((reading, stream.kept[:end]))
            stream.kept = stream.kept[end:]
            try:
                sock.sendall(text(b"" if request.start.startswith("HEAD ") else b"ok"))
            except OSError:
                return

    def complaints(self) -> list[str]:
        """What was not in nginy's own form since the last call."""
        unclear, self.unclear = self.unclear, []
        return unclear

    def take(self) -> list[tuple[Reading, bytes]]:
        taken, self.taken = self.taken, []
        return taken


def send_through(address: str, raw: bytes) -> bytes:
    """The bytes and a last request behind them; all that comes back."""
    with connect(address) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before its end was sent
            sock.sendall(raw + LAST)
        return read_to_end(sock)[0]


def final(stream: Stream, *, of_head: bool) -> Message:
    """The next answer; those of 1xx before it are passed over."""
    answer = stream.message(of_head=of_head)
    while answer.status < 200:
        answer = stream.message(of_head=of_head)
    return answer


class Said(Stream):
    """Bytes that have come to their end."""

    def more(self) -> bool:
        return False


def answers_in(said: bytes, methods: Sequence[bytes]) -> list[Message]:
    """All whole answers to requests with these methods, and one that nginy may have added."""
    found: list[Message] = []
    with socket.socket() as nobody:
        stream = Said(nobody, said)
        while stream.rest:
            try:
                found.append(final(stream, of_head=list(methods[len(found) : len(found) + 1]) == [b"HEAD"]))
            except EOFError:
                break
    return found


def last_status(said: bytes) -> int | None:
    """Of the last answer in these bytes; None when there is none."""
    before, mark, after = said.rpartition(b"HTTP/1.1 ")
    return int(after[:3]) if mark else None


@dataclass
class Reader:
    """A server that says what it has read, asked on a connection that is kept as long as it lets us."""

    name: str
    address: str
    stream: Stream | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def ask(self, raw: bytes, methods: Sequence[bytes]) -> list[Reading | int | str]:
        """What it reads in these bytes and the mark behind them: readings, last of all the status of a refusal.

        methods: of the requests that are expected; the answer to HEAD says nothing of what was read.

        Errors: EOFError, TimeoutError when it does neither.
        """
        if self.stream is None:
            self.stream = Stream(connect(self.address, READER_TIMEOUT_S))
        found: list[Reading | int | str] = []
        is_upgrade = b"\r\nUpgrade:" in raw  # nothing may follow before its answer: it could be the other protocol's
        self.stream.sock.sendall(raw if is_upgrade else raw + NEXT)
        while MARK_READING not in found:
            if is_upgrade and len(found) == len(methods):
                self.stream.sock.sendall(NEXT)
            of_head = len(found) < len(methods) and methods[len(found)] == b"HEAD"
            answer = final(self.stream, of_head=of_head)
            if answer.status != 200:
                self.close()
                return [*found, answer.status]
            found.append(HEAD_READING if of_head else reading_of(answer.body))
            if answer.get("connection") == "close":
                break
        if answer.get("connection") == "close" or self.stream.rest:
            assert not self.stream.rest, self.stream.rest
            self.close()
        return found

    def close(self) -> None:
        if self.stream is not None:
            self.stream.sock.close()
            self.stream = None
