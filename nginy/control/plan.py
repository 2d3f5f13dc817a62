"""What a configuration wants bound, and what that means for the sockets that are open now. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nginy.backend.address import split_address

if TYPE_CHECKING:
    from nginy.model import Config, Listener

BindKind = Literal["tcp", "unix", "systemd"]


@dataclass(frozen=True, slots=True)
class BindWish:
    """One bind address of one listener.

    key: identity across reloads: the same key keeps its sockets, whichever listener it now belongs to.
    target: host for tcp, path for unix, the name in LISTEN_FDNAMES for systemd.   keepalive_s, defer_s: 0 = off.
    fastopen: length of its queue, 0 = off.   congestion: empty for the system's.
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


@dataclass(frozen=True, slots=True)
class BindPlan:
    """What to do with each key. `retune`: open already, but its listener or its options changed."""

    open: tuple[BindWish, ...]
    keep: tuple[str, ...]
    retune: tuple[BindWish, ...]
    close: tuple[str, ...]


def wanted_binds(config: "Config") -> list[BindWish]:
    """Every bind of every listener, in the order of the configuration."""
    wishes = []
    for name, listener in config.listeners.items():
        for nth, text in enumerate(listener.bind):
            kind, target, port = split_bind(text)
            # the kernel picks the port anew for each, so only the place in the configuration tells them apart
            key = f"{name}#{nth}={text}" if kind == "tcp" and port == 0 else text
            options = {} if kind == "unix" else _tcp_options(listener)
            keepalive_s = 0 if not listener.keepalive else max(1, round(listener.keepalive))
            wishes.append(BindWish(key, name, text, kind, target, port, listener.backlog, keepalive_s, **options))
    return wishes


def _tcp_options(listener: "Listener") -> dict[str, Any]:
    tcp = listener.tcp
    return {
        "defer_s": round(tcp.defer_accept or 0),
        "is_quickack": tcp.quickack,
        "fastopen": tcp.fastopen or 0,
        "congestion": tcp.congestion or "",
    }


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
