"""The workers of one nginy: started, watched, stood in for, replaced, drained. All in the loop's thread."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from os import strerror

from nginy._fast import door
from nginy.control.channel import Channel, Message, Publication, close_all
from nginy.control.seats import Seat, share_orphans, slots_in
from nginy.control.spawn import LeftBody, Spawner
from nginy.errors import StartError

READY_TIMEOUT_S = 10.0
GONE_GRACE_S = 1.0  # from the end of a channel to the end of its worker
STOP_GRACE_S = 2.0

Emit = Callable[..., None]


class Crew:
    """All seats. emit(kind, **fields) for events; on_death(seat) after each unexpected death, its counters folded;
    latest() is what a fresh worker gets to serve, mail(slot) where it may ask.
    """

    def __init__(
        self,
        spawner: Spawner,
        board: door.Board,
        emit: Emit,
        latest: Callable[[], Publication | None],
        on_death: Callable[[Seat], None],
        mail: Callable[[int], tuple[int, ...]],
    ) -> None:
        self.seats = [Seat(slot) for slot in range(board.slots)]
        self._spawner = spawner
        self._board = board
        self._emit = emit
        self._latest = latest
        self._on_death = on_death
        self._mail = mail
        self._loop = asyncio.get_running_loop()
        self._is_ending = False
        self._replaces = False  # not before the start has succeeded: until then a death is the start's failure
        self._waiting: list[asyncio.Future[None]] = []

    # ---- start ----

    async def start(self) -> None:
        """Fill every seat and wait until all are ready. Errors: StartError when one dies or takes too long."""
        try:
            for seat in self.seats:
                self._sit(seat)
        except OSError as error:
            raise StartError(f"cannot start a worker: {error.strerror}") from error
        await self.until(lambda: all(seat.is_ready or seat.deaths for seat in self.seats), READY_TIMEOUT_S)
        for seat in self.seats:
            if not seat.is_ready:
                why = "ended at once, its own message is on stderr" if seat.deaths else "did not become ready in time"
                raise StartError(f"worker {seat.slot} {why}")

    def replace_dead(self) -> None:
        """From now on an empty seat is filled again, and its sockets are stood in for meanwhile."""
        self._replaces = True
        self.cover()
        for seat in self.seats:
            if seat.body is None:
                self._sit_again(seat)

    def adopt(self, slot: int, sock: socket.socket, pid: int, generation: int, held: Iterable[int]) -> None:
        """Take over a living worker that an earlier control left.

        The socket is taken over unless it raises OSError: the worker has ended meanwhile.
        """
        seat = self.seats[slot]
        seat.take(LeftBody(pid, lambda status: self._exited(seat, status)), self._loop.time())
        seat.channel = self._channel(seat, sock, held)
        seat.adopted_gen, seat.is_ready = generation, generation > 0
        if not seat.is_ready:
            seat.timer = self._loop.call_later(READY_TIMEOUT_S, self.kill, seat)
        # whatever it stood in for and whomever it asked: masks and mailboxes are ours now
        seat.channel.order(door.MSG_SERVE, 0)
        seat.channel.mail(self._mail(slot))

    def _sit(self, seat: Seat) -> None:
        sock, body = self._spawner.start(seat.slot, lambda status: self._exited(seat, status))
        seat.take(body, self._loop.time())
        seat.channel = self._channel(seat, sock)
        seat.timer = self._loop.call_later(READY_TIMEOUT_S, self.kill, seat)
        if mail := self._mail(seat.slot):
            seat.channel.mail(mail)
        publication = self._latest()
        if publication is not None:
            seat.channel.offer(publication)
        self._emit("worker_started", level="debug", slot=seat.slot, pid=seat.pid)

    def _channel(self, seat: Seat, sock: socket.socket, held: Iterable[int] = ()) -> Channel:
        return Channel(sock, lambda message: self._heard(seat, message), lambda: self._unplugged(seat), held)

    # ---- what workers read ----

    def offer(self, publication: Publication) -> None:
        """Send a generation to every worker that is there."""
        for seat in self.seats:
            if seat.channel is not None:
                seat.channel.offer(publication)

    def hand_mail(self) -> None:
        """Give every worker that is there its mailbox, or take it away."""
        for seat in self.seats:
            if seat.channel is not None:
                seat.channel.mail(self._mail(seat.slot))

    async def wait_adopted(self, generation: int, timeout_s: float) -> list[int]:
        """-> slots of living workers that have neither adopted nor refused it in time."""
        await self.until(lambda: not self._late(generation), timeout_s)
        return self._late(generation)

    def _late(self, generation: int) -> list[int]:
        settled = ((seat, max(seat.adopted_gen, seat.rejected_gen)) for seat in self.seats if seat.is_ready)
        return [seat.slot for seat, gen in settled if gen < generation]

    def adopted_by_all(self) -> int:
        """The generation that every worker has at least."""
        return min((seat.adopted_gen for seat in self.seats if seat.body is not None), default=0)

    def refusals(self, generation: int) -> list[int]:
        """Slots that refused exactly this generation."""
        return [seat.slot for seat in self.seats if seat.rejected_gen == generation]

    # ---- what workers say ----

    def _heard(self, seat: Seat, message: Message) -> None:
        close_all(message.fds)
        if message.kind == door.MSG_READY:
            self._is_up(seat, message.b)
        elif message.kind == door.MSG_ADOPTED:
            seat.adopted_gen = max(seat.adopted_gen, message.a)
            if message.b:  # it serves the rest of the generation
                why = strerror(message.b)
                self._emit("udp_listener_shut", level="error", slot=seat.slot, generation=message.a, error=why)
        elif message.kind == door.MSG_REJECTED:
            self._refused(seat, message)
        elif message.kind == door.MSG_TABLE_REFUSED:
            is_sent = seat.resend_table(message.a, self._latest())
            level, known = "warning" if is_sent else "error", {"slot": seat.slot, "pool": message.a}
            self._emit("table_refused", level=level, **known, refusal=message.b, resent=is_sent)
        elif message.kind == door.MSG_CERTS_REFUSED:
            self._emit("certificates_not_taken", level="error", slot=seat.slot, refusal=message.b)
        elif message.kind == door.MSG_DRAINED:
            seat.sessions_cut = message.a
        self._poke()

    def _is_up(self, seat: Seat, generation: int) -> None:
        seat.cancel_timer()
        seat.is_ready, seat.adopted_gen = True, generation
        if self._replaces:
            self._emit("worker_ready", slot=seat.slot, pid=seat.pid, generation=generation)
            self.cover()

    def _refused(self, seat: Seat, message: Message) -> None:
        newest = self._latest()
        # a block that cannot be read has no number: it was the newest one that this worker was sent
        seat.rejected_gen = message.a or (newest.generation if newest is not None else 0)
        self._emit("worker_rejected", level="error", slot=seat.slot, generation=seat.rejected_gen, refusal=message.b)

    # ---- death and replacement ----

    def cover(self) -> None:
        """Give the sockets of seats that are not ready to ready workers, and take the others back."""
        if not self._replaces or self._is_ending:
            return
        ready = {seat.slot: seat.stands_in for seat in self.seats if seat.is_ready}
        orphans = sum(1 << seat.slot for seat in self.seats if not seat.is_ready)
        for slot, mask in share_orphans(ready, orphans).items():
            seat = self.seats[slot]
            if mask != seat.stands_in and seat.channel is not None:
                seat.stands_in = mask
                seat.channel.order(door.MSG_SERVE, mask)
                self._emit("stand_in", level="debug", slot=slot, serves=slots_in(mask))

    def _unplugged(self, seat: Seat) -> None:
        """Most often the first sign of a death: its sockets are given away at once, the rest can wait."""
        seat.is_ready, seat.stands_in = False, 0
        seat.cancel_timer()
        seat.timer = self._loop.call_later(GONE_GRACE_S, self.kill, seat)
        self.cover()
        self._poke()

    def kill(self, seat: Seat) -> None:
        """End a worker that takes too long; it is replaced like any dead one."""
        if seat.body is not None:
            seat.body.kill()

    def _exited(self, seat: Seat, status: str) -> None:
        pid, now_s = seat.pid, self._loop.time()
        if seat.channel is not None:
            seat.channel.finish()
        if seat.body is not None:
            seat.body.close()
        seat.leave()
        lost = self._board.fold(seat.slot)
        is_asked_for = self._is_ending and not status.startswith("signal")
        if not is_asked_for:
            seat.deaths += 1
            self._emit("worker_died", level="warning", slot=seat.slot, pid=pid, status=status, sessions_lost=lost)
        if self._replaces and not self._is_ending:
            self.cover()
            seat.timer = self._loop.call_later(seat.next_backoff_s(now_s), self._sit_again, seat)
            self._on_death(seat)
        self._poke()

    def _sit_again(self, seat: Seat) -> None:
        try:
            self._sit(seat)
        except (OSError, StartError) as error:
            self._emit("worker_start_failed", level="error", slot=seat.slot, why=str(error))
            seat.timer = self._loop.call_later(seat.next_backoff_s(self._loop.time()), self._sit_again, seat)

    # ---- end ----

    async def drain(self, deadline_s: float) -> None:
        """Ask all to finish by the deadline, and wait until they have; `stop` does the rest."""
        self._begin_end()
        for seat in self.seats:
            seat.is_draining = True
            if seat.channel is not None:
                seat.channel.order(door.MSG_DRAIN, round(deadline_s * 1000))
        await self.until(self.is_gone, deadline_s + STOP_GRACE_S)

    @property
    def sessions_cut(self) -> int:
        """By the deadline of a drain, as far as workers could tell."""
        return sum(seat.sessions_cut for seat in self.seats)

    async def stop(self) -> None:
        """End all now; kill those who do not listen."""
        self.hurry()
        if not await self.until(self.is_gone, STOP_GRACE_S):
            for seat in self.seats:
                self.kill(seat)
            await self.until(self.is_gone, STOP_GRACE_S)
        self.let_go()

    async def abandon(self) -> None:
        """A start has failed: end the workers that it started; those that were there before live on."""
        self._begin_end()
        for seat in self.seats:
            if seat.channel is not None and not isinstance(seat.body, LeftBody):
                seat.channel.order(door.MSG_STOP)
                self.kill(seat)
        await self.until(lambda: all(isinstance(seat.body, LeftBody | None) for seat in self.seats), STOP_GRACE_S)
        self.let_go()

    def hurry(self) -> None:
        """Tell all to stop now, whatever they were told before."""
        self._begin_end()
        for seat in self.seats:
            if seat.channel is not None:
                seat.channel.order(door.MSG_STOP)

    def let_go(self) -> None:
        """Close every channel and watch; workers that live go on without control. Idempotent."""
        self._begin_end()
        for seat in self.seats:
            if seat.channel is not None:
                seat.channel.close()
            if seat.body is not None:
                seat.body.close()

    def is_gone(self) -> bool:
        return all(seat.body is None for seat in self.seats)

    def _begin_end(self) -> None:
        self._is_ending = True
        for seat in self.seats:
            seat.cancel_timer()

    # ---- waiting ----

    async def until(self, is_true: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for news from workers until a condition holds. -> whether it does."""
        deadline_s = self._loop.time() + timeout_s
        while not is_true():
            left_s = deadline_s - self._loop.time()
            if left_s <= 0:
                return False
            news: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(news)
            await asyncio.wait([news], timeout=left_s)
            if not news.done():
                self._waiting.remove(news)
        return True

    def _poke(self) -> None:
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if not news.done():
                news.set_result(None)
