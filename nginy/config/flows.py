"""What a UDP listener asks of its pool: backends that datagrams can reach, sockets that may be shared, servers' ids."""

from __future__ import annotations

from typing import NamedTuple

from nginy.config.groups import leaves_of
from nginy.config.read import Met
from nginy.config.tree import Mapping, Problems
from nginy.config.words import hint_for
from nginy.model import Backend, CidServer, Listener, Pool, Session

_SHOWN = 6


class _Use(NamedTuple):
    """A UDP listener with the pools that serve it, those of a group. is_known: all of them could be read."""

    listener: Met
    pools: list[Met]
    backends: list[Met]
    is_known: bool


def check_flows(met: list[Met], problems: Problems) -> None:
    """Note what UDP listeners and their pools cannot do together. met: all mappings that were read."""
    uses = _uses(met)
    for use in uses.values():
        _check_paths(use, problems)
        _check_agreement(use, problems)
    for entry in met:
        name = str(entry.path[1]) if entry.path[:1] == ("listeners",) else ""
        if name in uses and entry.model is Session:
            _check_reuse(entry, uses[name], problems)
        if name in uses and entry.model is CidServer:
            _check_ids(entry, uses[name], problems)


def _uses(met: list[Met]) -> dict[str, _Use]:
    pools = {entry.path[1]: entry for entry in met if entry.model is Pool}
    backends: dict[object, list[Met]] = {}
    for entry in met:
        if entry.model is Backend:
            backends.setdefault(entry.path[1], []).append(entry)
    reached = leaves_of(met)
    uses = {}
    for entry in met:
        if entry.model is Listener and entry.values.get("protocol") == "udp" and entry.says("pool"):
            names = reached(entry)
            known = [pools[name] for name in names if name in pools]
            theirs = [backend for name in names for backend in backends.get(name, ())]
            uses[str(entry.path[1])] = _Use(entry, known, theirs, len(known) == len(names))
    return uses


def _check_paths(use: _Use, problems: Problems) -> None:
    for backend in use.backends:
        address = backend.values.get("address", "")
        if address.startswith("unix:"):
            listener = use.listener.path[1]
            message = f"{address} is in the pool of the UDP listener {listener!r}, and UDP reaches host:port only"
            hint = "give that listener a pool of its own"
            problems.add(backend.place_of("address"), backend.path_of("address"), message, hint)


def _check_agreement(use: _Use, problems: Problems) -> None:
    """Whether a client's own address is the source is one question for all flows of a listener."""
    wishes = {pool.values["udp"].transparent if "udp" in pool.values else False for pool in use.pools}
    if len(wishes) > 1:
        message = "`udp.transparent` is on in some pools of this group and off in others; a UDP listener needs it alike"
        hint = "set it alike in all of them"
        problems.add(use.listener.place_of("pool"), use.listener.path_of("pool"), message, hint)


def _check_reuse(session: Met, use: _Use, problems: Problems) -> None:
    backs = [pool.values["udp"] for pool in use.pools if "udp" in pool.values]
    if session.values.get("reuse") and any(back.transparent for back in backs):
        message = "a socket with one client's address as its source cannot serve another client"
        hint = f"turn `reuse` off, or `udp.transparent` of the pool {use.listener.values['pool']!r}"
        problems.add(session.place_of("reuse"), session.path_of("reuse"), message, hint)


def _check_ids(server: Met, use: _Use, problems: Problems) -> None:
    """Every id means a backend of the pool."""
    known = [backend.values["address"] for backend in use.backends if "address" in backend.values]
    ids = server.node.entries.get("map") if isinstance(server.node, Mapping) else None
    if not use.is_known or not isinstance(ids, Mapping):
        return
    taken = set(known)
    for id, node in ids.entries.items():
        address = server.values.get("map", {}).get(id.lower())
        if address is not None and address not in taken:
            message = f"the pool {use.listener.values['pool']!r} has no backend {address}"
            problems.add(node.place, (*server.path, "map", id), message, _hint(address, known))


def _hint(address: str, known: list[str]) -> str:
    return f"backends: {', '.join(known)}" if 0 < len(known) <= _SHOWN else hint_for("", address, known)
