"""nginy in a program: `async with nginy.Server(config)`, or a plain `with`.

Workers are threads of the host unless told.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from nginy.admin.paths import socket_path
from nginy.config import config_from
from nginy.control.lifecycle import Control
from nginy.control.report import ApplyReport
from nginy.control.spawn import SpawnKind
from nginy.control.view import View
from nginy.control.wishes import Points, Slots
from nginy.errors import ControlError
from nginy.foreground import run_forever
from nginy.house import EventLog, House
from nginy.model import Config
from nginy.observe.log import StandardLog

__all__ = ["ApplyReport", "Config", "ConfigLike", "Server", "View", "run_forever"]

ConfigLike = Config | Mapping[str, Any] | str | os.PathLike[str]
T = TypeVar("T")


class Server:
    """One embedded nginy.

    In `async with` it lives in the running loop, and apply, drain and stop are to be awaited. In a plain
    `with` it lives in a loop of its own in a background thread, and the same calls block; then any thread may
    call. Raises the soft descriptor limit of the program to the hard one, as every server of many connections
    does.
    """

    def __init__(
        self, config: ConfigLike, *, spawn: SpawnKind = "thread", log: EventLog | None = None
    ) -> None:
        """config: a Config, a mapping as a file would hold it, or the path of a file.

        spawn: "thread" (workers end with the program) or "process" (a crash costs one worker's sessions).
        log: where events go; the `logging` module's logger `nginy` unless told.   Errors: ConfigError.
        """
        self._path = Path(config) if isinstance(config, str | os.PathLike) else None
        self._config = config_from(config)
        self._spawn: SpawnKind = spawn
        self._log = log or StandardLog()
        self._house: House | None = None
        self._thread: _LoopThread | None = None

    # ---- life ----

    async def __aenter__(self) -> Self:
        """Errors: ConfigError, StartError; nothing is left behind then."""
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._shut()

    def __enter__(self) -> Self:
        """Errors: ConfigError, StartError; nothing is left behind then."""
        self._thread = _LoopThread()
        try:
            self._thread.run(self._open)
        except BaseException:
            self._close_thread()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._call(self._shut)
        finally:
            self._close_thread()

    # ---- while it runs ----

    @property
    def addresses(self) -> dict[str, list[str]]:
        """Listener to where it really is: `127.0.0.1:40123` when the configuration says port 0."""
        return self._control().addresses

    @property
    def ports(self) -> dict[str, list[int]]:
        """Listener to its TCP ports, in the order of its binds."""
        places = {
            name: [a for a in found if not a.startswith("unix:")] for name, found in self.addresses.items()
        }
        return {name: [int(place.rpartition(":")[2]) for place in found] for name, found in places.items()}

    @property
    def state(self) -> str:
        """starting, serving, reloading, draining or stopped."""
        return self._house.control.state if self._house is not None else "stopped"

    def view(self) -> View:
        """The whole picture now: workers, listeners, pools, backends with their counters."""

        async def view() -> View:
            return self._control().view()

        return self._control().view() if self._thread is None else self._thread.run(view)

    def apply(self, config: ConfigLike) -> Any:
        """Bring another configuration into force -> ApplyReport. Open sessions live on.

        Errors: ConfigError, NginyError with the reason; the configuration before it goes on then.
        """
        wanted = config_from(config)
        return self._call(lambda: self._live().apply(wanted))

    def publish_map(self, pool: str, keys: Mapping[str | bytes, str]) -> Any:
        """Clients with these keys go to these backends, whatever the pool's policy says; all others go by the policy.

        keys: of the kind that the policy goes by, addresses as text where these are keys; to addresses of backends.
        Replaces the map before it; workers have it a moment later. A backend that cannot be used is passed over.
        Errors: KeyError for an unknown pool, ValueError for a key that is none.
        """

        async def publish() -> None:
            self._control().wishes.map_keys(pool, keys)

        return self._call(publish)

    def publish_ring(self, pool: str, points: Points) -> Any:
        """The pool's policy, which has to be `ring`, `bounded_ring` or `hash_preserve`, looks keys up on this ring.

        points: a nginy.balancer.Ring of backends' addresses, or up to 2,000,000 (hash, address): the upper 32 bits of a
        key's hash belong to the first point at or behind them. None: the pool's own ring is back.
        It stays as it is, whatever comes, goes or weighs, until another one is published or a reload gives the pool
        another kind of policy; who may not be used is passed over. Workers have it a moment later.
        Errors: KeyError for an unknown pool or backend; ValueError, TypeError for what is no ring of this pool.
        """
        return self._call(lambda: self._control().wishes.publish_ring(pool, points))

    def publish_maglev(self, pool: str, slots: Slots) -> Any:
        """As publish_ring, for `maglev` and `bounded_maglev`.

        slots: a nginy.balancer.Maglev of backends' addresses, or the address of each of up to 4,194,301 slots.
        """
        return self._call(lambda: self._control().wishes.publish_maglev(pool, slots))

    def report_load(self, pool: str, backend: str, seconds: float) -> Any:
        """What a backend tells of its own load, such as how long its requests wait: a tenth of it goes into the average
        that `jump_load` looks at. Errors: KeyError for an unknown pool or address.
        """

        async def report() -> None:
            self._control().report_load(pool, backend, seconds)

        return self._call(report)

    def drain(self, deadline_s: float | None = None) -> Any:
        """Accept nothing new, let sessions finish, cut them at the deadline (runtime.drain unless told)."""
        return self._call(lambda: self._control().drain(deadline_s))

    def stop(self) -> Any:
        """Cut everything now. Leaving the `with` block does it as well."""
        return self._call(self._shut)

    # ---- inside ----

    def _call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> Any:
        return make() if self._thread is None else self._thread.run(make)

    def _live(self) -> House:
        if self._house is None:
            raise ControlError("this server has not been started, or has been stopped")
        return self._house

    def _control(self) -> Control:
        return self._live().control

    async def _open(self) -> None:
        socket = None
        if self._config.admin.socket is not None:
            socket = socket_path(self._config.admin.socket, self._path)
        control = Control(
            self._config, spawn=self._spawn, log=self._log, config_path=self._path, control_socket=socket
        )
        house = House(control, self._log, self._path)
        await house.start(socket)
        self._house = house

    async def _shut(self) -> None:
        house, self._house = self._house, None
        if house is not None:
            await house.stop()

    def _close_thread(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()


class _LoopThread:
    """A loop in a thread of its own. Ended by `close`, with everything that ran in it."""

    def __init__(self) -> None:
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        # daemon: a host that forgets to leave the `with` block must still be able to exit
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._main(),), name="nginy-control", daemon=True
        )
        self._thread.start()
        self._is_up.wait()

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run to the end in the loop, from any other thread."""
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._is_up.set()
        await self._end.wait()
