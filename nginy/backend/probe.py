"""When to check whom: one task per backend with health checks, in control's loop. Only edges leave this file.

What keeps a busy or a suspended control from condemning backends:

* A check that starts late is only counted. One whose deadline control itself missed gets the timeout once
  more; if it still fails it counts for nothing, once in a row: the next one counts whatever happens.
* A schedule that was slept through is not made up for: each backend is checked once, spread over an interval.
* Control's own shortage (descriptors, memory, source ports) says nothing about a backend.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from nginy.backend.check import LATE_S, CheckResult, ProbeTarget, check
from nginy.backend.events import EventLog, Silence
from nginy.backend.registry import BackendKey, Resolved
from nginy.backend.verdict import Edge, Value, Verdict
from nginy.model import Config

CHECKS_AT_ONCE = 256
"""Descriptors that checks may hold; the sessions' need comes first."""
FIRST_SPREAD_S = 0.1
"""The first checks come within this time, so that a start is judged quickly but not all in one loop turn."""
SUSPEND_S = 1.0
"""A start later than this, and later than an interval, means that control was stopped, not just busy."""


@dataclass(frozen=True, slots=True)
class LastCheck:
    """What the latest check of a backend found. at_s: monotonic clock."""

    text: str
    is_ok: bool
    latency_s: float
    at_s: float

    @property
    def age_s(self) -> float:
        return monotonic() - self.at_s


@dataclass(slots=True)
class ProbeCounters:
    """Over all backends since the start. late_*: control's own delay.   voided: counted for nothing."""

    checks: int = 0
    failed: int = 0
    late_starts: int = 0
    late_ends: int = 0
    voided: int = 0
    edges: int = 0


class _Watch:
    """One backend that is being checked."""

    __slots__ = ("is_excused", "key", "last", "target", "task", "verdict")

    def __init__(
        self, key: BackendKey, target: ProbeTarget, verdict: Verdict, last: LastCheck | None
    ) -> None:
        self.key = key
        self.target = target
        self.verdict = verdict
        self.last = last
        self.is_excused = False
        self.task: asyncio.Task[None] | None = None


def targets_of(config: Config, resolved: Resolved) -> dict[BackendKey, ProbeTarget]:
    """Everything that is to be checked: backends of pools with `health`, those in maintenance left out."""
    targets = {}
    for name, pool in config.pools.items():
        for backend in resolved[name] if pool.health else ():
            if backend.state != "maint" and pool.health:
                host = "localhost" if backend.key.name.startswith("unix:") else backend.key.name
                targets[backend.key] = ProbeTarget(backend.address, pool.health, host)
    return targets


