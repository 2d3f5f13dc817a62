"""When backends came up, for slow start: what one generation says that the one before did not."""

import time
from collections.abc import Mapping
from types import MappingProxyType

from nginy.backend.registry import BackendKey, Resolved, ResolvedBackend
from nginy.model import Config, Pool


class Arrivals:
    """Remembers who was there and who was out: down, or in `maint`.

    Whoever is there when its pool begins with slow start has been there all along. since: what an earlier control
    knew, as `note` returned it.   since_ms: what `note` returned last.
    """

    def __init__(self, since: Mapping[BackendKey, int] = MappingProxyType({})) -> None:
        self._was_out: dict[BackendKey, bool] = {}
        self._pools: set[str] = set()
        self.since_ms = dict(since)

    def note(
        self, config: Config, resolved: Resolved, verdicts: Mapping[BackendKey, str]
    ) -> Mapping[BackendKey, int]:
        """A new generation. -> monotonic milliseconds of those who came up no longer ago than their pool's window."""
        now_ms = time.monotonic_ns() // 1_000_000
        slow = {name: pool for name, pool in config.pools.items() if pool.slow_start is not None}
        is_out: dict[BackendKey, bool] = {}
        since_ms: dict[BackendKey, int] = {}
        for name, pool in slow.items():
            for entry in resolved[name]:
                before = self._was_out.get(entry.key, name in self._pools)  # who was not there was out
                is_out[entry.key] = _is_out(pool, entry, verdicts.get(entry.key, "unknown"), before)
                if is_out[entry.key]:
                    continue
                came_ms = now_ms if before else self.since_ms.get(entry.key)
                if came_ms is not None and pool.slow_start and now_ms - came_ms < pool.slow_start.window * 1000:
                    since_ms[entry.key] = came_ms
        self._was_out, self._pools, self.since_ms = is_out, set(slow), since_ms
        return since_ms


def _is_out(pool: Pool, entry: ResolvedBackend, verdict: str, before: bool) -> bool:
    if entry.state == "maint":
        return True
    if verdict == "unknown" and pool.health is not None and pool.health.start == "down":
        return before  # nothing has been found out: one that was added waits for its first check
    return verdict == "down"
