"""The block of certificates that workers get: of all listeners with TLS, with keys for session tickets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nginy._fast import certificates
from nginy.model import FrontTls, Listener
from nginy.tls.files import Pair, read_file, wipe

HTTP_ALPN = ("http/1.1",)


@dataclass(slots=True)
class FrontRow:
    """A listener, as the stub of `_fast.certificates` says. names: (name, position of its certificate)."""

    listener: int
    cert: int
    names: Sequence[tuple[str, int]]
    session_id: bytes
    min_version: str = "1.2"
    ciphers: str = ""
    suites: str = ""
    authorities: bytes = b""
    alpn: Sequence[str] = ()
    verify: str = "off"
    is_strict: bool = False


def front_row(number: int, name: str, listener: Listener, pairs: Mapping[str, Pair]) -> FrontRow:
    """pairs: by name of the certificate, in the order of the block. Errors: KeyError; PairError for the authorities."""
    tls = listener.tls
    assert tls is not None
    positions = {cert: at for at, cert in enumerate(pairs)}
    authorities = bytes(read_file("ca", tls.client.ca)) if tls.client is not None else b""
    names: dict[str, int] = {}
    for cert in tls.certs:
        for server in pairs[cert].names:
            names.setdefault(server, positions[cert])
    return FrontRow(
        listener=number,
        cert=positions[tls.certs[0]],
        names=list(names.items()),
        session_id=_session_id(name, tls, authorities),
        min_version=tls.min,
        ciphers=tls.ciphers or "",
        suites=tls.suites or "",
        authorities=authorities,
        alpn=HTTP_ALPN if listener.protocol == "http" else tls.alpn,
        verify=tls.client.verify if tls.client is not None else "off",
        is_strict=tls.strict,
    )


def _session_id(name: str, tls: FrontTls, authorities: bytes) -> bytes:
    """A session that was begun under other rules for clients is not resumed."""
    rules = repr((name, tls.client.verify if tls.client is not None else None, hashlib.sha256(authorities).digest()))
    return hashlib.sha256(rules.encode()).digest()[: certificates.SESSION_ID_BYTES]


def pack_all(
    listeners: Mapping[str, Listener],
    number_of: Callable[[str], int],
    pairs: Mapping[str, Pair],
    tickets: Iterable[bytes],
) -> bytearray:
    """The block, which the caller wipes. Errors: ValueError for what OpenSSL does not take; PairError is one."""
    fronts = [
        front_row(number_of(name), name, listener, pairs)
        for name, listener in listeners.items() if listener.tls is not None
    ]  # fmt: skip
    block = certificates.pack([(pair.chain, pair.key) for pair in pairs.values()], fronts, list(tickets))
    try:
        certificates.check(block)
    except BaseException:
        wipe(block)
        raise
    return block
