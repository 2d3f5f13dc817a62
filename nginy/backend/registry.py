"""Where backends come from: the configured addresses, and host names that are looked up again and again.

A literal IP or a unix socket needs nothing. A name stands for all its addresses; a look-up that fails or
finds nothing keeps the last ones, and a name that never had one refuses the configuration.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from nginy.backend.address import Place, join_address, split_address
from nginy.backend.events import EventLog, Silence
from nginy.backend.names import TIMEOUT_S, Lookup, Names, lookup_system
from nginy.errors import ConfigError, ConfigProblem
from nginy.model import Backend, Config, Pool

JITTER = 0.1
"""Share of `resolve` by which each look-up moves, so that a fleet started together does not ask together."""


class BackendKey(NamedTuple):
    """Who a backend is. name: its address as configured, host name included.   address: literal."""

    pool: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class ResolvedBackend:
    """One literal address of a pool, with what the configuration says about the backend behind it."""

    key: BackendKey
    backend: Backend
    weight: int
    tier: int
    state: Literal["ready", "drain", "maint"]
    max_conns: int | None

    @property
    def pool(self) -> str:
        return self.key.pool

    @property
    def address(self) -> str:
        return self.key.address


Resolved = dict[str, list[ResolvedBackend]]


async def resolve_backends(
    config: Config, *, lookup: Lookup = lookup_system, timeout_s: float = TIMEOUT_S, source: str = "<config>"
) -> Resolved:
    """Look every name up once. -> pool to backends, in configured order. Errors: as Resolver.resolve."""
    resolver = Resolver(lambda _: None, lookup=lookup, timeout_s=timeout_s)
    try:
        return await resolver.resolve(config, source=source)
    finally:
        await resolver.stop()


class Resolver:
    """Keeps the backends of all pools as fresh as their names.

    on_change: called with a pool's name when its set of addresses has changed; `backends` is new by then.
    known: name to addresses of an earlier life (`answers`), used while a name cannot be looked up.
    Thread: one loop.   Ownership: `stop` ends every task and look-up.
    """

    def __init__(
        self,
        on_change: Callable[[str], object],
        log: EventLog | None = None,
        *,
        lookup: Lookup = lookup_system,
        known: Mapping[str, tuple[str, ...] | list[str]] | None = None,
        timeout_s: float = TIMEOUT_S,
        rng: random.Random | None = None,
    ) -> None:
        self._on_change = on_change
        self._log: EventLog = log or Silence()
        self._names = Names(lookup, log, known=known, timeout_s=timeout_s)
        self._rng = rng or random.Random()
        self._followed: dict[str, Pool] = {}
        self._backends: Resolved = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def backends(self) -> Resolved:
        """Pool to backends as last resolved, for the configuration that is followed. Not to be changed."""
        return self._backends

    @property
    def answers(self) -> dict[str, tuple[str, ...]]:
        """Name to addresses: what another control needs to start while no name can be looked up."""
        return dict(self._names.answers)

    async def resolve(self, config: Config, *, source: str = "<config>") -> Resolved:
        """Look up the names that are not followed yet. Changes nothing that is followed; `follow` does.

        source: what a problem names as its file.
        Errors: ConfigError with one problem for each backend whose name has no address and never had one.
        """
        hosts = dict.fromkeys(place.host for pool in config.pools.values() for place in _names_of(pool))
        followed = {place.host for pool in self._followed.values() for place in _names_of(pool)}
        await asyncio.gather(*(self._names.refresh(host) for host in hosts if host not in followed))
        problems = list(self._problems(config, source))
        if problems:
            raise ConfigError(problems)
        return {name: expand_pool(name, pool, self._names.answers) for name, pool in config.pools.items()}

    def follow(self, config: Config) -> Resolved:
        """Keep this configuration fresh from now on, and no other. -> `backends`; calls no `on_change`.

        Pools with the same names and `resolve` keep their rhythm. Errors: KeyError for an unresolved name.
        """
        answers = self._names.answers
        backends = {name: expand_pool(name, pool, answers) for name, pool in config.pools.items()}
        before, self._followed, self._backends = self._followed, dict(config.pools), backends
        self._names.keep(place.host for pool in config.pools.values() for place in _names_of(pool))
        for name, was in before.items():
            now = config.pools.get(name)
            if now is None or _rhythm(now) != _rhythm(was):
                self._end(name)
        for name, pool in config.pools.items():
            if name not in self._tasks and any(_names_of(pool)):
                self._tasks[name] = asyncio.get_running_loop().create_task(self._keep_fresh(name))
        return backends

    async def stop(self) -> None:
        """Follow nothing any more. Nothing of this object runs afterwards."""
        for name in list(self._tasks):
            self._end(name)
        self._followed = {}
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._names.stop()

    def _end(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _keep_fresh(self, name: str) -> None:
        while True:
            share = 1 + self._rng.uniform(-JITTER, JITTER)
            await asyncio.sleep(self._followed[name].resolve * share)
            hosts = dict.fromkeys(place.host for place in _names_of(self._followed[name]))
            await asyncio.gather(*(self._names.refresh(host) for host in hosts))
            self._renew(name)

    def _renew(self, name: str) -> None:
        before = self._backends[name]
        after = expand_pool(name, self._followed[name], self._names.answers)
        if [backend.key for backend in after] == [backend.key for backend in before]:
            return
        self._backends = {**self._backends, name: after}
        added, removed = _missing(after, before), _missing(before, after)
        self._log.event("backends_resolved", pool=name, added=added or None, removed=removed or None)
        try:
            self._on_change(name)
        except Exception as error:
            # The names must stay fresh whatever the listener to changes does wrong.
            self._log.event("resolve_failed", "error", pool=name, reason=repr(error))

    def _problems(self, config: Config, source: str) -> Iterator[ConfigProblem]:
        for name, pool in config.pools.items():
            for nth, backend in enumerate(pool.backends):
                place = split_address(backend.address)
                if place.is_name and place.host not in self._names.answers:
                    message = f"no address for {place.host}: {self._names.reason(place.host)}"
                    yield ConfigProblem(source, 0, 0, f"pools.{name}.backends[{nth}].address", message)


def expand_pool(name: str, pool: Pool, answers: Mapping[str, tuple[str, ...]]) -> list[ResolvedBackend]:
    """All addresses of a pool, in configured order; one that comes twice belongs to the first.

    Errors: KeyError for a name without an answer.
    """
    found: dict[str, ResolvedBackend] = {}
    for backend in pool.backends:
        place = split_address(backend.address)
        if place.is_name:
            addresses = [join_address(ip, place.port) for ip in answers[place.host]]
        else:
            addresses = [backend.address]
        for address in addresses:
            if address not in found:
                key = BackendKey(name, backend.address, address)
                found[address] = ResolvedBackend(
                    key, backend, backend.weight, backend.tier, backend.state, backend.max_conns
                )
    return list(found.values())


def _names_of(pool: Pool) -> list[Place]:
    places = (split_address(backend.address) for backend in pool.backends)
    return [place for place in places if place.is_name]


def _rhythm(pool: Pool) -> tuple[float, set[str]]:
    return pool.resolve, {place.host for place in _names_of(pool)}


def _missing(these: list[ResolvedBackend], those: list[ResolvedBackend]) -> list[str]:
    known = {backend.address for backend in those}
    return [backend.address for backend in these if backend.address not in known]
