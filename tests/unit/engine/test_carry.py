"""Bulk: spliced, copied through large buffers, or neither; every byte arrives, nothing stays open."""

import hashlib
import os
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nginy._fast import door
from tests.unit.policy.rows import backend, pool, socket_row

from .test_endings import reset
from .test_worker import client, until
from .worker import Driven, listening, snapshot

PIPES = {"pipes_bytes": 8 * door.PIPE_BYTES, "buffers_bytes": 4 << 20}
MIB = 1 << 20


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture
def seed() -> int:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return seed


def serving(upstream: socket.socket, front: socket.socket, options: dict[str, int], **changes: Any) -> Driven:
    driven = Driven(**options)
    driven.give({0: front})
    driven.publish(snapshot([backend(0, address=upstream.getsockname())], [socket_row()], **changes))
    driven.wait(door.MSG_ADOPTED)
    return driven


def pump(to: socket.socket, n_bytes: int, seed: int) -> str:
    """Send so many random bytes in random pieces, then finish. -> their SHA-256"""
    rng = random.Random(seed)
    digest, block, left = hashlib.sha256(), random.Random(seed).randbytes(MIB), n_bytes
    while left:
        piece = block[: min(left, rng.choice((1, 100, 5000, 70_000, MIB)))]
        to.sendall(piece)
        digest.update(piece)
        left -= len(piece)
    to.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def swallow(from_: socket.socket) -> tuple[int, str]:
    """Receive to the end. -> bytes, SHA-256"""
    from_.settimeout(30)
    digest, n = hashlib.sha256(), 0
    while piece := from_.recv(MIB):
        digest.update(piece)
        n += len(piece)
    return n, digest.hexdigest()


def both_ways(c: socket.socket, back: socket.socket, n_bytes: int, seed: int) -> None:
    """Send both ways at once, each side from a thread of its own; compare what arrives."""
    sent: dict[str, str] = {}
    senders = [
        threading.Thread(target=lambda s=s, k=k: sent.update({k: pump(s, n_bytes, seed + len(k))}))
        for s, k in ((c, "up"), (back, "down"))
    ]
    got: dict[str, tuple[int, str]] = {}
    readers = [
        threading.Thread(target=lambda s=s, k=k: got.update({k: swallow(s)})) for s, k in ((c, "down"), (back, "up"))
    ]
    for thread in senders + readers:
        thread.start()
    for thread in senders + readers:
        thread.join(60)
    assert {way: (n_bytes, digest) for way, digest in sent.items()} == got


def stick(driven: Driven, sender: socket.socket, reader: socket.socket) -> None:
    """Send until nobody takes more and a pipe holds what is stuck; nothing has moved between two looks then.

    What is stuck in a buffer instead, the last piece having been a small one, is set in motion once more.
    """
    spliced = -1
    sender.setblocking(False)
    reader.settimeout(10)

    def is_stuck() -> bool:
        nonlocal spliced
        try:
            while True:
                sender.send(bytes(1 << 16))
        except BlockingIOError:
            row, before = driven.board.worker(0), spliced
            spliced = row["spliced_bytes"]
            if spliced == before and row["pipes_lent"] == 0:
                reader.recv(4 * MIB)
            return spliced == before and row["pipes_lent"] > 0

    until(is_stuck, "a pipe is stuck")


def at_rest(driven: Driven) -> None:
    until(lambda: driven.board.worker(0)["live"] == 0, "the session ended")
    until(lambda: driven.board.worker(0)["pipes_lent"] == 0, "no pipe is lent")
    until(lambda: driven.board.worker(0)["buffers_used"] == 0, "no buffer is lent")


@pytest.mark.parametrize(
    ("options", "changes", "is_spliced"),
    [
        (PIPES, {}, True),
        (PIPES, {"is_splice": False}, False),
        (PIPES | {"pipes_bytes": 0}, {}, False),
        ({"pipes_bytes": 0, "buffers_bytes": 128 << 10}, {}, False),
    ],
    ids=["splice", "splice off", "no pipes", "two buffers"],
)
def test_bulk_both_ways_arrives_whole(upstream, seed, options, changes, is_spliced):
    with listening() as front:
        driven = serving(upstream, front, options, **changes)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                both_ways(c, back, 48 * MIB, seed)
        at_rest(driven)
        counters = driven.board.worker(0)
        assert (counters["spliced_bytes"] > 0) == is_spliced
        assert driven.board.listener(0)["bytes_in"] == driven.board.listener(0)["bytes_out"] == 48 * MIB
        driven.close()


def test_most_of_a_long_stream_is_spliced(upstream):
    with listening() as front:
        driven = serving(upstream, front, PIPES)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                sender = threading.Thread(target=lambda: (c.sendall(bytes(64 * MIB)), c.shutdown(socket.SHUT_WR)))
                sender.start()
                assert swallow(back)[0] == 64 * MIB
                sender.join()
        assert driven.board.worker(0)["spliced_bytes"] > 32 * MIB
        driven.close()


