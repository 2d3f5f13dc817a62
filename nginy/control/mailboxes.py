"""The mailboxes of one policy process: shared memory and bells, made by control, one for each worker."""

import os
import time
from dataclasses import dataclass, field

from nginy.balancer.mailbox import MailboxWatch, mailbox_create

_SLOT_SHIFT = 56  # in a ticket: the slot above, a clock below, so that no two mailboxes share one


@dataclass(slots=True)
class Mailboxes:
    """What one policy process shares with the workers. Owned by control until the next one."""

    question_bell: int
    boxes: list[tuple[int, int]]  # mailbox, bell of answers; by slot
    watches: list[MailboxWatch] = field(default_factory=list)

    @classmethod
    def make(cls, slots: int) -> "Mailboxes":
        """Errors: OSError, MemoryError; nothing is left behind then."""
        room = cls(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK), [])
        try:
            clock = time.monotonic_ns() & ((1 << _SLOT_SHIFT) - 1)
            for slot in range(slots):
                box = mailbox_create(slot << _SLOT_SHIFT | clock)
                room.boxes.append((box, -1))
                room.boxes[slot] = (box, os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
                room.watches.append(MailboxWatch(box))
        except BaseException:
            room.close()
            raise
        return room

    def mail(self, slot: int) -> tuple[int, int, int]:
        """What the worker of a slot gets."""
        box, bell = self.boxes[slot]
        return box, self.question_bell, bell

    def close(self) -> None:
        self.watches.clear()
        for fd in [self.question_bell, *(fd for box in self.boxes for fd in box)]:
            if fd >= 0:
                os.close(fd)
        self.question_bell, self.boxes = -1, []
