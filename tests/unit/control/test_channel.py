"""Channel: real socket pairs, the worker's end read by hand."""

import array
import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from nginy._fast import door
from nginy.control.channel import Channel, Message, Publication, close_all, receive
from nginy.control.tables import TableRef


@dataclass
class End:
    """Control's end, and the worker's as `far`."""

    channel: Channel
    far: socket.socket
    heard: list[Message] = field(default_factory=list)
    ends: list[bool] = field(default_factory=list)

    def read(self) -> list[Message]:
        """All that has arrived; descriptors are closed."""
        found = []
        self.far.setblocking(False)
        while True:
            try:
                message = receive(self.far)
            except BlockingIOError:
                return found
            assert message is not None
            close_all(message.fds)
            found.append(message)

    def tell(self, kind: int, a: int = 0) -> None:
        self.far.send(door.pack_message(kind, a))


def run(test: Callable[[End], Awaitable[None]]) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        heard: list[Message] = []
        ends: list[bool] = []
        end = End(Channel(ours, heard.append, lambda: ends.append(True)), theirs, heard, ends)
        try:
            await test(end)
        finally:
            end.channel.close()
            theirs.close()

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) == before


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def publication(generation: int, sock_ids: range = range(0), fd: int = 0) -> Publication:
    return Publication(generation, fd, tuple((sock_id, 0) for sock_id in sock_ids))


def shape(messages: list[Message]) -> list[tuple[int, int, int]]:
    """(kind, a, number of descriptors)"""
    return [(message.kind, message.a, len(message.fds)) for message in messages]


def fill(end: End) -> None:
    """Orders until no more fits."""
    kind = 1000
    while not end.channel._is_waiting:
        end.channel.order(kind)
        kind += 1


def test_sockets_come_before_the_snapshot_in_order_and_at_most_64_at_once() -> None:
    async def test(end: End) -> None:
        end.channel.offer(publication(1, range(70)))
        messages = end.read()
        assert shape(messages) == [
            (door.MSG_SOCKETS, 0, 64), (door.MSG_SOCKETS, 0, 6), (door.MSG_SNAPSHOT, 1, 1)
        ]  # fmt: skip
        assert [number for message in messages for number in message.ids] == list(range(70))

    run(test)


def test_a_socket_is_sent_once_and_again_only_after_it_was_dropped() -> None:
    async def test(end: End) -> None:
        for generation, sock_ids in ((1, range(2)), (2, range(1)), (3, range(2)), (4, range(2))):
            end.channel.offer(publication(generation, sock_ids))
        sent = [message.ids for message in end.read() if message.kind == door.MSG_SOCKETS]
        assert sent == [(0, 1), (1,)]

    run(test)


def test_a_table_that_was_refused_is_sent_once_more_with_its_generation() -> None:
    async def test(end: End) -> None:
        newest = Publication(3, 0, (), (TableRef(7, 1, 0), TableRef(8, 2, 0)))
        end.channel.offer(newest)
        end.read()
        assert end.channel.resend_table(7, newest)
        assert shape(end.read()) == [(door.MSG_TABLE, 7, 1), (door.MSG_SNAPSHOT, 3, 1)]
        assert not end.channel.resend_table(7, newest), "twice is enough"
        assert not end.channel.resend_table(9, newest), "it has none"
        assert end.channel.resend_table(8, newest)
        assert end.channel.resend_table(7, Publication(3, 0, (), (TableRef(7, 4, 0),))), "another one"

    run(test)


def test_a_worker_that_does_not_read_gets_only_the_newest_generation() -> None:
    async def test(end: End) -> None:
        fill(end)
        for generation in range(1, 50):
            end.channel.offer(publication(generation, range(generation)))
        end.read()
        seen: list[Message] = []
        await until(lambda: seen.extend(end.read()) or any(m.kind == door.MSG_SNAPSHOT for m in seen))
        assert [m.a for m in seen if m.kind == door.MSG_SNAPSHOT] == [49]
        assert [m.ids for m in seen if m.kind == door.MSG_SOCKETS] == [tuple(range(49))]

    run(test)


def test_an_order_overtakes_a_generation_that_waits() -> None:
    async def test(end: End) -> None:
        fill(end)
        end.channel.offer(publication(1))
        end.channel.order(door.MSG_STOP)
        end.read()
        seen: list[Message] = []
        await until(lambda: seen.extend(end.read()) or any(m.kind == door.MSG_SNAPSHOT for m in seen))
        kinds = [m.kind for m in seen]
        assert kinds.index(door.MSG_STOP) < kinds.index(door.MSG_SNAPSHOT)

    run(test)


def test_of_two_unsent_orders_of_a_kind_the_newest_wins() -> None:
    async def test(end: End) -> None:
        fill(end)
        end.channel.order(door.MSG_SERVE, 1)
        end.channel.order(door.MSG_SERVE, 6)
        end.read()
        seen: list[Message] = []
        await until(lambda: seen.extend(end.read()) or any(m.kind == door.MSG_SERVE for m in seen))
        assert [m.a for m in seen if m.kind == door.MSG_SERVE] == [6]

    run(test)


def test_messages_are_heard_and_the_end_is_told_once() -> None:
    async def test(end: End) -> None:
        end.tell(door.MSG_ADOPTED, 3)
        end.tell(door.MSG_ADOPTED, 4)
        end.far.close()
        await until(lambda: end.ends)
        assert [message.a for message in end.heard] == [3, 4]
        await asyncio.sleep(0)
        assert end.ends == [True]
        assert not end.channel.is_open

    run(test)


def test_writing_to_a_dead_worker_ends_the_channel_and_does_not_raise() -> None:
    async def test(end: End) -> None:
        end.far.close()
        end.channel.order(door.MSG_STOP)
        end.channel.offer(publication(1))
        await until(lambda: end.ends)

    run(test)


def test_last_words_are_heard_when_the_worker_is_known_to_be_dead() -> None:
    async def test(end: End) -> None:
        end.tell(door.MSG_DRAINED, 5)
        end.far.close()
        end.channel.finish()
        assert [message.a for message in end.heard] == [5]
        assert not end.ends

    run(test)


def test_a_foreign_message_ends_the_channel_and_leaks_nothing() -> None:
    async def test(end: End) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1]))]
        end.far.sendmsg([b"not ours"], rights)
        await until(lambda: end.ends)
        assert not end.heard

    run(test)
