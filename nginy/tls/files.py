"""A certificate and its key, read and looked at. Blocks on files; OpenSSL is needed."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass

from nginy._fast import certificates
from nginy.model import Cert

FILE_MAX_BYTES = 1 << 20
LIBRARY_HINT = "install it (Debian: apt install libssl3), or leave `tls` out"


class PairError(ValueError):
    """What is wrong with a certificate, its key, or the file of authorities. key: of the configuration.

    hint: how to mend it.
    """

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.hint = hint


@dataclass(slots=True)
class Pair:
    """names: in lower case, as the configuration says, else as the certificate does. Dates: seconds since the epoch.

    key: to be wiped by whoever holds it.
    """

    chain: bytes
    key: bytearray
    names: tuple[str, ...]
    not_before_s: float
    not_after_s: float

    def wipe(self) -> None:
        """Forget the key. Idempotent."""
        wipe(self.key)


def wipe(block: bytearray) -> None:
    """Zeros in place of what was there."""
    block[:] = bytes(len(block))


def read_pair(cert: Cert) -> Pair:
    """Errors: PairError."""
    chain = bytes(read_file("cert", cert.cert))
    names, not_before_s, not_after_s = _look(cert, chain)
    key = read_file("key", cert.key, is_secret=True)
    try:
        certificates.check_key(key)
    except ValueError as error:
        wipe(key)
        raise PairError("key", f"{cert.key} holds no private key that can be read without a password: {error}",
                        "give a PEM file without a password") from None
    pair = Pair(chain, key, cert.sni if cert.sni is not None else names, not_before_s, not_after_s)
    try:
        _check_match(cert, pair)
    except PairError:
        pair.wipe()
        raise
    return pair


def _look(cert: Cert, chain: bytes) -> tuple[tuple[str, ...], int, int]:
    try:
        return certificates.look(chain)
    except OSError as error:
        raise PairError("cert", str(error.strerror), LIBRARY_HINT) from None
    except ValueError as error:
        raise PairError("cert", f"{cert.cert} holds no certificate: {error}", "give it in PEM") from None


def _check_match(cert: Cert, pair: Pair) -> None:
    block = certificates.pack([(pair.chain, pair.key)], [], [])
    try:
        certificates.check(block)
    except ValueError as error:
        raise PairError("key", f"{cert.key} is not the key of {cert.cert}: {error}",
                        "give the key that the certificate was made for") from None
    finally:
        wipe(block)


def read_file(key: str, path: str, *, is_secret: bool = False) -> bytearray:
    """What a file holds. key: of the configuration, that names it. Errors: PairError."""
    try:
        with open(path, "rb", buffering=0) as file:
            mode = os.fstat(file.fileno()).st_mode
            if is_secret and stat.S_IMODE(mode) & stat.S_IROTH:
                raise PairError(key, f"{path} can be read by everybody", f"chmod o-r {path}")
            content = bytearray(FILE_MAX_BYTES + 1)
            n_bytes = _fill(file, content)
    except OSError as error:
        raise PairError(key, f"{path} cannot be read: {error.strerror}", "name a file that nginy may read") from None
    if n_bytes > FILE_MAX_BYTES:
        wipe(content)
        raise PairError(key, f"{path} is larger than 1 MiB", "a certificate and what leads to its authority suffice")
    del content[n_bytes:]
    return content


def _fill(file: object, content: bytearray) -> int:
    view, n_bytes = memoryview(content), 0
    while n_bytes < len(content) and (got := file.readinto(view[n_bytes:])):  # type: ignore[attr-defined]
        n_bytes += got
    view.release()
    return n_bytes


def is_expired(pair: Pair) -> bool:
    """By this machine's clock."""
    return pair.not_after_s <= time.time()
