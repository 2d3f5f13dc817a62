"""Is this nginy ready for clients? Pure over control's picture.

Ready means: it serves, at least one worker has adopted a generation, and at least one listener has a
pool with a usable backend. One dead pool among several does not make the whole unready: whoever stands
in front
would take away the healthy ones too. The strict question asks for every worker and every listener.
"""

from collections.abc import Collection

from nginy.errors import NginyError
from nginy.observe.source import Picture, Source, count_usable, wary_pools

SERVING_STATES = frozenset({"serving", "reloading"})


class Readiness:
    """Asks control. Its loop only."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def reasons(self, *, strict: bool = False) -> list[str]:
        """Why not; empty when ready."""
        try:
            picture = self._source.view()
        except NginyError as failure:  # not started yet, or closed already
            return [str(failure)]
        return unready_reasons(picture, wary_pools(self._source.config), strict=strict)


def unready_reasons(picture: Picture, wary: Collection[str] = (), *, strict: bool = False) -> list[str]:
    """Why this picture is not one of a ready nginy; empty when it is. wary: as wary_pools says."""
    if picture.state not in SERVING_STATES:
        return [f"nginy is {picture.state}"]
    return [*_worker_reasons(picture, strict), *_listener_reasons(picture, wary, strict)]


def _worker_reasons(picture: Picture, strict: bool) -> list[str]:
    idle = [worker for worker in picture.workers if worker.adopted_gen < 1]
    if not strict and len(idle) < len(picture.workers):
        return []
    if not picture.workers:
        return ["no worker is there"]
    return [f"worker {worker.slot} has not adopted a generation" for worker in idle]


def _listener_reasons(picture: Picture, wary: Collection[str], strict: bool) -> list[str]:
    served = {pool.name for pool in picture.pools if count_usable(pool, wary)}
    served |= {pool.name for pool in picture.pools if any(name in served for name, weight in pool.members if weight)}
    barren = [listener for listener in picture.listeners if not served.intersection(listener.pools)]
    if not strict and len(barren) < len(picture.listeners):
        return []
    return [f"listener {one.name}: pool {', '.join(one.pools)} has no usable backend" for one in barren]
