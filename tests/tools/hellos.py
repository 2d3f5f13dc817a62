"""TLS ClientHello messages: made by the ssl module, and by hand where no honest client would make them."""

import contextlib
import ssl
import struct
from collections.abc import Sequence

GREASE = 0x2A2A
NAME, ALPN, PADDING = 0, 16, 21


def real_hello(name: str | None, alpn: Sequence[str] = (), most: ssl.TLSVersion | None = None) -> bytes:
    """What Python's ssl module sends first to a server of this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if most is not None:
        context.maximum_version = most
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def sized(part: bytes, n_length_bytes: int) -> bytes:
    """A part behind its length."""
    return len(part).to_bytes(n_length_bytes, "big") + part


def extension(kind: int, part: bytes) -> bytes:
    """One extension."""
    return struct.pack(">H", kind) + sized(part, 2)


def names_extension(*names: bytes, kind: int = 0) -> bytes:
    """A server_name extension with these names."""
    return extension(NAME, sized(b"".join(bytes([kind]) + sized(name, 2) for name in names), 2))


def alpn_extension(*protocols: bytes) -> bytes:
    """An ALPN extension with these protocols."""
    return extension(ALPN, sized(b"".join(sized(protocol, 1) for protocol in protocols), 2))


def message(
    extensions: bytes | None = b"", *, session: bytes = b"", suites: bytes = b"\x13\x01", kind: int = 1
) -> bytes:
    """A handshake message, without records. extensions: None for a hello that ends before them."""
    body = b"\x03\x03" + bytes(32) + sized(session, 1) + sized(suites, 2) + b"\x01\x00"
    if extensions is not None:
        body += sized(extensions, 2)
    return bytes([kind]) + sized(body, 3)


def records(handshake: bytes, *sizes: int, version: bytes = b"\x03\x01", kind: int = 22) -> bytes:
    """The message in records of these sizes, the last one with the rest."""
    parts, at = [], 0
    for size in sizes:
        parts.append(handshake[at : at + size])
        at += size
    parts.append(handshake[at:])
    return b"".join(bytes([kind]) + version + sized(part, 2) for part in parts if part)


def hello(*names: bytes) -> bytes:
    """A small hello with these names, in one record."""
    return records(message(names_extension(*names) if names else b""))
