"""nginy as a program of its own: worker processes, signals, systemd, until it is told to stop."""

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

from nginy.admin.paths import socket_path
from nginy.control.lifecycle import Control
from nginy.control.systemd import Notifier, listen_fds
from nginy.errors import NginyError
from nginy.house import House
from nginy.model import Config
from nginy.observe.log import choose_render, setup


def run_forever(config: Config, *, config_path: Path | None = None, verbose: bool = False) -> int:
    """Serve until a signal or a command ends it. -> exit code.

    config_path: what a reload reads again.   verbose: debug events too.
    Errors: ConfigError, StartError before anything has started.
    """
    import uvloop

    return uvloop.run(_Foreground(config, config_path, verbose).run())


class _Foreground:
    """TERM, QUIT: drain, a second one: now.   INT: now.   HUP: reload, and open log files anew."""

    def __init__(self, config: Config, config_path: Path | None, verbose: bool) -> None:
        self._level = "debug" if verbose else None
        self._log = setup(config.runtime.log, level=self._level)
        socket = socket_path(config.admin.socket, config_path)
        self._control = Control(
            config,
            spawn="process",
            log=self._log,
            config_path=config_path,
            control_socket=socket,
            inherited=listen_fds(os.environ, os.getpid()),
            notifier=Notifier.from_environment(os.environ, os.getpid()),
        )
        self._socket = socket
        self._house = House(self._control, self._log, config_path)
        self._start: asyncio.Task[None] | None = None
        self._reload_wish = asyncio.Event()
        self._is_ending = False

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number, wish in (
            (signal.SIGTERM, self._drain_wish),
            (signal.SIGQUIT, self._drain_wish),
            (signal.SIGINT, self._stop_wish),
            (signal.SIGHUP, self._reload_wish.set),
        ):
            loop.add_signal_handler(number, wish)
        try:
            return await self._serve()
        finally:
            self._log.close()

    async def _serve(self) -> int:
        self._start = asyncio.get_running_loop().create_task(self._house.start(self._socket))
        try:
            await self._start
        except asyncio.CancelledError:
            if self._is_ending:
                return 0
            raise
        gc.freeze()  # what is there now stays: collections pass it over from here on
        self._house.ask(self._reload_whenever_asked())
        await self._control.exited.wait()
        self._is_ending = True
        await self._house.stop()
        return 0

    def _drain_wish(self) -> None:
        self._end(is_now=self._is_ending)

    def _stop_wish(self) -> None:
        self._end(is_now=True)

    def _end(self, is_now: bool) -> None:
        self._is_ending = True
        if self._start is not None and not self._start.done():
            self._start.cancel()
        elif not self._control.exited.is_set():
            self._house.ask(self._control.stop() if is_now else self._control.drain())

    async def _reload_whenever_asked(self) -> None:
        while not self._control.exited.is_set():
            await self._reload_wish.wait()
            self._reload_wish.clear()
            try:
                await self._reload()
            except NginyError:
                pass  # said where it was refused
            except Exception as error:
                self._log.event("reload_broken", "error", reason=repr(error))

    async def _reload(self) -> None:
        self._house.access.reopen()
        await self._house.reload()
        wanted = self._control.config.runtime.log
        self._log.configure(self._level or wanted.level, choose_render(wanted.format, sys.stderr))
