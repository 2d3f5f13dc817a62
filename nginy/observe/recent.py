"""The last seconds of HTTP pools: rates and times out of two looks at their counters, some seconds apart."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nginy._fast.door import SPAN_BUCKETS_S
from nginy.errors import NginyError
from nginy.observe.source import Counters, Picture

INTERVAL_S = 2.0
LOOKS = 6  # so that the oldest is ten seconds ago
SHORTEST_S = 0.2  # less says nothing
POOLS_MOST = 256  # beyond these nobody looks: `/metrics` has them all


class Rows(Protocol):
    """The part of the board that is looked at."""

    def http_pool(self, id: int) -> Mapping[str, Any]: ...


class Looked(Protocol):
    """Control, as far as it is looked at."""

    @property
    def generation(self) -> int: ...
    @property
    def board(self) -> Rows: ...
    def view(self) -> Picture: ...


class Recent:
    """Looks now and then, where there are pools of HTTP listeners. All calls on control's loop; owns its task."""

    def __init__(self, source: Looked) -> None:
        self._source = source
        self._generation = -1
        self._ids: dict[str, int] = {}
        self._looks: deque[tuple[float, dict[str, Counters]]] = deque(maxlen=LOOKS)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="nginy-recent")

    async def stop(self) -> None:
        """Idempotent."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def look(self, now_s: float | None = None) -> None:
        """Remember how far the counters are. now_s: monotonic."""
        if self._source.generation != self._generation:
            picture = self._source.view()
            self._generation = picture.generation
            pools = [pool for pool in picture.pools if pool.requests is not None][:POOLS_MOST]
            self._ids = {pool.name: pool.id for pool in pools}
        if self._ids or self._looks:
            now_s = time.monotonic() if now_s is None else now_s
            board = self._source.board
            self._looks.append((now_s, {name: board.http_pool(id) for name, id in self._ids.items()}))

    def of(self, name: str, counters: Counters, now_s: float | None = None) -> dict[str, float | None] | None:
        """What the pool has done since the oldest look; None when that is unknown. counters: as they are now."""
        now_s = time.monotonic() if now_s is None else now_s
        for then_s, looked in self._looks:
            if name in looked and now_s - then_s >= SHORTEST_S:
                return compared(looked[name], counters, now_s - then_s)
        return None

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(NginyError, ValueError):  # control is about to end
                self.look()
            await asyncio.sleep(INTERVAL_S)


def compared(then: Counters, now: Counters, seconds: float) -> dict[str, float | None] | None:
    """Rates between two looks; None when the row has begun anew meanwhile."""
    answers = [b - a for a, b in zip(then["responses"], now["responses"], strict=True)]
    times = [b - a for a, b in zip(then["total_hist"], now["total_hist"], strict=True)]
    unanswered = now["unanswered"] - then["unanswered"]
    if min(*answers, *times, unanswered) < 0:
        return None
    n_all = sum(answers)
    return {
        "seconds": round(seconds, 1),
        "requests_per_s": round((n_all + unanswered) / seconds, 1),
        "error_share": round(answers[4] / n_all, 4) if n_all else None,
        "p50_ms": quantile_ms(times, 0.5),
        "p99_ms": quantile_ms(times, 0.99),
    }


def quantile_ms(counts: Sequence[int], share: float) -> float | None:
    """The time that this share of requests did not exceed, as far as buckets tell: a straight line inside of one.

    None without requests. What is over the last bound is told as that.
    """
    wanted = sum(counts) * share
    if not wanted:
        return None
    reached, low_s = 0, 0.0
    for bound_s, count in zip(SPAN_BUCKETS_S, counts, strict=False):
        if count and reached + count >= wanted:
            return round((low_s + (bound_s - low_s) * (wanted - reached) / count) * 1000, 2)
        reached, low_s = reached + count, bound_s
    return round(low_s * 1000, 2)
