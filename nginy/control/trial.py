"""What workers would choose now: asked of `nginy route`, so that nothing of it is loaded before."""

import asyncio
from typing import Any

from nginy._fast import door
from nginy.backend.route import Ask, route
from nginy.backend.trial import Trial
from nginy.control.health import Health
from nginy.control.world import World


async def answer(world: World, board: door.Board, health: Health, question: dict[str, Any]) -> dict[str, Any]:
    """As Ask.read and backend.route; worked out in a thread. Errors: ControlError."""
    return await asyncio.to_thread(route, take_trial(world, board, health), Ask.read(**question))


def take_trial(world: World, board: door.Board, health: Health) -> Trial:
    """What workers would choose now, to be asked apart from them. Loop's thread only."""
    in_flight = {
        (entry.pool, entry.address): board.in_flight(world.ids.backend(entry.pool, entry.address))
        for some in world.resolved.values()
        for entry in some
    }
    return Trial(
        world.config,
        world.weighed,
        verdicts=health.verdicts(world.resolved),
        ids=world.ids,
        in_flight=in_flight,
    )