class Prober:
    """Checks backends and tells the edges.

    on_edge: called in the loop with the key and "up" or "down".   rng: for jitter and spread.
    Thread: one loop, that of the first `set`.   Ownership: `stop` ends every task and closes every socket.
    """

    def __init__(
        self,
        on_edge: Callable[[BackendKey, Edge], object],
        log: EventLog | None = None,
        *,
        rng: random.Random | None = None,
        checks_at_once: int = CHECKS_AT_ONCE,
    ) -> None:
        self._on_edge = on_edge
        self._log: EventLog = log or Silence()
        self._rng = rng or random.Random()
        self._gate = asyncio.Semaphore(checks_at_once)
        self._watches: dict[BackendKey, _Watch] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.counters = ProbeCounters()

    def set(self, targets: Mapping[BackendKey, ProbeTarget]) -> None:
        """Check these from now on, and no others. What did not change is not touched.

        A changed target starts anew but keeps verdict and counts; so does an address that now comes from
        another name of the same pool. Removed ones are never heard of again.
        """
        gone = [key for key in self._watches if key not in targets]
        moved = {(key.pool, key.address): self._end(key) for key in gone}
        for key, target in targets.items():
            was = self._watches.get(key) or moved.get((key.pool, key.address))
            if was is None:
                health = target.health
                self._begin(key, target, Verdict(health.rise, health.fall, health.start), None)
            elif was.key != key or was.target != target:
                self._end(was.key)
                was.verdict.retune(target.health.rise, target.health.fall, target.health.start)
                self._begin(key, target, was.verdict, was.last)

    def verdict(self, key: BackendKey) -> Value:
        """What may be reported; "unknown" for a backend that is not checked."""
        watch = self._watches.get(key)
        return watch.verdict.value if watch else "unknown"

    def verdicts(self) -> dict[BackendKey, Value]:
        """Of all that are checked, as a copy."""
        return {key: watch.verdict.value for key, watch in self._watches.items()}

    def results(self, key: BackendKey) -> LastCheck | None:
        """The latest check, None before the first has ended."""
        watch = self._watches.get(key)
        return watch.last if watch else None

    async def stop(self) -> None:
        """Check nothing any more. Tasks have ended and sockets are closed when it returns."""
        for key in list(self._watches):
            self._end(key)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _begin(self, key: BackendKey, target: ProbeTarget, verdict: Verdict, last: LastCheck | None) -> None:
        watch = self._watches[key] = _Watch(key, target, verdict, last)
        watch.task = asyncio.get_running_loop().create_task(self._run(watch))

    def _end(self, key: BackendKey) -> _Watch | None:
        watch = self._watches.pop(key, None)
        if watch is not None and watch.task is not None:
            watch.task.cancel()
            self._ending.add(watch.task)
            watch.task.add_done_callback(self._ending.discard)
        return watch

    async def _run(self, watch: _Watch) -> None:
        health = watch.target.health
        due_s = self._soon(health.interval)
        while True:
            await self._wait(due_s, health.interval)
            async with self._gate:
                began_s = monotonic()
                self.counters.late_starts += began_s - due_s > LATE_S
                result = await self._check(watch.target)
            is_counted = self._take(watch, result)
            share = 1 + self._rng.uniform(-health.jitter, health.jitter)
            due_s = max(began_s + health.interval * share, monotonic())
            if result.is_late and not is_counted:
                due_s = self._soon(health.interval)

    def _soon(self, interval_s: float) -> float:
        return monotonic() + self._rng.uniform(0, min(interval_s, FIRST_SPREAD_S))

    async def _wait(self, due_s: float, interval_s: float) -> None:
        await asyncio.sleep(max(0.0, due_s - monotonic()))
        if monotonic() - due_s > max(SUSPEND_S, interval_s):
            await asyncio.sleep(self._rng.uniform(0, interval_s))

    async def _check(self, target: ProbeTarget) -> CheckResult:
        try:
            return await check(target)
        except Exception as error:
            # A check that breaks is nginy's fault: the backend keeps its verdict, and the next check comes.
            self._log.event("check_broken", "error", backend=target.address, reason=repr(error))
            return CheckResult(False, f"not checked: {error!r}", 0.0, is_void=True)

    def _take(self, watch: _Watch, result: CheckResult) -> bool:
        """Record one result. -> did it count?"""
        counters = self.counters
        counters.checks += 1
        counters.failed += not result.is_ok
        counters.late_ends += result.is_late
        watch.last = LastCheck(result.text, result.is_ok, result.latency_s, monotonic())
        is_excused = result.is_late and not result.is_ok and not watch.is_excused
        watch.is_excused = is_excused
        if is_excused or result.is_void:
            counters.voided += 1
            return False
        edge = watch.verdict.feed(result.is_ok)
        if edge is not None:
            counters.edges += 1
            self._tell(watch.key, edge)
        return True

    def _tell(self, key: BackendKey, edge: Edge) -> None:
        try:
            self._on_edge(key, edge)
        except Exception as error:
            # The checks must go on whatever the listener to edges does wrong.
            self._log.event("check_broken", "error", backend=key.address, reason=repr(error))
