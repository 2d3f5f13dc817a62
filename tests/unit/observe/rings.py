"""Rings and records without workers."""

import asyncio
import json
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nginy.observe.access import AccessDrain
from tests.unit.observe.pictures import Source


class Rings:
    """Stands where the board would: one deque per slot."""

    def __init__(self, slots: int = 1) -> None:
        self.slots = slots
        self.rings: list[deque[tuple[Any, ...]]] = [deque() for _ in range(slots)]
        self.requests: list[deque[tuple[Any, ...]]] = [deque() for _ in range(slots)]

    def read_access(self, slot: int, max_n: int = 1024) -> list[tuple[Any, ...]]:
        ring = self.rings[slot]
        return [ring.popleft() for _ in range(min(max_n, len(ring)))]

    def read_requests(self, slot: int, max_n: int = 1024) -> list[tuple[Any, ...]]:
        ring = self.requests[slot]
        return [ring.popleft() for _ in range(min(max_n, len(ring)))]


class Complaints:
    """A log that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        self.events.append((kind, fields))


def record(number: int = 0, listener_id: int = 0, backend_id: int = 1, reason: int = 0) -> tuple[Any, ...]:
    """One ended session, as the board hands it out."""
    return (
        1_700_000_000_000 + number,
        listener_id,
        backend_id,
        "192.0.2.7:4000",
        10,
        number,
        412,
        73,
        1,
        reason,
    )


def config(output: str | Path, shape: str = "json") -> Any:
    """The part of the configuration that is read."""
    return SimpleNamespace(output=str(output), format=shape)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """All records of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


async def until(condition: Any, what: str, deadline_s: float = 10.0) -> None:
    """Wait on the loop."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"not in time: {what}"
        await asyncio.sleep(0.005)


def write_all(source: Source, path: Path, shape: str = "json") -> None:
    """Start, stop; stopping drains what is there."""

    async def run() -> None:
        drain = AccessDrain(source, config(path, shape))
        await drain.start()
        await drain.stop()

    asyncio.run(run())
