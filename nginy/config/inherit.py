"""`defaults`, outer to inner: pools and listeners with what they do not say themselves filled in. Pure.

Nodes keep their marks: a value that came from `defaults` points there. Only what could be read is passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from nginy.config.read import Met
from nginy.config.transport import HTTP_LIMITS, HTTP_TIMEOUTS, INHERITED_KEYS, TCP_TIMEOUTS, UDP_LIMITS, speaks
from nginy.config.tree import Mapping, Node, Path, Scalar, copy_of
from nginy.model import Defaults, HealthCheck

_POOL_KEYS = ("policy", "resolve")


def inheritance(path: Path, met: list[Met]) -> Callable[[Node], Node]:
    """What to do with each entry of the pools or listeners at path. met: all that was read before."""
    outer = _readable_defaults(met)
    if path == ("listeners",):
        return lambda node: _listener(node, outer) if isinstance(node, Mapping) else node
    return lambda node: _pool(node, outer) if isinstance(node, Mapping) else node


def _readable_defaults(met: list[Met]) -> dict[str, Node]:
    """The keys of `defaults` that could be read; of a check that could not, the kind pools may count on."""
    for entry in met:
        if entry.model is Defaults and isinstance(entry.node, Mapping):
            readable = {key: node for key, node in entry.node.entries.items() if key in entry.values}
            if "health" in entry.node.entries and "health" not in readable:
                readable["health"] = _kind_of(entry.node.entries["health"])
            return readable
    return {}


def _kind_of(health: Node) -> Node:
    health = _with_kind(health)
    kind = health.entries.get("kind") if isinstance(health, Mapping) else None
    if isinstance(kind, Scalar) and kind.value in ("tcp", "dns", "udp"):
        return Scalar(kind.value, health.place)
    return Scalar("http", health.place)


def _listener(node: Mapping, outer: dict[str, Node]) -> Mapping:
    """Completed by what means something for its protocol: the rest of `defaults` is for other listeners."""
    keys: tuple[str, ...] = INHERITED_KEYS
    foreign: dict[str, tuple[str, ...]] = {"limits": UDP_LIMITS + HTTP_LIMITS, "timeouts": HTTP_TIMEOUTS}
    if speaks(node, "udp"):
        keys, foreign = (), {"limits": HTTP_LIMITS, "timeouts": TCP_TIMEOUTS + HTTP_TIMEOUTS}
    elif speaks(node, "http"):
        foreign = {"limits": UDP_LIMITS}
    full = _with_missing(node, outer, keys)
    for section in ("timeouts", "limits"):
        theirs = outer.get(section)
        if isinstance(theirs, Mapping):
            theirs = copy_of(theirs, theirs.entries.keys() - set(foreign.get(section, ())))
        if theirs is not None:
            _put(full, section, _overlay(theirs, full.entries.get(section)))
    return full


def _pool(node: Mapping, outer: dict[str, Node]) -> Mapping:
    if "of" in node.entries:  # all that defaults could say belongs to its members
        return copy_of(node)
    full = _with_missing(node, outer, _POOL_KEYS)
    if "health" in outer:
        _put(full, "health", _health(outer["health"], full.entries.get("health")))
    return full


def _health(outer: Node, inner: Node | None) -> Node:
    """The check of a pool. Another kind than the default's takes over only the keys that all kinds have."""
    if inner is None:
        return outer
    outer, inner = _with_kind(outer), _with_kind(inner)
    if not isinstance(outer, Mapping) or not isinstance(inner, Mapping):
        return inner
    mine, theirs = inner.entries.get("kind"), outer.entries.get("kind")
    is_same = (
        mine is None or isinstance(mine, Scalar) and isinstance(theirs, Scalar) and mine.value == theirs.value
    )
    return _overlay(outer if is_same else copy_of(outer, HealthCheck.model_fields), inner)


def _with_kind(node: Node) -> Node:
    """The mapping that a plain kind stands for; other nodes as they are."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or node.value == "off":
        return node
    mapping = Mapping(node.place)
    mapping.put("kind", node.place, node)
    return mapping


def _overlay(outer: Node, inner: Node | None) -> Node:
    """The inner mapping, completed by the outer one; an inner one that is no mapping stays as it is."""
    if inner is None or _is_null(inner):
        return outer
    if not isinstance(outer, Mapping) or not isinstance(inner, Mapping):
        return inner
    full = _with_missing(inner, outer.entries, outer.entries)
    for key, value in outer.entries.items():
        if isinstance(value, Mapping) and key in inner.entries:
            _put(full, key, _overlay(value, inner.entries[key]))
    return full


def _with_missing(node: Mapping, outer: dict[str, Node], keys: Container[str]) -> Mapping:
    full = copy_of(node)
    for key, value in outer.items():
        if key in keys and key not in full.entries:
            _put(full, key, value)
    return full


def _put(mapping: Mapping, key: str, node: Node) -> None:
    mapping.put(key, mapping.keys.get(key, node.place), node)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