def test_small_messages_after_bulk_are_copied_again(upstream):
    with listening() as front:
        driven = serving(upstream, front, PIPES)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                sender = threading.Thread(target=c.sendall, args=(bytes(16 * MIB),))
                sender.start()
                left = 16 * MIB
                while left:
                    left -= len(back.recv(min(left, MIB)))
                sender.join()
                for i in range(50):
                    if i == 10:
                        spliced = driven.board.worker(0)["spliced_bytes"]
                    c.sendall(b"ping%4d" % i)
                    assert back.recv(100) == b"ping%4d" % i
                    back.sendall(b"pong%4d" % i)
                    assert c.recv(100) == b"pong%4d" % i
                assert driven.board.worker(0)["spliced_bytes"] == spliced
        at_rest(driven)
        driven.close()


def test_reader_that_stops_holds_one_pipe_and_gets_the_rest_later(upstream):
    with listening() as front:
        driven = serving(upstream, front, PIPES)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                sent: list[int] = []

                def send() -> None:
                    back.settimeout(30)
                    for _ in range(64):
                        back.sendall(bytes(MIB))
                        sent.append(MIB)
                    back.shutdown(socket.SHUT_WR)

                sender = threading.Thread(target=send)
                sender.start()
                taken: list[int] = []

                def is_stuck() -> bool:
                    row = driven.board.worker(0)
                    if row["pipes_lent"] == 0 and row["buffers_used"] > 0:  # the last piece was a small one: once more
                        taken.append(len(c.recv(MIB)))
                    return row["pipes_lent"] == 1

                until(is_stuck, "the pipe is stuck")
                assert sum(taken) + swallow(c)[0] == 64 * MIB
                sender.join(30)
        at_rest(driven)
        driven.close()


@pytest.mark.parametrize("who", ["client", "backend", "both"])
def test_reset_in_the_middle_of_a_splice_leaves_no_pipe(upstream, who):
    before = len(os.listdir("/proc/self/fd"))
    with listening() as front:
        driven = serving(upstream, front, PIPES)
        for _ in range(3):
            c = client(front)
            back, _ = upstream.accept()
            stick(driven, back, c)
            stick(driven, c, back)
            for sock in {"client": (c,), "backend": (back,), "both": (c, back)}[who]:
                reset(sock)
            until(lambda: driven.board.worker(0)["live"] == 0 or who == "backend", "it ended")
            c.close()
            back.close()
            at_rest(driven)
        counters = driven.board.worker(0)
        assert counters["accepted"] == counters["ended"] == 3
        driven.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_idle_pipes_are_closed_after_a_while(upstream):
    with listening() as front:
        driven = serving(upstream, front, PIPES)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                both_ways(c, back, 16 * MIB, 1)
        assert driven.board.worker(0)["pipes_open"] > 0
        until(lambda: driven.board.worker(0)["pipes_open"] == 0, "the pipes are closed", 10)
        driven.close()


def test_legs_without_a_free_pipe_go_on_with_buffers(upstream):
    with listening() as front:
        driven = serving(upstream, front, PIPES | {"pipes_bytes": door.PIPE_BYTES})
        stuck = client(front)
        stuck_back, _ = upstream.accept()
        stick(driven, stuck_back, stuck)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                both_ways(c, back, 24 * MIB, 2)
        assert driven.board.worker(0)["pipes_open"] == 1
        reset(stuck)
        stuck_back.close()
        at_rest(driven)
        driven.close()


def test_urgent_data_amid_bulk_stops_nothing(upstream):
    with listening() as front:
        driven = serving(upstream, front, PIPES)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:

                def send() -> None:
                    for _ in range(8):
                        c.sendall(bytes(4 * MIB))
                        c.send(b"!", socket.MSG_OOB)
                    c.sendall(bytes(4 * MIB))
                    c.shutdown(socket.SHUT_WR)

                sender = threading.Thread(target=send)
                sender.start()
                # urgent bytes themselves are not passed on in place, or at all: the stream around them is whole
                assert 36 * MIB <= swallow(back)[0] <= 36 * MIB + 8
                sender.join(30)
        at_rest(driven)
        driven.close()


def test_last_bytes_with_the_end_need_no_further_look(upstream):
    with listening() as front:
        driven = serving(upstream, front, PIPES)
        for n in (1, 65535, 65536, 65537, 262144, 5 * MIB):
            with client(front) as c:
                back, _ = upstream.accept()
                with back:
                    sender = threading.Thread(target=pump, args=(back, n, n))
                    sender.start()
                    assert swallow(c)[0] == n
                    sender.join()
        at_rest(driven)
        assert driven.board.listener(0)["reasons"][door.REASONS.index("closed")] == 6
        driven.close()


def test_pool_with_two_policies_of_acknowledgement(upstream):
    """Client first and server first, with the handshake's acknowledgement held back and without."""
    for is_quickack in (False, True):
        with listening() as front:
            driven = Driven(**PIPES)
            driven.give({0: front})
            rows = [backend(0, address=upstream.getsockname())]
            from tests.unit.policy.rows import listener

            driven.publish(
                door.pack_snapshot(1, [listener()], [pool(is_quickack=is_quickack)], rows, [socket_row()])
            )
            driven.wait(door.MSG_ADOPTED)
            for speaks_first in ("client", "backend"):
                with client(front) as c:
                    if speaks_first == "client":
                        c.sendall(b"hello")
                    back, _ = upstream.accept()
                    with back:
                        if speaks_first == "backend":
                            back.sendall(b"220 ready")
                            assert c.recv(100) == b"220 ready"
                            c.sendall(b"hello")
                        assert back.recv(100) == b"hello"
            at_rest(driven)
            driven.close()
