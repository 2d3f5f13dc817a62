"""Certificates of the running configuration: read when wanted, watched, and handed to workers in a sealed block.

Keys are in control's memory only while a block is made; then they are in the block alone, which stays open for
workers that come later.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nginy._fast import door
from nginy.control.ids import Ids
from nginy.control.seal import seal
from nginy.errors import NginyError
from nginy.model import Cert, Config

if TYPE_CHECKING:
    from nginy.tls.files import Pair

TICKET_AGE_S = 3600.0  # then a fresh key makes tickets; those before it are accepted for as long twice

Stamp = tuple[int, int, int] | None
"""Of a file: inode, time of its last change, size; None when it is not there."""


class CertificatesError(NginyError, ValueError):
    """Certificates that cannot be used."""


@dataclass(frozen=True, slots=True)
class CertsRef:
    """A sealed block. number: no other block of this control has it.   fd: borrowed from Certificates."""

    number: int
    fd: int


class Certificates:
    """Owns the block. Loop's thread only. emit(kind, level=…, **fields): for events.

    forbids_dumps: no image of this process is left when it dies, once it has read a key.
    """

    def __init__(self, emit: Callable[..., object], *, forbids_dumps: bool) -> None:
        self._emit = emit
        self._forbids_dumps = forbids_dumps
        self._tickets: list[bytes] = []
        self._ticket_s = 0.0
        self._ref: CertsRef | None = None
        self._stale: list[int] = []
        self._made_of: Any = None  # what the block says, but for contents of files
        self._round = 0  # how often files or tickets have changed
        self._stamps: dict[str, Stamp] = {}
        self._refused: dict[str, Stamp] = {}  # files as they were when they could not be used
        self._doubted: dict[str, Stamp] = {}  # the same, once: a pair is replaced one file after the other
        self.expiry_s: Mapping[str, float] = {}
        self.refusals = 0

    def ref(self, config: Config, ids: Ids) -> CertsRef | None:
        """The block of a configuration; None when none was ever wanted. Errors: CertificatesError; OSError."""
        fronts = tuple(
            (name, ids.listener(name), entry.tls, entry.protocol)
            for name, entry in config.listeners.items() if entry.tls is not None
        )  # fmt: skip
        made_of = (fronts, used_certs(config), self._round)
        if not fronts and self._ref is None or made_of == self._made_of:
            return self._ref
        self._stamps = {path: stamp_of(path) for path in files_of(config)}
        block, expiry_s = self._read(config, ids)
        try:
            fresh = CertsRef(self._ref.number + 1 if self._ref is not None else 1, seal(block, "nginy-certs"))
        finally:
            block[:] = bytes(len(block))
        self._stale += [self._ref.fd] if self._ref is not None else []
        self._ref, self._made_of, self.expiry_s = fresh, made_of, expiry_s
        return fresh

    def settle(self) -> None:
        """The last one is sent: close those before it."""
        while self._stale:
            os.close(self._stale.pop())

    def close(self) -> None:
        """Idempotent."""
        self._stale += [self._ref.fd] if self._ref is not None else []
        self._ref = None
        self.settle()

    def look(self, config: Config, ids: Ids) -> bool:
        """Whether files, or the age of tickets, ask for a fresh block. Files that cannot be used are told of once.

        Blocks on files that have changed.
        """
        if self._ref is None or not self._stamps:
            return False
        if time.monotonic() - self._ticket_s >= TICKET_AGE_S:
            self._round += 1
            return True
        now = {path: stamp_of(path) for path in self._stamps}
        if now == self._stamps or now == self._refused:
            return False
        try:
            block, _ = self._read(config, ids)
        except (CertificatesError, OSError) as error:
            if now != self._doubted:
                self._doubted = now
                return False
            self._refused = now
            self.refusals += 1
            self._emit("certificates_refused", level="error", why=str(error))
            return False
        block[:] = bytes(len(block))
        self._round += 1
        self._emit("certificates_changed", files=sorted(path for path in now if now[path] != self._stamps[path]))
        return True

    def _turn_tickets(self) -> None:
        from nginy._fast.certificates import TICKET_BYTES, TICKET_KEYS

        now_s = time.monotonic()
        if not self._tickets or now_s - self._ticket_s >= TICKET_AGE_S:
            self._tickets = [secrets.token_bytes(TICKET_BYTES), *self._tickets][:TICKET_KEYS]
            self._ticket_s = now_s

    def _read(self, config: Config, ids: Ids) -> tuple[bytearray, dict[str, float]]:
        """The block, which the caller wipes, and when each certificate expires."""
        from nginy.tls.block import pack_all
        from nginy.tls.files import read_pair

        self._turn_tickets()
        if self._forbids_dumps:
            door.forbid_dumps()
        pairs: dict[str, Pair] = {}
        try:
            for name, cert in used_certs(config).items():
                pairs[name] = read_pair(cert)
            block = pack_all(config.listeners, ids.listener, pairs, self._tickets)
            return block, {name: pair.not_after_s for name, pair in pairs.items()}
        except ValueError as error:
            raise CertificatesError(f"certificates cannot be used: {error}") from error
        finally:
            for pair in pairs.values():
                pair.wipe()


def used_certs(config: Config) -> dict[str, Cert]:
    """Those that some listener names, each once."""
    fronts = [entry.tls for entry in config.listeners.values() if entry.tls is not None]
    named = dict.fromkeys(cert for front in fronts for cert in front.certs)
    return {name: config.tls.certs[name] for name in named}


def files_of(config: Config) -> list[str]:
    """All that the block is made of."""
    certs = used_certs(config).values()
    clients = [entry.tls.client for entry in config.listeners.values() if entry.tls is not None]
    return [path for cert in certs for path in (cert.cert, cert.key)] + [
        client.ca for client in clients if client is not None]


def stamp_of(path: str) -> Stamp:
    """How a file looks from outside."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
