"""A prober and all that it tells, for the tests of its schedule."""

import contextlib
import random
from collections.abc import AsyncIterator

from nginy.backend.probe import Prober
from nginy.backend.registry import BackendKey

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


class Edges:
    """What a prober tells, and what it logs."""

    def __init__(self) -> None:
        self.told: list[tuple[BackendKey, str]] = []
        self.logged: list[str] = []

    def __call__(self, key: BackendKey, verdict: str) -> None:
        self.told.append((key, verdict))

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        self.logged.append(kind)

    def of(self, key: BackendKey) -> list[str]:
        return [verdict for told, verdict in self.told if told == key]


@contextlib.asynccontextmanager
async def probing(edges: Edges, **options: object) -> AsyncIterator[Prober]:
    prober = Prober(edges, edges, rng=random.Random(1), **options)
    try:
        yield prober
    finally:
        await prober.stop()


def checks_done(prober: Prober, count: int) -> bool:
    return prober.counters.checks >= count
