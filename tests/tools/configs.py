"""Configurations as trees: one listener `front` on a kernel's port, one pool `back`."""

from collections.abc import Mapping, Sequence
from typing import Any

Tree = dict[str, Any]

LOOPBACK = "127.0.0.1:0"


def tcp_config(
    backends: Sequence[str | Mapping[str, Any]],
    *,
    workers: int = 1,
    listener: Mapping[str, Any] | None = None,
    pool: Mapping[str, Any] | None = None,
    runtime: Mapping[str, Any] | None = None,
    admin: Mapping[str, Any] | None = None,
) -> Tree:
    """The tree; the mappings are laid over the defaults."""
    return {
        "runtime": {"workers": workers, "drain": "2s", **(runtime or {})},
        "pools": {"back": {"backends": list(backends), **(pool or {})}},
        "listeners": {"front": {"bind": LOOPBACK, "protocol": "tcp", "pool": "back", **(listener or {})}},
        "admin": dict(admin or {}),
    }
