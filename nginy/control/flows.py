"""How many UDP flows can live at once, what sets that bound, and the memory that their tables can take. Pure."""

from dataclasses import dataclass

from nginy._fast import door
from nginy.control.limits import Room
from nginy.model import Config, Listener

ENTRY_BYTES = 72
"""Of a table: an entry, and its share of a bucket."""
FLOW_BYTES = door.FLOW_BYTES
BINDING_BYTES = 8
SOURCE_BYTES = 24


@dataclass(frozen=True, slots=True)
class FlowBound:
    """flows: live ones at most, over all workers.   by: the bound that is reached first.

    table_bytes: that its tables take over all workers when they are full.
    """

    listener: str
    flows: int
    by: str
    table_bytes: int


def flow_bounds(config: Config, room: Room, ports: tuple[int, int]) -> list[FlowBound]:
    """One for each UDP listener. ports: first and last source port that the kernel picks.

    A socket that the kernel picks a port for gets one that no other UDP socket has, whatever the backend and the IP
    version, so all listeners share these.
    """
    found = []
    for name, listener in config.listeners.items():
        if listener.protocol == "udp":
            bounds = _bounds(config, listener, room, ports[1] - ports[0] + 1)
            by = min(bounds, key=lambda bound: bounds[bound])
            found.append(FlowBound(name, bounds[by], by, table_bytes(listener) * room.workers))
    return found


def _bounds(config: Config, listener: Listener, room: Room, n_ports: int) -> dict[str, int]:
    """By name; the first of several that are equal is the one to tell."""
    bounds = {"session.max": listener.session.max * room.workers}
    if listener.limits.sessions is not None:
        bounds["limits.sessions"] = listener.limits.sessions
    bounds["descriptors"] = room.flows * room.workers
    if not any(config.pools[name].udp.transparent for name in config.leaves(*listener.pools)):
        bounds["source ports"] = n_ports
    return bounds


def table_bytes(listener: Listener) -> int:
    """Of one worker: its flows, the backends that keys stand for, and what is known of each client address."""
    limits, n = listener.limits, listener.session.max
    total = n * (ENTRY_BYTES + FLOW_BYTES)
    if listener.session.key.kind != "tuple":
        total += n * (ENTRY_BYTES + BINDING_BYTES)
    if limits.flows_per_source is not None or limits.flow_rate_per_source is not None:
        total += n * (ENTRY_BYTES + SOURCE_BYTES)
    return total
