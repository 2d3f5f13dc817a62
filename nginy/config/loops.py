"""Backends that are nginy itself: a session that comes back to its own listener goes round until all is used up."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Container, Iterable
from typing import NamedTuple

from nginy.config.groups import leaves_of
from nginy.config.read import Met
from nginy.config.transport import protocols_of
from nginy.config.tree import Path, Problems
from nginy.model import Backend, Listener, written_out

_WILDCARDS = {"0.0.0.0": 4, "[::]": 6}
_LOCALHOST = frozenset((*_WILDCARDS, "127.0.0.1", "[::1]"))


class _Step(NamedTuple):
    """A backend of a pool that is where a listener of ours listens."""

    pool: str
    backend: Met
    listener: Met


def check_loops(met: Iterable[Met], problems: Problems) -> None:
    """Note each backend through which a session would come back by the same protocol. met: all mappings that were read.

    nginy in front of nginy is fine as long as the way ends; what only a look-up of names tells is not seen here.
    """
    known = list(met)
    protocols = protocols_of(known)
    reached = leaves_of(known)
    for is_udp in (False, True):
        steps = _steps(known, {path for path, spoken in protocols.items() if (spoken == "udp") == is_udp})
        for pool, backend, listener in steps:
            if _is_reached(reached(listener), pool, steps, reached):
                address, name = backend.values["address"], listener.path[-1]
                where = f"{address} is where listener {name!r} listens"
                message = f"{where}, which leads back here: sessions would never end"
                problems.add(backend.place_of("address"), backend.path_of("address"), message)


def _steps(met: list[Met], listeners: Container[Path]) -> list[_Step]:
    by_port: dict[str, list[tuple[str, Met]]] = {}
    for entry in met:
        if entry.path in listeners and entry.model is Listener and "bind" in entry.values:
            for bind in entry.values["bind"]:
                for address in written_out(bind):
                    by_port.setdefault(_port_of(address), []).append((address, entry))
    steps = []
    for entry in met:
        if entry.model is Backend and "address" in entry.values:
            address = entry.values["address"]
            near = by_port.get(_port_of(address), ())
            listener = next((listener for bind, listener in near if _leads_to(address, bind)), None)
            if listener is not None:
                steps.append(_Step(str(entry.path[1]), entry, listener))
    return steps


def _is_reached(start: list[str], wanted: str, steps: list[_Step], reached: Callable[[Met], list[str]]) -> bool:
    """Whether sessions of the pools `start` may come to the pool `wanted`, through listeners of ours."""
    seen: set[str] = set()
    to_see = list(start)
    while to_see:
        pool = to_see.pop()
        if pool == wanted:
            return True
        if pool not in seen:
            seen.add(pool)
            to_see += [name for step in steps if step.pool == pool for name in reached(step.listener)]
    return False


def _port_of(address: str) -> str:
    return address if address.startswith(("unix:", "systemd:")) else address.rpartition(":")[2]


def _leads_to(address: str, bind: str) -> bool:
    """Whether connecting to the address surely ends at this bind of the same port."""
    if address == bind:
        return True
    host, bound_host = address.rpartition(":")[0], bind.rpartition(":")[0]
    if host.rstrip(".") == "localhost":
        return bound_host in _LOCALHOST
    family = _WILDCARDS.get(bound_host)
    return family is not None and (host == bound_host or _is_loopback(host, family))


def _is_loopback(host: str, family: int) -> bool:
    try:
        found = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return found.version == family and found.is_loopback
