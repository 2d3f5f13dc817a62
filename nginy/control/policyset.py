"""What a policy process is told about the world: its pools, their backends, which of them may be used."""

from collections.abc import Mapping
from typing import Any

from nginy._fast import door
from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.backend.tables import ring_of
from nginy.control.world import World
from nginy.model import Config, Pool

Wanted = tuple[str, str, Mapping[str, Any]]
"""Class, kind and arguments of a policy in Python."""


def wanted_policies(config: Config) -> dict[str, Wanted]:
    """By pool, of those that name a class. The kind is `python`, `table`, or `call` for a key."""
    called = {name: pool.called for name, pool in config.pools.items()}
    return {name: (what.call, what.kind, what.args) for name, what in called.items() if what is not None}


def set_message(world: World, verdicts: Mapping[BackendKey, str]) -> dict[str, Any]:
    """One message of the link: everything as it is now."""
    return {
        "reasons": door.REASONS,
        "listeners": {world.ids.listener(name): name for name in world.config.listeners},
        "pools": {
            name: {
                "id": world.ids.pool(name),
                "ring": ring_of(world.config.pools[name].native),
                "backends": _rows(world, name, verdicts),
            }
            for name in wanted_policies(world.config)
        },
    }


def _rows(world: World, pool: str, verdicts: Mapping[BackendKey, str]) -> list[tuple[int, str, int, int, bool]]:
    """id, address, weight, tier, may be used."""
    conf = world.config.pools[pool]
    rows = []
    for entry in world.resolved[pool]:
        id, is_usable = world.ids.backend(pool, entry.address), _is_usable(conf, entry, verdicts)
        rows.append((id, entry.address, entry.weight, entry.tier, is_usable))
    return rows


def _is_usable(pool: Pool, entry: ResolvedBackend, verdicts: Mapping[BackendKey, str]) -> bool:
    if pool.health is None:
        verdict = "unknown"
    else:
        verdict = verdicts.get(entry.key, "unknown")
        if verdict == "unknown" and pool.health.start == "down":
            verdict = "down"
    return entry.state == "ready" and entry.weight > 0 and verdict != "down"
