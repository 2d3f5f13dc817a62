"""Crew: what a worker is told that an earlier control has left."""

import asyncio
import socket
import subprocess
import sys

from nginy._fast import door
from nginy.control.channel import receive
from nginy.control.workers import Crew


def test_a_worker_that_is_taken_over_asks_nobody_until_there_is_somebody_to_ask() -> None:
    async def main() -> None:
        board = door.Board(door.board_create(1), 1)
        crew = Crew(None, board, lambda *_, **__: None, lambda: None, lambda _: None, lambda _: ())  # type: ignore[arg-type]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as somebody:
            crew.adopt(0, ours, somebody.pid, 3, ())
            told = [receive(theirs), receive(theirs)]
            assert [(message.kind, message.a, message.fds) for message in told if message] == [
                (door.MSG_SERVE, 0, ()), (door.MSG_MAILBOX, 0, ())
            ]  # fmt: skip
            crew.let_go()
        board.close()

    asyncio.run(main())
