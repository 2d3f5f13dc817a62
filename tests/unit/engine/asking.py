"""The policy process of one worker, played by a test: it answers when and what the test says."""

import os
import socket
import time
from contextlib import suppress

from nginy._fast import door
from nginy._fast.mailroom import Mailroom, Question
from nginy.control.mailboxes import Mailboxes
from tests.unit.engine.worker import Driven


class Desk:
    """Mailbox, bells and the far side of them. For one worker in slot 0."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven
        self.boxes = Mailboxes.make(1)
        box, self.question_bell, self.bell = self.boxes.mail(0)
        self.room = Mailroom([(os.dup(box), os.dup(self.bell))], os.dup(self.question_bell), os.dup(driven.board_fd))

    def hand(self) -> None:
        """The worker gets its mailbox."""
        socket.send_fds(self.driven.channel, [door.pack_message(door.MSG_MAILBOX)], list(self.boxes.mail(0)))

    def questions(self, n: int, most_s: float = 10.0) -> list[Question]:
        """The next n questions."""
        end, got = time.monotonic() + most_s, self.room.take(n)
        while len(got) < n:
            assert time.monotonic() < end, f"{len(got)} of {n} questions"
            time.sleep(0.001)
            got += self.room.take(n - len(got))
        return got

    def question(self) -> Question:
        return self.questions(1)[0]

    def answer(self, question: Question, backend: int) -> None:
        assert self.room.answer(question, backend)
        self.room.ring()

    def is_rung(self) -> bool:
        """Whether the worker has rung since it was asked last."""
        with suppress(BlockingIOError):
            return os.eventfd_read(self.question_bell) > 0
        return False

    def close(self) -> None:
        self.room.close()
        self.boxes.close()
