"""The policy process as control keeps it: started when a pool wants it, watched, replaced, never waited for.

Workers get a mailbox each, and two bells. A process that is replaced gets fresh ones, so that nothing that an
old one still writes can reach a worker.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from nginy._fast import door
from nginy.backend.registry import BackendKey, Resolved
from nginy.balancer.link import pack_link, read_link
from nginy.balancer.published import Table, table_of
from nginy.control.mailboxes import Mailboxes
from nginy.control.policyhost import EXITS, Host, HostOrder, start_host
from nginy.control.policyset import Wanted, set_message, wanted_policies
from nginy.control.spawn import SpawnKind
from nginy.control.world import World

BEAT_S = 0.25
HANG_S = 1.0
OWN_GAP_S = 0.75  # a longer gap between two looks was control's own: it proves nothing about the process
HEAR_SHARE = 20  # a message is followed by a rest so many times as long as it took
READY_TIMEOUT_S = 10.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
BACKOFF_RESET_S = 60.0  # a process that lived this long starts with the first backoff again


class Policies:
    """Belongs to the loop's thread.

    hand(): mail for the workers has changed; mail(slot) is what they get.   emit(kind, **fields): events.
    verdicts(resolved): what is known about each backend.   published(pool, table): a table policy
    has said so; ValueError: it cannot be.
    """

    def __init__(
        self,
        board: door.Board,
        board_fd: int,
        order: HostOrder,
        kind: SpawnKind,
        *,
        emit: Callable[..., object],
        hand: Callable[[], None],
        verdicts: Callable[[Resolved], Mapping[BackendKey, str]],
        published: Callable[[str, Table], None],
    ) -> None:
        self.replaced: dict[str, int] = {}  # reason to how often
        self._board = board
        self._board_fd = board_fd
        self._order = order
        self._kind: SpawnKind = kind
        self._emit = emit
        self._hand = hand
        self._verdicts = verdicts
        self._loop = asyncio.get_running_loop()
        self._published = published
        self._wanted: dict[str, Wanted] = {}
        self._world: World | None = None
        self._boxes: Mailboxes | None = None
        self._host: Host | None = None
        self._is_ready = False
        self._ready = asyncio.Event()
        self._sent = b""
        self._backoff_s = BACKOFF_FIRST_S
        self._started_s = 0.0
        self._moved: tuple[int, float] = (-1, 0.0)  # sum of beats, and when it last changed
        self._looked_s = 0.0
        self._told: set[tuple[str, str]] = set()
        self._excused: dict[tuple[str, str], int] = {}  # choices that fallbacks made in place of earlier classes
        self._timer: asyncio.TimerHandle | None = None  # the next start
        self._watch: asyncio.TimerHandle | None = None
        self._hearing: asyncio.Task[None] | None = None

    # ---- what others see ----

    @property
    def pid(self) -> int:
        """0: no policy process is at work."""
        return self._host.pid if self._host is not None and self._is_ready else 0

    def mail(self, slot: int) -> tuple[int, ...]:
        """Mailbox and bells of a worker, borrowed; none while nobody would answer."""
        return self._boxes.mail(slot) if self._boxes is not None and self._is_ready else ()

    # ---- what is wanted ----

    def follow(self, world: World) -> None:
        """The current world: the right classes, told about the right backends."""
        self._world = world
        wanted = wanted_policies(world.config)
        if wanted != self._wanted:
            self._begin_anew({pool for pool, call in wanted.items() if self._wanted.get(pool) != call})
            self._wanted = wanted
            self._backoff_s = BACKOFF_FIRST_S
            self._end_host()
            if wanted:
                self._start()
        self._send()

    async def wait_ready(self, timeout_s: float) -> None:
        """Until the policies can be asked, or for so long; what is not ready then is left to the fallbacks."""
        if self._wanted:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._ready.wait()

    async def stop(self) -> None:
        """End it. Idempotent."""
        self._wanted = {}
        self._end_host()
        if self._watch is not None:
            self._watch.cancel()
        self._watch = None

    # ---- life of a process ----

    def _start(self) -> None:
        self._timer = None
        try:
            self._boxes = Mailboxes.make(self._board.slots)
            self._host, link = start_host(
                self._order, self._kind, self._board_fd, self._boxes.question_bell, self._boxes.boxes, self._exited
            )
        except (OSError, MemoryError) as error:
            self._close_boxes()
            self._emit("policy_process_failed", level="error", reason=str(error))
            self._start_later()
            return
        self._started_s = self._looked_s = self._loop.time()
        self._moved = (-1, self._started_s)
        self._hearing = self._loop.create_task(self._hear(self._host, link), name="nginy-policies")
        if self._watch is None:
            self._look()
        self._emit("policy_process_started", level="debug", pid=self._host.pid)

    def _start_later(self) -> None:
        if self._loop.time() - self._started_s >= BACKOFF_RESET_S:
            self._backoff_s = BACKOFF_FIRST_S
        self._timer = self._loop.call_later(self._backoff_s, self._start)
        self._backoff_s = min(BACKOFF_MAX_S, self._backoff_s * 2)

    async def _hear(self, host: Host, link: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=link)
        if host is not self._host:
            writer.close()
            return
        host.writer = writer
        folders = list(self._order.folders)
        memory_bytes = self._order.memory_bytes
        writer.write(pack_link({"policies": self._wanted, "folders": folders, "memory_bytes": memory_bytes}))
        self._sent = b""
        self._send()
        try:
            while (message := await read_link(reader)) is not None:
                if host is self._host:
                    began_s = self._loop.time()
                    self._heard(message)
                    # one that never stops talking must not keep control from everybody else
                    await asyncio.sleep((self._loop.time() - began_s) * HEAR_SHARE)
        except (LookupError, TypeError, ValueError):
            if host is self._host:
                self._replace("nonsense")
        finally:
            writer.close()

    def _heard(self, message: Mapping[str, Any]) -> None:
        kind = message.get("kind")
        if kind == "ready":
            self._is_ready = True
            self._ready.set()
            self._moved = (-1, self._loop.time())
            self._hand()
            calls = sorted({call for call, _, _ in self._wanted.values()})
            self._emit("policy_process_ready", pid=self.pid, policies=", ".join(calls))
        elif kind in ("weights", "keys", "table") and message.get("pool") in self._wanted:
            self._publish(message["pool"], table_of(message))
        elif kind in ("raised", "failed"):
            self._emit(
                f"policy_{kind}", level="error", pool=str(message.get("pool")), hook=message.get("hook"),
                error=str(message.get("error"))[:1000],
            )  # fmt: skip

    def _publish(self, pool: str, table: Table) -> None:
        try:
            self._published(pool, table)
        except ValueError as error:
            hook = "publish.keys" if table.packed is None else f"publish.{table.packed.kind}"
            self._emit("policy_raised", level="error", pool=pool, hook=hook, error=str(error))

    def _exited(self, host: Host, status: str) -> None:
        if host is self._host:
            self._replace(EXITS.get(status, "died"), status)

    def _replace(self, reason: str, status: str = "") -> None:
        """It is of no use any more: away with it, and another one after a while."""
        self.replaced[reason] = self.replaced.get(reason, 0) + 1
        pid = self._host.pid if self._host is not None else 0
        self._emit("policy_process_replaced", level="warning", reason=reason, status=status or None, pid=pid)
        self._end_host()
        if self._wanted:
            self._start_later()

    def _end_host(self) -> None:
        host, self._host = self._host, None
        self._is_ready = False
        self._ready.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._boxes is not None:
            self._hand()  # workers let go before the mailboxes are closed here
            self._close_boxes()
        if host is not None:
            host.end()

    def _close_boxes(self) -> None:
        boxes, self._boxes = self._boxes, None
        if boxes is not None:
            boxes.close()

    # ---- telling it ----

    def _send(self) -> None:
        """The set as it is now; a process that does not read keeps nothing waiting but the newest one."""
        host, world = self._host, self._world
        if host is None or host.writer is None or world is None or not self._wanted:
            return
        if host.writer.transport.get_write_buffer_size() > 0:
            self._sent = b""
            return
        message = pack_link(set_message(world, self._verdicts(world.resolved)))
        if message != self._sent:
            self._sent = message
            host.writer.write(message)

    # ---- watching it ----

    def _look(self) -> None:
        now_s = self._loop.time()
        gap_s, self._looked_s = now_s - self._looked_s, now_s
        self._watch = self._loop.call_later(BEAT_S, self._look)
        self._tell_misses()
        self._send()
        if self._host is None or self._boxes is None:
            return
        if not self._is_ready:
            if now_s - self._started_s > READY_TIMEOUT_S:
                self._replace("start")
            return
        beats = sum(watch.beat for watch in self._boxes.watches)
        if beats != self._moved[0] or gap_s > OWN_GAP_S:
            self._moved = (beats, now_s)
        elif now_s - self._moved[1] >= HANG_S:
            self._replace("hang")
            return
        if self._host.memory_bytes() > self._order.memory_bytes:
            self._replace("memory")

    def _tell_misses(self) -> None:
        """Say once for each pool and kind that a fallback had to choose."""
        for pool in self._wanted:
            for kind, count in self._misses(pool):
                times = count - self._excused.get((pool, kind), 0)
                if times > 0 and (pool, kind) not in self._told:
                    self._told.add((pool, kind))
                    self._emit("policy_fallback", level="warning", pool=pool, why=kind, times=times)

    def _begin_anew(self, pools: set[str]) -> None:
        """They have other classes now: what is told of these is news."""
        self._told = {(pool, kind) for pool, kind in self._told if pool not in pools}
        for pool in pools:
            self._excused |= {(pool, kind): count for kind, count in self._misses(pool)}

    def _misses(self, pool: str) -> list[tuple[str, int]]:
        """How often its fallback had to choose, by kind."""
        if self._world is None:
            return []
        return list(zip(door.MISSES, self._board.pool(self._world.ids.pool(pool))["misses"], strict=True))
