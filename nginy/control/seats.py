"""One worker slot and who sits in it; and who stands in for whom. Nothing runs here."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from nginy.control.channel import Channel, Publication
from nginy.control.spawn import Body

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
BACKOFF_RESET_S = 60.0  # a worker that lived this long starts with the first backoff again


@dataclass(slots=True, eq=False)
class Seat:
    """body None: nobody, until the backoff is over.

    stands_in: bit mask of the slots it serves besides its own.
    """

    slot: int
    channel: Channel | None = None
    body: Body | None = None
    is_ready: bool = False
    is_draining: bool = False
    adopted_gen: int = 0
    rejected_gen: int = 0
    sessions_cut: int = 0
    deaths: int = 0
    started_s: float = 0.0
    backoff_s: float = BACKOFF_FIRST_S
    stands_in: int = 0
    timer: asyncio.TimerHandle | None = None  # the next start, or the patience with this one

    @property
    def state(self) -> str:
        if self.body is None:
            return "down"
        if self.is_draining:
            return "draining"
        return "serving" if self.is_ready else "starting"

    @property
    def pid(self) -> int:
        """0: nobody there."""
        return self.body.pid if self.body is not None else 0

    def take(self, body: Body, now_s: float) -> None:
        """Somebody new sits down."""
        self.body = body
        self.is_ready, self.adopted_gen, self.rejected_gen, self.stands_in = False, 0, 0, 0
        self.started_s = now_s

    def leave(self) -> None:
        """Whoever sat here is gone."""
        self.cancel_timer()
        self.body, self.channel, self.is_ready, self.stands_in = None, None, False, 0

    def resend_table(self, pool: int, newest: Publication | None) -> bool:
        """Once more a table that was refused: what stood in the way, such as want of memory, may be over by now.

        -> whether it is sent; if not, the worker goes on with the one before until the pool gets another.
        """
        return self.channel is not None and newest is not None and self.channel.resend_table(pool, newest)

    def next_backoff_s(self, now_s: float) -> float:
        """How long to wait before this seat is filled again; doubles from death to death."""
        if now_s - self.started_s >= BACKOFF_RESET_S:
            self.backoff_s = BACKOFF_FIRST_S
        wait_s = self.backoff_s
        self.backoff_s = min(BACKOFF_MAX_S, wait_s * 2)
        return wait_s

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def share_orphans(masks: Mapping[int, int], orphans: int) -> dict[int, int]:
    """Who stands in for the slots of the bit mask `orphans`.

    masks: slot of each ready worker to what it stands in for now.   -> the same slots to what they shall.
    Who stands in already keeps that; a new orphan goes to the least burdened; nobody ready: nobody does.
    """
    shared = {slot: mask & orphans for slot, mask in masks.items()}
    for orphan in slots_in(orphans):
        if shared and not any(mask >> orphan & 1 for mask in shared.values()):
            shared[min(shared, key=lambda slot: shared[slot].bit_count())] |= 1 << orphan
    return shared


def slots_in(mask: int) -> list[int]:
    """The bits that are set."""
    return [slot for slot in range(mask.bit_length()) if mask >> slot & 1]
