"""What is known about backends now: fresh names, running checks, and the verdicts for the snapshots."""

from collections.abc import Callable, Iterable, Mapping

from nginy.backend.events import EventLog
from nginy.backend.probe import LastCheck, Prober, targets_of
from nginy.backend.registry import BackendKey, Resolved, Resolver
from nginy.model import Config


class Health:
    """Wires the resolver and the prober to whoever publishes.

    on_verdict(): a verdict has changed.   on_addresses(pool): so has the set of addresses of a pool.
    known: name to addresses from an earlier life.   Belongs to one loop; `stop` ends everything.
    """

    def __init__(
        self,
        on_verdict: Callable[[], None],
        on_addresses: Callable[[str], None],
        log: EventLog,
        known: Mapping[str, list[str]] | None = None,
    ) -> None:
        self._on_verdict = on_verdict
        self._log = log
        self._resolver = Resolver(on_addresses, log, known=known)
        self._prober = Prober(self._edge, log)
        self._inherited: dict[tuple[str, str], str] = {}

    @property
    def resolved(self) -> Resolved:
        return self._resolver.backends

    @property
    def answers(self) -> dict[str, tuple[str, ...]]:
        return self._resolver.answers

    async def resolve(self, config: Config) -> Resolved:
        """Changes nothing. Errors: ConfigError for a name that has no address and never had one."""
        return await self._resolver.resolve(config)

    def follow(self, config: Config) -> Resolved:
        """Keep the names of this configuration fresh from now on. -> its backends."""
        return self._resolver.follow(config)

    def check(self, config: Config, resolved: Resolved) -> None:
        """Check these backends from now on, and no others."""
        targets = targets_of(config, resolved)
        checked = {(key.pool, key.address) for key in targets}
        self._inherited = {place: verdict for place, verdict in self._inherited.items() if place in checked}
        self._prober.set(targets)

    def inherit(self, down: Iterable[tuple[str, str]]) -> None:
        """(pool, address) that an earlier control held for down: they stay so until a check speaks."""
        self._inherited = dict.fromkeys(down, "down")

    def verdicts(self, resolved: Resolved) -> dict[BackendKey, str]:
        """What a snapshot should say about each backend."""
        return {entry.key: self.verdict(entry.key) for entries in resolved.values() for entry in entries}

    def verdict(self, key: BackendKey) -> str:
        own = self._prober.verdict(key)
        return self._inherited.get((key.pool, key.address), own) if own == "unknown" else own

    def last_check(self, key: BackendKey) -> LastCheck | None:
        return self._prober.results(key)

    async def stop(self) -> None:
        """Nothing of it runs afterwards."""
        await self._prober.stop()
        await self._resolver.stop()

    def _edge(self, key: BackendKey, edge: str) -> None:
        last = self._prober.results(key)
        self._log.event(
            "verdict_changed",
            "info" if edge == "up" else "warning",
            pool=key.pool,
            backend=key.address,
            verdict=edge,
            check=last.text if last is not None else None,
        )
        self._on_verdict()
