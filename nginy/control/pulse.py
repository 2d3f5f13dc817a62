"""Twice a second: is anybody stuck, is anybody short of descriptors, may removed sockets be closed?"""

import asyncio
import time
from collections.abc import Callable

from nginy._fast import door
from nginy.control.seats import Seat
from nginy.control.systemd import Notifier
from nginy.control.workers import Crew

INTERVAL_S = 0.5
STALL_S = 2.5  # a sleeping worker turns once a second
OWN_GAP_S = 1.5  # a longer gap between two looks was control's own: it proves nothing about the workers
COMPLAINT_PAUSE_S = 1.0


class Pulse:
    """Runs from `start` to `stop`. sweep(): anything else to be done at each beat."""

    def __init__(
        self,
        crew: Crew,
        board: door.Board,
        emit: Callable[..., None],
        notifier: Notifier,
        sweep: Callable[[], None],
    ) -> None:
        self._crew = crew
        self._board = board
        self._emit = emit
        self._notifier = notifier
        self._sweep = sweep
        self._task: asyncio.Task[None] | None = None
        self._turns: dict[int, tuple[int, int, float]] = {}  # slot to (pid, turns, when it last moved)
        self._paused: dict[int, int] = {}
        self._complained_s = 0.0
        self._told_s = 0.0
        self._last_s = time.monotonic()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="nginy-pulse")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s())
            self.beat(time.monotonic())

    def _interval_s(self) -> float:
        watchdog_s = self._notifier.watchdog_s
        return min(INTERVAL_S, watchdog_s / 2) if watchdog_s else INTERVAL_S

    def beat(self, now_s: float) -> None:
        """One look. now_s: monotonic clock."""
        if now_s - self._last_s > OWN_GAP_S:
            self._turns.clear()
        self._last_s = now_s
        stalled = [seat for seat in self._crew.seats if seat.is_ready and self._is_stalled(seat, now_s)]
        for seat in stalled:
            self._emit("worker_stalled", level="warning", slot=seat.slot, pid=seat.pid, idle_s=STALL_S)
            self._turns.pop(seat.slot, None)
            self._crew.kill(seat)
        self._watch_pauses(now_s)
        self._sweep()
        if not stalled and self._notifier.watchdog_s and now_s - self._told_s >= self._notifier.watchdog_s / 2:
            self._told_s = now_s
            self._notifier.watchdog()

    def _is_stalled(self, seat: Seat, now_s: float) -> bool:
        turns = self._board.worker(seat.slot)["turns"]
        pid, seen, since_s = self._turns.get(seat.slot, (0, -1, now_s))
        if (pid, seen) != (seat.pid, turns):
            self._turns[seat.slot] = (seat.pid, turns, now_s)
            return False
        return now_s - since_s >= STALL_S

    def _watch_pauses(self, now_s: float) -> None:
        """Accepting paused for want of descriptors or memory: one line a second, however often it happens."""
        if now_s - self._complained_s < COMPLAINT_PAUSE_S:
            return
        for seat in self._crew.seats:
            count = self._board.worker(seat.slot)["accept_paused"]
            before = self._paused.get(seat.slot, 0)
            self._paused[seat.slot] = count
            if count > before:
                self._complained_s = now_s
                self._emit("accept_paused", level="warning", slot=seat.slot, times=count - before)
