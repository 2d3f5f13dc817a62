"""Two models to a list of typed changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from nginy.config.plain import plain_value
from nginy.config.shape import keys_of
from nginy.model import Backend, Config, Listener, Model, Pool

ChangeKind: TypeAlias = Literal[
    "runtime_changed",
    "admin_changed",
    "tls_changed",
    "pool_added",
    "pool_removed",
    "pool_changed",
    "backend_added",
    "backend_removed",
    "backend_changed",
    "listener_added",
    "listener_removed",
    "listener_rebound",
    "listener_changed",
]

# What is fixed when workers and the control socket are made: a reload cannot bring these.
_NEEDS_RESTART = {
    "runtime": frozenset(
        ("workers", "affinity", "spin", "user", "group", "pid_file", "buffers", "pipes", "policy_memory", "sessions")
    ),
    "admin": frozenset(("socket", "http")),
}


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key with both its values, as people write them."""

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.key} {_said(self.old)} -> {_said(self.new)}"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs. path: `listeners.web`; name: of the pool or listener; address: of the backend.

    keys: what differs in a changed object.   needs_restart: a reload leaves it as it was.
    """

    kind: ChangeKind
    path: str
    name: str = ""
    address: str = ""
    keys: tuple[KeyChange, ...] = ()
    needs_restart: bool = False

    def __str__(self) -> str:
        subject = " ".join(part for part in (self.path, self.address) if part)
        keys = f": {', '.join(map(str, self.keys))}" if self.keys else ""
        restart = " (needs a restart)" if self.needs_restart else ""
        return f"{subject} {self.kind.partition('_')[2]}{keys}{restart}"


def diff_configs(old: Config, new: Config) -> list[Change]:
    """What is different in new, in a stable order; empty when a reload would change nothing.

    Both checked. Backends are told apart by address within their pool, pools and listeners by name; a change
    of `defaults` shows where it arrives. A removed pool or listener is one change, whatever it held.
    """
    return [
        *_section("runtime", old.runtime, new.runtime),
        *_section("admin", old.admin, new.admin),
        *_certs(old, new),
        *_named("pool", old.pools, new.pools, _pool_changes),
        *_named("listener", old.listeners, new.listeners, _listener_changes),
    ]


def needs_restart(changes: list[Change]) -> list[Change]:
    """Those of the changes that a reload leaves as they were."""
    return [change for change in changes if change.needs_restart]


def _section(name: Literal["runtime", "admin"], old: Model, new: Model) -> Iterator[Change]:
    """At most two changes: what a reload brings, and what it does not."""
    keys = list(_key_changes(old, new))
    for is_restart in (False, True):
        group = tuple(k for k in keys if (k.key.split(".")[0] in _NEEDS_RESTART[name]) is is_restart)
        if group:
            kind: ChangeKind = "runtime_changed" if name == "runtime" else "admin_changed"
            yield Change(kind, name, keys=group, needs_restart=is_restart)


def _certs(old: Config, new: Config) -> Iterator[Change]:
    """Names of certificates that differ; what files hold shows elsewhere."""
    for name in {**old.tls.certs, **new.tls.certs}:
        if old.tls.certs.get(name) != new.tls.certs.get(name):
            yield Change("tls_changed", f"tls.certs.{name}", name)


def _named(
    noun: Literal["pool", "listener"],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    compare: Callable[[str, Any, Any], Iterator[Change]],
) -> Iterator[Change]:
    removed: ChangeKind = "pool_removed" if noun == "pool" else "listener_removed"
    added: ChangeKind = "pool_added" if noun == "pool" else "listener_added"
    for name in old:
        if name not in new:
            yield Change(removed, f"{noun}s.{name}", name)
    for name, entry in new.items():
        if name not in old:
            yield Change(added, f"{noun}s.{name}", name)
        else:
            yield from compare(name, old[name], entry)


def _listener_changes(name: str, old: Listener, new: Listener) -> Iterator[Change]:
    path = f"listeners.{name}"
    keys = tuple(_key_changes(old, new))
    sockets = tuple(key for key in keys if key.key in ("bind", "protocol"))
    if set(old.bind) != set(new.bind) or old.protocol != new.protocol:
        yield Change("listener_rebound", path, name, keys=sockets)
    rest = tuple(key for key in keys if key not in sockets)
    if rest:
        yield Change("listener_changed", path, name, keys=rest)


def _pool_changes(name: str, old: Pool, new: Pool) -> Iterator[Change]:
    path = f"pools.{name}"
    keys = tuple(key for key in _key_changes(old, new) if key.key != "backends")
    if keys:
        yield Change("pool_changed", path, name, keys=keys)
    before = {backend.address: backend for backend in old.backends}
    after = {backend.address: backend for backend in new.backends}
    for address in before:
        if address not in after:
            yield Change("backend_removed", f"{path}.backends", name, address)
    for address, backend in after.items():
        yield from _backend_changes(f"{path}.backends", name, before.get(address), backend)


def _backend_changes(path: str, name: str, old: Backend | None, new: Backend) -> Iterator[Change]:
    if old is None:
        yield Change("backend_added", path, name, new.address)
        return
    keys = tuple(_key_changes(old, new))
    if keys:
        yield Change("backend_changed", path, name, new.address, keys)


def _key_changes(old: Model, new: Model) -> Iterator[KeyChange]:
    """Keys that differ, inner ones as `timeouts.idle`; a mapping of another kind differs as a whole."""
    if old == new:
        return
    for name, key in keys_of(type(new)).items():
        before, after = getattr(old, key.attribute), getattr(new, key.attribute)
        if before == after or key.short_for:
            continue
        if isinstance(after, Model) and type(before) is type(after):
            for inner in _key_changes(before, after):
                yield KeyChange(f"{name}.{inner.key}", inner.old, inner.new)
        elif name != "backends":
            yield KeyChange(name, plain_value(before, key.shape), plain_value(after, key.shape))


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_said(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return "none" if value is None else str(value)
