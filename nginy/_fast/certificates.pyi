"""Certificates: what OpenSSL says of them, and the block that workers get."""

from collections.abc import Sequence
from typing import Protocol

VERSIONS: dict[str, int]
VERIFY: dict[str, int]
TICKET_BYTES: int
TICKET_KEYS: int
SESSION_ID_BYTES: int
MISSING: str
TOO_OLD: str

class FrontRow(Protocol):
    """A listener. cert: position of the certificate for whoever names none. names: (name, position), lower case,
    `*.example.org` for one label in front. session_id: SESSION_ID_BYTES. authorities: PEM. verify: of VERIFY.
    ciphers, suites: empty for the usual ones."""

    listener: int
    cert: int
    names: Sequence[tuple[str, int]]
    session_id: bytes
    min_version: str
    ciphers: str
    suites: str
    authorities: bytes
    alpn: Sequence[str]
    verify: str
    is_strict: bool

def load() -> None:
    """Find OpenSSL. Errors: OSError when it is not there."""

def look(chain: bytes) -> tuple[tuple[str, ...], int, int]:
    """Names, begin and end of the first certificate of a PEM text; seconds since the epoch.

    Errors: ValueError, OSError."""

def check_key(key: bytearray | bytes) -> None:
    """Errors: ValueError when a PEM text holds no private key that can be read without a password; OSError."""

def pack(
    certs: Sequence[tuple[bytes, bytearray | bytes]], fronts: Sequence[FrontRow], tickets: Sequence[bytes]
) -> bytearray:
    """The block: chain and key of each certificate as PEM; keys for tickets, newest first. The caller wipes it.

    Errors: ValueError for a field out of range."""

def check(block: bytearray | bytes) -> None:
    """Make what a worker will make of it, and drop that again.

    Errors: ValueError for what OpenSSL does not take; OSError."""
