"""The thread that runs policies in a host program: how many may hang at once."""

import asyncio
import os
import threading
from typing import Any

import pytest

from nginy._fast import door
from nginy.control import policyhost
from nginy.control.mailboxes import Mailboxes
from nginy.control.policyhost import THREADS_LEFT_MAX, HostOrder, start_host
from tests.tools.waiting import wait_until


def test_threads_that_hang_are_few_and_the_next_one_starts_when_one_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    async def hang(seatings: Any) -> None:
        go_on.wait()

    monkeypatch.setattr("nginy.balancer.process.live_in_thread", hang)

    async def main() -> None:
        boxes, board_fd = Mailboxes.make(1), door.board_create(1)

        def start() -> None:
            host, link = start_host(
                HostOrder((), 0), "thread", board_fd, boxes.question_bell, boxes.boxes, lambda *_: None
            )
            link.close()
            host.end()

        for _ in range(THREADS_LEFT_MAX):
            start()
        with pytest.raises(OSError, match="threads of policies hang"):
            start()
        go_on.set()
        wait_until(lambda: not any(one.is_alive() for one in policyhost._ThreadHost._left), "they have ended")
        start()
        boxes.close()
        os.close(board_fd)

    asyncio.run(main())
