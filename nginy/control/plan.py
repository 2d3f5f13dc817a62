"""What a configuration wants bound, and what that means for the sockets that are open now. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal

from nginy.backend.address import join_address, split_address
from nginy.model import BytesKey, Config, Listener, QuicCidKey, written_out

BindKind = Literal["tcp", "udp", "unix", "systemd"]
SLOTTED: tuple[BindKind, ...] = ("tcp", "udp")
"""Kinds with one socket per worker slot; of the others there is one for all workers."""


@dataclass(frozen=True, slots=True)
class BindWish:
    """One bind address of one listener.

    key: identity across reloads: the same key keeps its sockets, whichever listener it now belongs to.
    text: as configured; one port of a range carries the text of the whole.
    target: host for tcp and udp, path for unix, the name in LISTEN_FDNAMES for systemd.
    keepalive_s, defer_s: 0 = off.   fastopen: length of its queue, 0 = off.   congestion: empty for the system's.
    UDP has: rcvbuf in bytes.   steer_by: what decides on the worker, as steer.steer_program takes it.
    """

    key: str
    listener: str
    text: str
    kind: BindKind
    target: str
    port: int
    backlog: int
    keepalive_s: int
    defer_s: int = 0
    is_quickack: bool = True
    fastopen: int = 0
    congestion: str = ""
    rcvbuf: int = 0
    is_gro: bool = False
    steer_by: str = "tuple"
    steer_offset: int = 0
    steer_bytes: int = 0

    @property
    def where(self) -> str:
        """The one address that this is about."""
        return join_address(self.target, self.port) if self.kind == "udp" else self.text

    @property
    def is_of_range(self) -> bool:
        """One port of several that were written as one."""
        return self.kind == "udp" and "-" in self.text.rpartition(":")[2]

    @property
    def is_wildcard(self) -> bool:
        """UDP on every address of this machine: an answer has to name the one that was asked."""
        return self.kind == "udp" and ip_address(self.target.partition("%")[0]).is_unspecified


@dataclass(frozen=True, slots=True)
class BindPlan:
    """What to do with each key. `retune`: open already, but its listener or its options changed."""

    open: tuple[BindWish, ...]
    keep: tuple[str, ...]
    retune: tuple[BindWish, ...]
    close: tuple[str, ...]


def wanted_binds(config: Config) -> list[BindWish]:
    """Every bind of every listener, in the order of the configuration; a range of ports is one for each port."""
    wishes = []
    for name, listener in config.listeners.items():
        wishes_of = _udp_wishes if listener.protocol == "udp" else _stream_wishes
        for nth, text in enumerate(listener.bind):
            wishes += wishes_of(name, listener, nth, text)
    return wishes


def _stream_wishes(name: str, listener: Listener, nth: int, text: str) -> list[BindWish]:
    kind, target, port = split_bind(text)
    key = _picked_key(name, nth, text) if kind == "tcp" and port == 0 else text
    options = {} if kind == "unix" else _tcp_options(listener)
    keepalive_s = 0 if not listener.keepalive else max(1, round(listener.keepalive))
    return [BindWish(key, name, text, kind, target, port, listener.backlog, keepalive_s, **options)]


def _udp_wishes(name: str, listener: Listener, nth: int, text: str) -> list[BindWish]:
    wishes = []
    options = _udp_options(listener)
    for address in written_out(text):
        place = split_address(address)
        # TCP may have the same port, so its key has to be another one
        key = f"udp:{address if place.port else _picked_key(name, nth, address)}"
        wishes.append(BindWish(key, name, text, "udp", place.host, place.port, 0, 0, **options))
    return wishes


def _picked_key(name: str, nth: int, text: str) -> str:
    """The kernel picks the port anew for each, so only the place in the configuration tells them apart."""
    return f"{name}#{nth}={text}"


def _tcp_options(listener: Listener) -> dict[str, Any]:
    tcp = listener.tcp
    return {
        "defer_s": round(tcp.defer_accept or 0),
        "is_quickack": tcp.quickack,
        "fastopen": tcp.fastopen or 0,
        "congestion": tcp.congestion or "",
    }


def _udp_options(listener: Listener) -> dict[str, Any]:
    steer_by, offset, length = _steering(listener)
    return {
        "rcvbuf": listener.udp.rcvbuf,
        "is_gro": listener.udp.gro and _may_merge(listener),
        "steer_by": steer_by,
        "steer_offset": offset,
        "steer_bytes": length,
    }


def _may_merge(listener: Listener) -> bool:
    """Whether a run of datagrams may stand for one: not where each has a PROXY header, a key, a flow or a question."""
    session = listener.session
    is_single = session.requests is not None or session.responses == 0 or session.check != "none"
    return not is_single and listener.udp.proxy_protocol is None and not isinstance(session.key, BytesKey)


def _steering(listener: Listener) -> tuple[str, int, int]:
    key = listener.session.key
    if isinstance(key, BytesKey):
        return key.kind, key.offset, key.length
    # The server picks other ids during the handshake. By id these would meet a worker that knows nothing of the first
    # packets, and another backend; by address the worker stays the same, also when a NAT changes the client's port.
    return "source" if isinstance(key, QuicCidKey) else key.kind, 0, 0


def split_bind(text: str) -> tuple[BindKind, str, int]:
    """Errors: ValueError for a bind that is none of ip:port, [v6]:port, unix:/path, systemd:name."""
    if text.startswith("systemd:"):
        return "systemd", text.removeprefix("systemd:"), 0
    place = split_address(text)
    if place.path:
        return "unix", place.path, 0
    return "tcp", place.host, place.port


def plan_binds(held: Mapping[str, BindWish], wishes: Iterable[BindWish]) -> BindPlan:
    """Compare the wishes that the open sockets serve (by key) with the new ones."""
    wanted = {wish.key: wish for wish in wishes}
    return BindPlan(
        open=tuple(wish for key, wish in wanted.items() if key not in held),
        keep=tuple(key for key, wish in wanted.items() if held.get(key) == wish),
        retune=tuple(wish for key, wish in wanted.items() if key in held and held[key] != wish),
        close=tuple(key for key in held if key not in wanted),
    )
