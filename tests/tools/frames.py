"""Frames of WebSockets (RFC 6455): a client that says exactly what a test wants, also what it must not."""

import contextlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tests.tools.sockets import connect
from tests.tools.web import Stream

MORE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = (
    b"GET /talk HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)


def frame(opcode: int, payload: bytes = b"", *, first: int = FIN, is_masked: bool = True, wide: int = 0) -> bytes:
    """One frame. first: FIN and reserved bits.   wide: 2 or 8 bytes of length where fewer would do."""
    n_bytes = len(payload)
    mark = 0x80 if is_masked else 0
    if wide == 8 or n_bytes > 65535:
        length = bytes([mark | 127]) + struct.pack(">Q", n_bytes)
    elif wide == 2 or n_bytes > 125:
        length = bytes([mark | 126]) + struct.pack(">H", n_bytes)
    else:
        length = bytes([mark | n_bytes])
    if not is_masked:
        return bytes([first | opcode]) + length + payload
    mask = os.urandom(4)
    whole = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (n_bytes // 4 + 1))[:n_bytes], "big")
    return bytes([first | opcode]) + length + mask + whole.to_bytes(n_bytes, "big")


def end(code: int = 1000, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack(">H", code) + reason)


@dataclass(frozen=True)
class Heard:
    """A frame of the server's."""

    first: int
    payload: bytes


def next_frame(stream: Stream) -> Heard:
    first, length = stream.take(2)
    assert length < 0x80, "a server's frame is masked"
    if length == 126:
        (length,) = struct.unpack(">H", stream.take(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", stream.take(8))
    return Heard(first, stream.take(length))


def hear(address: str, pieces: Sequence[bytes], n_replies: int = 0) -> list[Heard]:
    """Say these pieces, each in a send of its own, and all frames up to the end of the connection.

    n_replies: after so many frames the client ends; without, the pieces do.
    """
    heard: list[Heard] = []
    with connect(address) as sock, contextlib.suppress(EOFError, ConnectionError):
        stream = Stream(sock)
        sock.sendall(UPGRADE)
        answer = stream.head()
        assert (answer.status, answer.get("sec-websocket-accept")) == (101, ACCEPTED)
        for piece in pieces:
            sock.sendall(piece)
        while True:
            heard.append(next_frame(stream))
            if len(heard) == n_replies:
                sock.sendall(end())
    return heard
