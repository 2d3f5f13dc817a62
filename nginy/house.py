"""One control with its doors and observers, started and ended in the right order."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import nginy
from nginy.admin.commands import Commands
from nginy.admin.socket import AdminSocket
from nginy.config import load_config
from nginy.control.lifecycle import Control
from nginy.control.report import ApplyReport
from nginy.errors import ConfigError, ControlError, NginyError
from nginy.model import Config
from nginy.observe.access import AccessDrain
from nginy.observe.recent import Recent
from nginy.observe.status import status_tree

if TYPE_CHECKING:
    from nginy.observe.metrics import Metrics


class EventLog(Protocol):
    """Where events go. dropped: events that could not be written."""

    @property
    def dropped(self) -> int: ...
    def event(self, kind: str, level: str | None = None, **fields: object) -> None: ...


class House:
    """Belongs to one loop. config_path: what a reload reads; None refuses reloads by command and signal."""

    def __init__(self, control: Control, log: EventLog, config_path: Path | None) -> None:
        self.control = control
        self.access = AccessDrain(control, control.config.runtime.access_log, log=log)
        self.recent = Recent(control)
        self._log = log
        self._config_path = config_path
        self._undo = AsyncExitStack()
        self._wishes: set[asyncio.Task[None]] = set()

    @cached_property
    def _metrics(self) -> "Metrics":
        # at the first scrape or reload: no client waits for what draws metrics
        from nginy.observe.metrics import Metrics

        return Metrics(self.control, access=self.access, log=self._log)

    async def render(self, accept: str = "") -> tuple[str, bytes]:
        """One scrape, as Metrics.render."""
        return await self._metrics.render(accept)

    async def start(self, socket: Path | None) -> None:
        """socket: the control socket, None for none.

        Errors: as Control.start, and StartError for a door that cannot be opened; nothing is left behind
        then.
        """
        door = AdminSocket(self._commands(), socket) if socket is not None else None
        async with AsyncExitStack() as undo:
            if door is not None:
                door.claim()  # first of all: two of us must never adopt the same workers
                undo.push_async_callback(door.stop)
            await self.control.start()
            undo.push_async_callback(self._end_control)
            await self.access.start()
            undo.push_async_callback(self.access.stop)
            self.recent.start()
            undo.push_async_callback(self.recent.stop)
            await self._open_http(undo)
            if door is not None:
                await door.start()
            self.control.announce()
            self._undo = undo.pop_all()

    async def stop(self) -> None:
        """End whatever still runs, the control socket last: whoever asked to stop sees the end.

        Idempotent.
        """
        if self.control.generation and not self.control.exited.is_set():
            await self.control.stop()
        undo, self._undo = self._undo, AsyncExitStack()
        await undo.aclose()

    async def reload(self) -> ApplyReport:
        """Read the file again and apply it. Errors: ConfigError, NginyError; nothing has changed then."""
        if self._config_path is None:
            error = ControlError("nginy was started without a configuration file: nothing can be read again")
            self._refused(str(error))
            raise error
        try:
            config = await asyncio.to_thread(load_config, self._config_path)
        except ConfigError as error:
            for problem in error.problems:
                self._log.event("config_problem", "error", problem=str(problem))
            self._refused(f"{len(error.problems)} problems in {self._config_path}")
            raise
        return await self.apply(config)

    async def apply(self, config: Config) -> ApplyReport:
        """Control.apply, and the access log with it.

        Errors: also StartError for an output that cannot be opened.
        """
        before = self.control.config.runtime.access_log
        try:
            await self.access.configure(config.runtime.access_log)
        except NginyError as error:
            self._refused(str(error))
            raise
        try:
            report = await self.control.apply(config)
        except NginyError:
            await self.access.configure(before)
            self._metrics.count_reload("refused")  # control has said why
            raise
        self._metrics.count_reload("applied" if report.changes else "unchanged")
        return report

    def ask(self, wish: Coroutine[Any, Any, None]) -> None:
        """Run something that nobody waits for."""
        task = asyncio.get_running_loop().create_task(wish)
        self._wishes.add(task)
        task.add_done_callback(self._wishes.discard)

    def _refused(self, reason: str) -> None:
        self._metrics.count_reload("refused")
        self._log.event("reload_refused", "error", generation=self.control.generation, reason=reason)

    def _commands(self) -> Commands:
        return Commands(
            status=self._status,
            reload=self.reload,
            route=self.control.route,
            stop=self._stop_wish,
            version=nginy.__version__,
        )

    def _status(self) -> dict[str, Any]:
        return status_tree(self.control, self.recent)

    def _stop_wish(self, now: bool) -> None:
        self.ask(self.control.stop() if now else self.control.drain())

    async def _open_http(self, undo: AsyncExitStack) -> None:
        wanted = self.control.config.admin.http
        if wanted is None:
            return
        from nginy.admin.http import AdminHttp
        from nginy.observe.ready import Readiness

        http = AdminHttp(wanted.bind, metrics=self, ready=Readiness(self.control), status=self._status)
        await http.start()
        undo.push_async_callback(http.stop)
        self.control.event("admin_http", address=http.address)

    async def _end_control(self) -> None:
        if not self.control.exited.is_set():
            await self.control.abandon()
        self.control.close()
