"""A resolver that says what the test wrote, and all that a registry tells about it."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Iterable

from nginy.backend.names import Lookup
from nginy.backend.registry import ResolvedBackend, Resolver
from nginy.model import Config

FAILED = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Zone:
    """A resolver whose answers the test writes: addresses, an exception, or None for no answer ever."""

    def __init__(self, **answers: object) -> None:
        self.answers: dict[str, object] = {name.replace("_", "."): answer for name, answer in answers.items()}
        self.asked: list[str] = []
        self.live = 0
        self.most = 0
        self.pause_s = 0.0

    async def __call__(self, host: str) -> Iterable[str]:
        self.asked.append(host)
        self.live += 1
        self.most = max(self.most, self.live)
        try:
            await asyncio.sleep(self.pause_s)
            answer = self.answers[host]
            if answer is None:
                await asyncio.Event().wait()
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[return-value]
        finally:
            self.live -= 1


class Events:
    """Changes and log lines, as they come."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.logged: list[tuple[str, dict[str, object]]] = []

    def change(self, pool: str) -> None:
        self.changes.append(pool)

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        self.logged.append((kind, fields))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.logged if kind != "backends_resolved"]


def config_of(resolve: float = 3600, **pools: list[object]) -> Config:
    return Config.model_validate(
        {
            "pools": {name: {"backends": backends, "resolve": resolve} for name, backends in pools.items()},
            "listeners": {"in": {"bind": ":0", "pool": next(iter(pools))}},
        }
    )


def addresses(backends: Iterable[ResolvedBackend]) -> list[str]:
    return [backend.address for backend in backends]


@contextlib.asynccontextmanager
async def following(
    config: Config, lookup: Lookup, events: Events, **options: object
) -> AsyncIterator[Resolver]:
    resolver = Resolver(events.change, events, lookup=lookup, rng=random.Random(1), **options)
    try:
        await resolver.resolve(config)
        resolver.follow(config)
        yield resolver
    finally:
        await resolver.stop()
