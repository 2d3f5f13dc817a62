"""Control: starting, serving, reloading, draining, stopped.

config -> plan -> bind -> publish -> workers
board  -> view
Nothing flows the other way: workers never ask, and what the board says changes no generation.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nginy._fast import door
from nginy.backend.events import EventLog
from nginy.config.diff import diff_configs
from nginy.control import limits
from nginy.control.launch import ADOPT_TIMEOUT_S, Order, Parts, launch
from nginy.control.pulse import Pulse
from nginy.control.rejoin import RejoinPaths
from nginy.control.report import ApplyReport
from nginy.control.seats import Seat
from nginy.control.spawn import SpawnKind
from nginy.control.suspicion import Suspicion
from nginy.control.systemd import Notifier
from nginy.control.view import View, take_view
from nginy.control.wishes import Wishes
from nginy.control.world import World
from nginy.errors import ControlError, NginyError
from nginy.model import Config

OnEvent = Callable[..., object]
"""on_event(kind, level=…, **fields); level is left out for ordinary events."""


class Control:
    """One nginy. All calls in the thread of the loop that `start` runs in.

    start once; then apply, view; then drain or stop; then close. A failed start leaves nothing behind.
    """

    def __init__(
        self,
        config: Config,
        *,
        spawn: SpawnKind = "process",
        log: EventLog | None = None,
        config_path: Path | None = None,
        control_socket: Path | None = None,
        inherited: Mapping[str, Sequence[int]] | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        """control_socket: where a later control looks for workers that outlived this one; None: they end with
        it.

        inherited: descriptors of socket activation by name; they stay the caller's.
        """
        self.config = config
        self.config_path = config_path
        self.state = "starting"
        self.exited = asyncio.Event()
        self._spawn: SpawnKind = spawn
        self._rejoin = RejoinPaths(control_socket) if control_socket is not None and spawn == "process" else None
        self._inherited = dict(inherited or {})
        self._notifier = notifier or Notifier(None)
        self._on_event: list[OnEvent] = [log.event] if log is not None else []
        self._one_change = asyncio.Lock()
        self._suspicion = Suspicion()
        self._parts: Parts | None = None
        self._pulse: Pulse | None = None
        self._pid_file = config.runtime.pid_file
        self._retreat: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None

    # ---- what others see ----

    @property
    def board(self) -> door.Board:
        """Readable from the end of `start` until `close`. Errors: ControlError outside of that."""
        return self._running().board

    @property
    def generation(self) -> int:
        return self._parts.generations.number if self._parts is not None else 0

    @property
    def addresses(self) -> dict[str, list[str]]:
        """Where each listener really is, in the order of its binds."""
        return self._parts.generations.world.addresses if self._parts is not None else {}

    def view(self) -> View:
        """The whole picture now. Errors: ControlError before the start and after `close`."""
        return take_view(self.state, self._running())

    async def route(self, **question: Any) -> dict[str, Any]:
        """What a client would get now, and why: as Ask.read. Errors: ControlError, also when nothing runs."""
        from nginy.control.trial import answer  # not at the start, which clients wait for

        parts = self._running()
        return await answer(parts.generations, parts.board, parts.health, question)

    def on_event(self, callback: OnEvent) -> None:
        """Call this for every event from now on."""
        self._on_event.append(callback)

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        """Tell everybody who wants to know."""
        given = fields if level is None else {"level": level, **fields}
        for callback in self._on_event:
            callback(kind, **given)

    def _running(self) -> Parts:
        if self._parts is None:
            raise ControlError(f"nginy is {self.state}")
        return self._parts

    # ---- start ----

    async def start(self) -> None:
        """Bind, start or adopt the workers, publish, and return when clients are served.

        Errors: ConfigError for a name without an address, StartError for everything that this machine
        refuses.
        """
        folder = str(self.config_path.resolve().parent if self.config_path is not None else Path.cwd())
        order = Order(self.config, self._spawn, self._rejoin, self._inherited, self, self._note_death, folder)
        try:
            self._parts = parts = await launch(order, time.time())
            self._pulse = Pulse(parts.crew, parts.board, self.event, self._notifier, parts.sweep)
            self._pulse.start()
            self.state = "serving"
            if self._pid_file and self._spawn == "process":
                limits.write_pid_file(self._pid_file)
        except BaseException:
            if self._parts is not None:
                await self.abandon()
                self.close()
            self._gone()
            raise

    def announce(self) -> None:
        """Say that everything is up. Separate from `start`, because the operator's doors open after it."""
        self._notifier.ready(self._status())
        where = [address for addresses in self.addresses.values() for address in addresses]
        self.event("serving", generation=self.generation, workers=self.board.slots, listeners=", ".join(where))

    def _status(self) -> str:
        return f"{self.state}, generation {self.generation}"

    # ---- change ----

    async def apply(self, config: Config) -> ApplyReport:
        """Bring another configuration into force. What it does not change is not touched; sessions live on.

        Errors: ConfigError, NginyError with the reason; then the configuration before it goes on.
        """
        async with self._one_change:
            self._check_serving()
            self.state = "reloading"
            self._notifier.reloading()
            try:
                report = await self._change(config)
            except NginyError as error:
                self.event("reload_refused", level="error", generation=self.generation, reason=str(error))
                raise
            finally:
                if self.state == "reloading":
                    self.state = "serving"
                    self._notifier.ready(self._status())
            self.event("reload", generation=report.generation, changes=len(report.changes))
            return report

    async def _change(self, config: Config) -> ApplyReport:
        parts, before = self._running(), self._running().generations.world
        changes = diff_configs(self.config, config)
        if config == self.config:
            return ApplyReport(self.generation, [], [], [])
        resolved = await parts.resolve(config)
        self._check_serving()
        parts.check(config)
        try:
            number = parts.publish(config, resolved)
        except (OSError, ValueError) as error:
            raise NginyError(f"cannot publish: {error}") from error
        late = await parts.crew.wait_adopted(number, ADOPT_TIMEOUT_S)
        self._check_accepted(parts, number, before)
        self._suspicion.changed(self.config)
        self.config = config
        parts.sweep()
        if late:
            self.event("generation_late", level="warning", generation=number, workers=late)
        parts.tell_flows(self.event)
        warnings = [*(str(change) for change in changes if change.needs_restart), *parts.warnings()]
        return ApplyReport(number, [str(change) for change in changes], warnings, late)

    @property
    def wishes(self) -> Wishes:
        """Where programs publish tables. Errors: ControlError."""
        return self._running().generations.wishes

    def report_load(self, pool: str, address: str, seconds: float) -> None:
        """What a backend tells of its load. Errors: KeyError for one that is not there; ControlError."""
        parts = self._running()
        parts.board.report_load(parts.generations.world.ids.backend(pool, address), round(seconds * 1000))

    def _check_accepted(self, parts: Parts, number: int, before: World) -> None:
        refusals = parts.crew.refusals(number)
        if refusals:
            parts.generations.revert(before)
            parts.health.follow(before.config)
            parts.health.check(before.config, parts.health.resolved)
            raise NginyError(f"workers {refusals} refused generation {number}; the configuration before it is back")

    def _check_serving(self) -> None:
        if self.state not in ("serving", "reloading"):
            raise ControlError(f"nginy is {self.state}: nothing can be changed any more")

    # ---- death ----

    def _note_death(self, seat: Seat) -> None:
        if self._suspicion.died(time.monotonic()):
            good = self._suspicion.take_last_good()
            has_last_good = good is not None
            self.event("generation_suspect", "error", generation=self.generation, has_last_good=has_last_good)
            if good is not None:
                self._retreat = asyncio.get_running_loop().create_task(self._go_back(good))

    async def _go_back(self, good: Config) -> None:
        try:
            await self.apply(good)
        except NginyError as error:
            self.event("retreat_failed", level="error", reason=str(error))

    # ---- end ----

    async def drain(self, deadline_s: float | None = None) -> None:
        """Accept nothing new, let sessions finish, cut them at the deadline (runtime.drain unless told)."""
        if self._end is None:
            wait_s = self.config.runtime.drain if deadline_s is None else deadline_s
            self._end = asyncio.get_running_loop().create_task(self._finish(wait_s))
        await asyncio.shield(self._end)

    async def stop(self) -> None:
        """Cut everything now, a drain that goes on included."""
        if self._end is None:
            self._end = asyncio.get_running_loop().create_task(self._finish(None))
        elif self._parts is not None and not self._end.done():
            self._parts.crew.hurry()
        await asyncio.shield(self._end)

    async def _finish(self, drain_s: float | None) -> None:
        parts = self._running()
        self.state = "draining"
        self._notifier.stopping("draining" if drain_s is not None else "stopping")
        self.event("stopping" if drain_s is None else "draining", deadline_s=drain_s)
        if self._retreat is not None:
            self._retreat.cancel()
        if self._pulse is not None:
            await self._pulse.stop()
        await parts.health.stop()
        if drain_s is not None:
            await parts.crew.drain(drain_s)
        await parts.crew.stop()
        await parts.policies.stop()
        parts.generations.close(is_end=True)
        if self._rejoin is not None:
            self._rejoin.remove_all()
        if self._pid_file and self._spawn == "process":
            limits.remove_pid_file(self._pid_file)
        self._gone()
        self.event("stopped", sessions_cut=parts.crew.sessions_cut or None)

    async def abandon(self) -> None:
        """Something around control could not start: adopted workers go on alone, others end now."""
        parts = self._running()
        if not parts.is_adopted:
            await self.stop()
            return
        if self._pulse is not None:
            await self._pulse.stop()
        await parts.crew.abandon()
        await parts.policies.stop()
        await parts.health.stop()
        parts.generations.close(is_end=False)
        if self._rejoin is not None:
            self._rejoin.remove_bound()
        self._gone()

    def _gone(self) -> None:
        self.state = "stopped"
        self.exited.set()

    def close(self) -> None:
        """Give the board back; nothing can be seen any more. Idempotent."""
        parts, self._parts = self._parts, None
        if parts is not None:
            parts.board.close()
