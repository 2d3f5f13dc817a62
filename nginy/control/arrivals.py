"""When backends came up, for slow start: what one generation says that the one before did not."""

import time
from collections.abc import Mapping

from nginy.backend.registry import BackendKey, Resolved
from nginy.model import Config


class Arrivals:
    """Remembers who was there and who was down. Backends of the first generation have been there all along."""

    def __init__(self) -> None:
        self._was_down: dict[BackendKey, bool] | None = None
        self._since_ms: dict[BackendKey, int] = {}

    def note(
        self, config: Config, resolved: Resolved, verdicts: Mapping[BackendKey, str]
    ) -> Mapping[BackendKey, int]:
        """A new generation. -> monotonic milliseconds of those who were added or came up since; others are missing."""
        now_ms = time.monotonic_ns() // 1_000_000
        is_down = {
            entry.key: verdicts.get(entry.key) == "down"
            for name, pool in config.pools.items()
            if pool.slow_start is not None
            for entry in resolved[name]
        }
        if self._was_down is not None:
            fresh = (key for key, down in is_down.items() if not down and self._was_down.get(key, True))
            self._since_ms |= dict.fromkeys(fresh, now_ms)
        self._was_down = is_down
        self._since_ms = {key: ms for key, ms in self._since_ms.items() if not is_down.get(key, True)}
        return self._since_ms
