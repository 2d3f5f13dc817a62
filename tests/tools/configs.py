"""Configurations as trees: one listener `front` on a kernel's port, one pool `back`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

Tree = dict[str, Any]

LOOPBACK = "127.0.0.1:0"

OPTIONS: dict[str, tuple[Tree, Tree, Tree]] = {
    "": ({}, {}, {}),
    "every": (
        {"splice": "off", "tcp": {"quickack": "off", "fastopen": 64, "congestion": "reno"}},
        {"tcp": {"quickack": "on", "fastopen": "on", "congestion": "reno"}},
        {"spin": "on", "pipes": 0},
    ),
}
"""Listener, pool and runtime. NGINY_TEST_OPTIONS=every: the promises hold with each option turned to its other side.

`defer_accept` is not among them: a client that says nothing waits for it, which is what it is for.
"""


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
    front, back, whole = OPTIONS[os.environ.get("NGINY_TEST_OPTIONS", "")]
    if str((listener or {}).get("bind")).startswith("unix:"):
        front = {key: value for key, value in front.items() if key != "tcp"}
    return {
        "runtime": {"workers": workers, "drain": "2s", **whole, **(runtime or {})},
        "pools": {"back": {"backends": list(backends), **back, **(pool or {})}},
        "listeners": {"front": {"bind": LOOPBACK, "protocol": "tcp", "pool": "back", **front, **(listener or {})}},
        "admin": dict(admin or {}),
    }


def udp_config(
    backends: Sequence[str | Mapping[str, Any]],
    *,
    workers: int = 1,
    session: Mapping[str, Any] | None = None,
    listener: Mapping[str, Any] | None = None,
    pool: Mapping[str, Any] | None = None,
    runtime: Mapping[str, Any] | None = None,
    admin: Mapping[str, Any] | None = None,
) -> Tree:
    """The same for UDP. Flows end soon after their last datagram unless told otherwise: a test's end waits for that."""
    keys = {"protocol": "udp", "session": {"idle": "700ms", **(session or {})}, **(listener or {})}
    return tcp_config(backends, workers=workers, listener=keys, pool=pool, runtime=runtime, admin=admin)


def with_tcp(tree: Tree, port: int) -> Tree:
    """A tree of udp_config() with `front` bound to this port, and a TCP listener `front-tcp` beside it."""
    bind = {"bind": f"127.0.0.1:{port}"}
    listeners = {"front": tree["listeners"]["front"] | bind, "front-tcp": bind | {"pool": "back"}}
    return tree | {"listeners": listeners}
