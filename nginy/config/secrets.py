"""Secrets of sticky cookies: read from their files with the configuration, and never told."""

from __future__ import annotations

import os
from stat import S_IRWXO, S_ISREG

from nginy.config.groups import leaves_of
from nginy.config.read import Met
from nginy.config.tree import Mapping, Problems
from nginy.config.units import UnitError
from nginy.model import Listener, Pool
from nginy.model.sticky import SECRET_LEAST_BYTES, SECRET_MOST_BYTES, StickyBase

_MAKE = "make one with: (umask 077; head -c 32 /dev/urandom | base64 > {})"


def check_sticky(met: list[Met], problems: Problems) -> None:
    """Lay secrets into the models that have been built; note files that hold none, and cookies for no HTTP."""
    for entry in met:
        if not issubclass(entry.model, StickyBase):
            continue
        if entry.values.get("secret_file") is not None:
            _take(entry, problems)
        elif isinstance(entry.built, StickyBase) and not entry.says("secret_file"):
            message = "without `secret_file` cookies mean nothing to other machines, nor after a restart"
            problems.warn(entry.node.place, entry.path, message, _MAKE.format("sticky.secret"))
    _check_listeners(met, problems)


def _take(entry: Met, problems: Problems) -> None:
    try:
        secret = _read(entry.values["secret_file"])
    except UnitError as error:
        problems.add(entry.place_of("secret_file"), entry.path_of("secret_file"), str(error), error.hint)
        return
    if isinstance(entry.built, StickyBase):
        entry.built._secret = secret


def _read(path: str) -> bytes:
    """Errors: UnitError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            content = file.read(SECRET_MOST_BYTES + 1) if S_ISREG(mode) else b""
    except OSError as error:
        hint = _MAKE.format(path) if isinstance(error, FileNotFoundError) else ""
        raise UnitError(f"{path} cannot be read: {error.strerror}", hint) from None
    if not S_ISREG(mode):
        raise UnitError(f"{path} is no file")
    if mode & S_IRWXO:
        hint = f"chmod 600 {path}, and put another secret into it"
        raise UnitError(f"{path} is open to others (mode {mode & 0o777:o})", hint)
    secret = content.rstrip(b"\r\n")
    if not SECRET_LEAST_BYTES <= len(secret) <= SECRET_MOST_BYTES:
        found = f"{len(secret)} bytes" if len(secret) <= SECRET_MOST_BYTES else "more"
        message = f"{path} holds {found}; a secret has {SECRET_LEAST_BYTES} to {SECRET_MOST_BYTES}"
        raise UnitError(message, _MAKE.format(path))
    return secret


def _check_listeners(met: list[Met], problems: Problems) -> None:
    """Only HTTP has cookies."""
    pools = {entry.path[1]: entry for entry in met if entry.model is Pool and entry.path[:1] == ("pools",)}
    reached = leaves_of(met)
    for entry in met:
        if entry.model is not Listener or entry.values.get("protocol", "tcp") == "http":
            continue
        if isinstance(entry.node, Mapping) and "protocol" in entry.node.entries and "protocol" not in entry.values:
            continue
        for name in reached(entry):
            if name in pools and pools[name].values.get("sticky") is not None:
                protocol = entry.values.get("protocol", "tcp")
                message = f"the listener {entry.path[1]!r} (`protocol: {protocol}`) leads here, and has no cookies"
                hint = "write `protocol: http` there, or give this listener a pool of its own"
                problems.add(pools[name].place_of("sticky"), pools[name].path_of("sticky"), message, hint)
