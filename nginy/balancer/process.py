"""The policy process: runs user code, never control's. Embedded, the same runs in a thread of the host.

It is told about pools and backends over a link from control, asked by workers through mailboxes, and ends when
the link does. Messages on the link are JSON behind four bytes of length, both ways.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nginy.balancer.link import EXIT_FORKED, EXIT_MEMORY, pack_link, read_link
from nginy.balancer.load import LoadError, extend_path, load_class
from nginy.balancer.mailbox import Mailroom
from nginy.balancer.office import Office

STUCK_S = 10.0  # control would have replaced it long before: it is gone as well


@dataclass(frozen=True, slots=True)
class Seatings:
    """The descriptors that a policy process gets; all of them become its own.

    mailboxes: (mailbox, bell of answers) by slot.
    """

    link: int
    board: int
    question_bell: int
    mailboxes: Sequence[tuple[int, int]]


def main(link: int, board: int, question_bell: int, mailboxes: Sequence[tuple[int, int]], uid: int, gid: int) -> None:
    """The whole life of a policy process: rights, bounds, loop. uid, gid: -1 keeps control's."""
    import uvloop

    if gid >= 0:
        os.setgroups([])
        os.setgid(gid)
    if uid >= 0:
        os.setuid(uid)
    seatings = Seatings(link, board, question_bell, mailboxes)
    uvloop.run(_live(seatings, is_process=True))


async def live_in_thread(seatings: Seatings) -> None:
    """The same in a loop of the host program, without bounds of its own."""
    await _live(seatings, is_process=False)


async def _live(seatings: Seatings, *, is_process: bool) -> None:
    room = Mailroom(seatings.mailboxes, seatings.question_bell, seatings.board)
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=seatings.link))
    try:
        order = await read_link(reader)
        if order is None:
            return
        if is_process:
            _bound(order)
        office = Office(room, lambda message: writer.write(pack_link(message)))
        office.is_behind = lambda: writer.transport.get_write_buffer_size() > 0
        _hire(office, order)
        await _work(office, reader, is_process=is_process)
    finally:
        room.close()
        writer.close()


def _bound(order: Mapping[str, Any]) -> None:
    """Memory, children and patience of this process."""
    limit = int(order["memory_bytes"])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # a copy of this process must never go on in its place: neither with its questions nor with its sessions
    os.register_at_fork(after_in_child=lambda: os._exit(EXIT_FORKED), after_in_parent=_leave_after_fork)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _leave_after_fork() -> None:
    os._exit(EXIT_FORKED)


def _hire(office: Office, order: Mapping[str, Any]) -> None:
    """An object of each class. One that cannot be had is missed by its own pools only; control is told."""
    extend_path(order["folders"])
    for pool, (call, kind, args) in order["policies"].items():
        try:
            office.hire(pool, load_class(call, kind, args), kind, args)
        except LoadError as error:
            office.miss(pool, str(error))
        except Exception as error:
            office.miss(pool, f"{call}(): {type(error).__name__}: {error}")


async def _work(office: Office, reader: asyncio.StreamReader, *, is_process: bool) -> None:
    is_ready = False
    while (message := await read_link(reader)) is not None:
        office.take_set(message)
        if not is_ready:
            is_ready = True
            if is_process:
                gc.freeze()
                office.on_beat = _arm_alarm
                # nothing here can be relied on any more
                office.on_no_memory = lambda: os._exit(EXIT_MEMORY)
            office.open()
            office.tell({"kind": "ready"})
    office.shut()


def _arm_alarm() -> None:
    """The kernel ends a process that has been stuck for long, also when control is gone."""
    signal.setitimer(signal.ITIMER_REAL, STUCK_S)

