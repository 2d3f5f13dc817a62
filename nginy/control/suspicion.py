"""Is it the generation that kills workers? Pure: times come from outside."""

from collections import deque

from nginy.model import Config

DEATHS = 5
WINDOW_S = 60.0


class Suspicion:
    """Counts deaths under one configuration, and remembers the one before it if that was good."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._last_good: Config | None = None
        self._is_suspect = False

    def changed(self, before: Config) -> None:
        """Another configuration is in force now."""
        if not self._is_suspect:
            self._last_good = before
        self._is_suspect = False
        self._deaths.clear()

    def died(self, now_s: float) -> bool:
        """A worker has died. -> has this made the configuration suspect? True once per configuration."""
        self._deaths.append(now_s)
        if self._is_suspect or len(self._deaths) < DEATHS or now_s - self._deaths[0] > WINDOW_S:
            return False
        self._is_suspect = True
        return True

    def take_last_good(self) -> Config | None:
        """The configuration to go back to. Once: if that one kills workers too, it is not to blame."""
        good, self._last_good = self._last_good, None
        return good
