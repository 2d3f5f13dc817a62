"""What the rooms of this package need from a log: one call per event."""

from typing import Protocol


class EventLog(Protocol):
    """nginy.observe.log.Log, or anything with the same call."""

    def event(self, kind: str, level: str | None = None, **fields: object) -> None: ...


class Silence:
    """For callers that want no log."""

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        """Say nothing."""
