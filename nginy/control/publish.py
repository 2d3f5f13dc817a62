"""Generations: each change becomes one sealed block with one number, and goes to all workers at once."""

import asyncio
import os
from collections.abc import Callable
from typing import NamedTuple

from nginy.control.certificates import CertsRef
from nginy.control.channel import Publication
from nginy.control.seal import seal
from nginy.control.tables import TableRef

COALESCE_S = 0.05  # changes after the first wait for company, at most this long
RETRY_S = 1.0  # after a shortage of descriptors or memory: a verdict must not get lost


class Content(NamedTuple):
    """What a generation is made of: sockets as (sock_id, descriptor), the tables that its pools look things up in."""

    block: bytes
    sockets: tuple[tuple[int, int], ...]
    tables: tuple[TableRef, ...] = ()
    keepsake: TableRef | None = None
    certs: CertsRef | None = None


Build = Callable[[int], Content]


class Publisher:
    """Counts generations and hands each to `deliver`.

    Belongs to the loop's thread; owns the newest snapshot.
    """

    def __init__(
        self,
        build: Build,
        deliver: Callable[[Publication], None],
        on_trouble: Callable[[Exception], None],
        generation: int = 0,
    ) -> None:
        """on_trouble: called when a change that nobody waits for could not go out; it is tried again."""
        self._build = build
        self._deliver = deliver
        self._on_trouble = on_trouble
        self._loop = asyncio.get_running_loop()
        self._last_s = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self.generation = generation
        self.current: Publication | None = None

    def publish(self) -> int:
        """Build, seal and send now. -> the new generation.

        Errors: what `build` raises; then nothing has changed.
        """
        made = self._build(self.generation + 1)
        fd = seal(made.block, "nginy-snapshot")
        fresh = Publication(self.generation + 1, fd, made.sockets, made.tables, made.keepsake, made.certs)
        stale, self.current = self.current, fresh
        self.generation = fresh.generation
        self._last_s = self._loop.time()
        self._cancel()
        self._deliver(fresh)
        if stale is not None:
            os.close(stale.fd)  # every channel holds the fresh one instead by now
        return fresh.generation

    def publish_soon(self) -> None:
        """The first change goes out at once; what follows within COALESCE_S goes out together."""
        if self._timer is not None:
            return
        wait_s = self._last_s + COALESCE_S - self._loop.time()
        if wait_s <= 0:
            self._fire()
        else:
            self._timer = self._loop.call_later(wait_s, self._fire)

    def close(self) -> None:
        """Idempotent. Nothing is published any more."""
        self._cancel()
        if self.current is not None:
            os.close(self.current.fd)
            self.current = None

    def _fire(self) -> None:
        self._timer = None
        try:
            self.publish()
        except (OSError, ValueError) as error:
            self._timer = self._loop.call_later(RETRY_S, self._fire)
            self._on_trouble(error)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
