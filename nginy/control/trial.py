"""What workers would choose now: asked of `nginy route`, so that nothing of it is loaded before."""

import asyncio
import time
from typing import Any

from nginy._fast import door
from nginy.backend.choice import Known
from nginy.backend.route import Ask, route
from nginy.backend.trial import Trial
from nginy.control.generations import Generations
from nginy.control.health import Health
from nginy.model import Config, LeastTime, RoundRobin


async def answer(
    generations: Generations, board: door.Board, health: Health, question: dict[str, Any]
) -> dict[str, Any]:
    """As Ask.read and backend.route, with what only a worker knows as left_out. In a thread. Errors: ControlError."""
    found = await asyncio.to_thread(route, take_trial(generations, board, health), Ask.read(**question))
    return found | {"left_out": left_out(generations.world.config, found["pool"])}


def take_trial(generations: Generations, board: door.Board, health: Health) -> Trial:
    """What workers would choose now, to be asked apart from them. Loop's thread only."""
    world = generations.world
    ids = {
        (entry.pool, entry.address): world.ids.backend(entry.pool, entry.address)
        for some in world.resolved.values()
        for entry in some
    }
    known = Known(
        own=generations.own,
        since=generations.since,
        now_ms=time.monotonic_ns() // 1_000_000,
        loads_ms={place: board.load_ms(id) for place, id in ids.items()},
    )
    return Trial(
        world.config,
        world.weighed,
        verdicts=health.verdicts(world.resolved),
        ids=world.ids,
        in_flight={place: board.in_flight(id) for place, id in ids.items()},
        known=known,
    )


def left_out(config: Config, pool: str) -> list[str]:
    """What each worker knows for itself, and a choice in this pool goes by."""
    if not pool:
        return []
    natives = [config.pools[leaf].native for leaf in config.leaves(pool)]
    found = []
    if config.pools[pool].of or any(isinstance(native, RoundRobin) for native in natives):
        found.append("whose turn it is: each worker counts for itself, and this one begins anew")
    if any(isinstance(native, LeastTime) for native in natives):
        found.append("the times that workers have measured: without them every backend counts as new")
    return [*found, "whom a worker distrusts for a second after a failed attempt"]
