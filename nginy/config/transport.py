"""What belongs to TCP and what to UDP: keys and binds of a listener that only one of the two has."""

from __future__ import annotations

from collections.abc import Iterator

from nginy.config.read import Cited, Met
from nginy.config.tree import Mapping, Node, Path, Problems, Scalar
from nginy.model import DATAGRAM_BINDS_MAX, Listener

INHERITED_KEYS = ("half_close", "keepalive", "splice")
"""Keys of listeners that `defaults` may give; all of them are TCP's."""
TCP_TIMEOUTS = ("handshake", "connect", "idle", "half_close")
HTTP_TIMEOUTS = ("head", "keep_alive", "body", "response", "request")
UDP_LIMITS = ("flows_per_source", "flow_rate_per_source", "flow_rate", "datagram_rate", "bandwidth")
HTTP_LIMITS = ("head", "fields", "target", "body", "requests", "request_rate")

_IDLE_HINT = "remove it; `session.idle` ends flows that are silent"
_UDP_HINT = "write `protocol: udp`, or remove it"
_TCP_KEYS = {
    "half_close": "remove it; datagrams have no end that could be passed on",
    "backlog": "remove it; `udp.rcvbuf` says how much may wait",
    "keepalive": _IDLE_HINT,
    "splice": "remove it; datagrams are never spliced",
    "routes": "give it a `pool`; datagrams have no server name",
    "preread": "remove it; a datagram is there as a whole when a backend is chosen",
    "tcp": "remove it; sockets for datagrams are set under `udp`",
    "tls": "remove it; datagrams are passed on as they are",
}
_HTTP_KEYS = {
    "half_close": "remove it; a client of HTTP that has finished sending is gone",
}
_UDP_KEYS = {
    "session": _UDP_HINT + "; TCP sessions end by `timeouts`",
    "udp": _UDP_HINT + "; sockets of TCP are set under `tcp`",
}


def speaks(listener: Mapping, name: str) -> bool:
    """Whether a listener, as written, has this protocol, other than the usual one."""
    protocol = listener.entries.get("protocol")
    return isinstance(protocol, Scalar) and protocol.value == name


def protocols_of(met: list[Met]) -> dict[Path, str]:
    """Path of each listener to its protocol; without those whose protocol could not be read."""
    found: dict[Path, str] = {}
    for entry in met:
        if entry.model is not Listener or not isinstance(entry.node, Mapping):
            continue
        if "protocol" in entry.values or "protocol" not in entry.node.entries:
            found[entry.path] = entry.values.get("protocol", "tcp")
    return found


def check_keys(met: list[Met], problems: Problems) -> None:
    """Note each key that the protocol of its listener has no use for."""
    protocols = protocols_of(met)
    for entry in met:
        if entry.model is not Listener or entry.path not in protocols or not isinstance(entry.node, Mapping):
            continue
        protocol = protocols[entry.path]
        for section, key, hint in _foreign_keys(protocol):
            inside = entry.node.entries.get(section) if section else entry.node
            if isinstance(inside, Mapping) and not _is_empty(inside.entries.get(key)):
                other = _owner_of(section, key)
                path = (*entry.path, section, key) if section else (*entry.path, key)
                message = f"`{key}` is for {other}; this listener has `protocol: {protocol}`"
                problems.add(inside.keys[key], path, message, hint)


def check_binds(cited: list[Cited], met: list[Met], problems: Problems) -> bool:
    """Note binds that their protocol cannot have. False when there are too many to be written out."""
    protocols = protocols_of(met)
    n_ports = 0
    for bind in cited:
        if bind.kind != "bind":
            continue
        protocol = protocols.get(bind.path[:2], "")
        trouble = _bind_trouble(bind.value, protocol)
        if trouble:
            problems.add(bind.place, bind.path, *trouble)
        if protocol != "udp" and trouble is None:
            continue
        before, n_ports = n_ports, n_ports + _n_ports(bind.value)
        if before <= DATAGRAM_BINDS_MAX < n_ports and trouble is None:
            message = f"with it, the UDP listeners have {n_ports} ports; at most {DATAGRAM_BINDS_MAX} are allowed"
            problems.add(bind.place, bind.path, message, "make the ranges smaller")
    return n_ports <= DATAGRAM_BINDS_MAX


def _foreign_keys(protocol: str) -> Iterator[tuple[str, str, str]]:
    """Section, key and hint of what a listener of this protocol cannot have."""
    for key, hint in (_TCP_KEYS if protocol == "udp" else _UDP_KEYS).items():
        yield "", key, hint
    if protocol == "http":
        yield from (("", key, hint) for key, hint in _HTTP_KEYS.items())
    else:
        yield from (("timeouts", key, "write `protocol: http`, or remove it") for key in HTTP_TIMEOUTS)
        yield from (("limits", key, "write `protocol: http`, or remove it") for key in HTTP_LIMITS)
    if protocol == "udp":
        yield from (("timeouts", key, _IDLE_HINT) for key in TCP_TIMEOUTS)
    else:
        yield from (("limits", key, _UDP_HINT + "; `sessions` caps TCP too") for key in UDP_LIMITS)


def _owner_of(section: str, key: str) -> str:
    """The protocol that a key is for."""
    if key in {"timeouts": HTTP_TIMEOUTS, "limits": HTTP_LIMITS}.get(section, ()):
        return "HTTP"
    return "UDP" if key in _UDP_KEYS or key in UDP_LIMITS else "TCP"


def _bind_trouble(bind: str, protocol: str) -> tuple[str, str] | None:
    if protocol == "udp" and bind.startswith(("unix:", "systemd:")):
        kind = bind.partition(":")[0]
        return f"UDP listens on IP addresses only, and {bind} is a {kind} socket", "write ip:port, :port or [v6]:port"
    if protocol != "udp" and _n_ports(bind) > 1:
        return f"{bind} is a range of ports, which only `protocol: udp` has", "give a list of addresses"
    return None


def _n_ports(bind: str) -> int:
    first, dash, last = bind.rpartition(":")[2].partition("-")
    return int(last) - int(first) + 1 if dash and not bind.startswith(("unix:", "systemd:")) else 1


def _is_empty(node: Node | None) -> bool:
    """Whether a key is not there, or says nothing."""
    if isinstance(node, Mapping):
        return not node.entries
    return node is None or isinstance(node, Scalar) and node.value is None and not node.is_broken
