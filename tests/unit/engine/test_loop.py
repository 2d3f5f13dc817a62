"""The loop itself: what it tells of its turns, when it polls again, and the memory it gives back."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nginy._fast import door
from tests.unit.policy.rows import backend, listener, pool, socket_row

from .test_worker import client, serve, until
from .worker import Driven, listening


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        server.settimeout(10)
        yield server


def ping(c: socket.socket, back: socket.socket, n: int) -> None:
    for _ in range(n):
        c.sendall(b"ping")
        assert back.recv(10) == b"ping"
        back.sendall(b"pong")
        assert c.recv(10) == b"pong"


def test_every_turn_is_in_the_histogram(upstream):
    with listening() as front:
        driven = Driven()
        serve(driven, upstream, front)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                ping(c, back, 50)
        until(lambda: driven.board.worker(0)["live"] == 0, "the session ended")
        driven.tell(door.MSG_STOP)
        driven.join()
        counters = driven.board.worker(0)
        assert len(counters["turn_hist"]) == len(door.TURN_BUCKETS_S) + 1
        # the last look at the end of the loop counts once more
        assert counters["turns"] - 1 <= sum(counters["turn_hist"]) <= counters["turns"]
        assert counters["turn_us_sum"] > 0
        driven.close()


def test_slow_turn_is_counted_with_its_stage(upstream):
    rows = [backend(0, address=upstream.getsockname()), *(backend(i, pool=1) for i in range(1, door.MAX_BACKENDS))]
    block = door.pack_snapshot(2, [listener()], [pool(), pool(1)], rows, [socket_row()])
    with listening() as front:
        driven = Driven()
        serve(driven, upstream, front)
        for _ in range(5):
            before = driven.board.worker(0)["turns"]
            driven.publish(block)
            driven.wait(door.MSG_ADOPTED)
            until(lambda before=before: driven.board.worker(0)["turns"] > before, "the turn is over")
        counters = driven.board.worker(0)
        bounds = (*door.TURN_BUCKETS_S, 1e9)
        over = sum(n for bound, n in zip(bounds, counters["turn_hist"], strict=True) if bound > 0.04)
        slow = dict(zip(door.TURN_STAGES, counters["slow_turns"], strict=True))
        assert sum(slow.values()) >= over
        # 15 MB are read and checked in a turn: more than 10 ms on the machines known, and nothing else is slow here
        assert slow["control"] == sum(slow.values()) > 0
        driven.close()


def test_spin_polls_again_while_work_comes_quickly_and_rests_when_idle(upstream):
    with listening() as front:
        driven = Driven(is_spin=True)
        serve(driven, upstream, front)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                ping(c, back, 200)
                assert driven.board.worker(0)["spins"] > 0
                turns = driven.board.worker(0)["turns"]
                spins = driven.board.worker(0)["spins"]
                # turns without work, each after a wait of a second at most: hardly any of them spins
                until(lambda: driven.board.worker(0)["turns"] >= turns + 3, "idle turns", 10)
                assert driven.board.worker(0)["spins"] - spins < 2000
        driven.close()


def test_without_spin_nothing_is_polled_again(upstream):
    with listening() as front:
        driven = Driven()
        serve(driven, upstream, front)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                ping(c, back, 200)
        assert driven.board.worker(0)["spins"] == 0
        driven.close()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer's own memory hides it")
def test_buffers_that_are_not_needed_any_more_give_their_memory_back(upstream):
    block = memoryview(bytes(1 << 20))
    with listening() as front:
        driven = Driven(buffers_bytes=64 << 20, sessions_max=300)
        serve(driven, upstream, front)
        start = resident_bytes()
        pairs = []
        for _ in range(200):
            c = client(front)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)  # little is on the way when it is stuck
            back, _ = upstream.accept()
            back.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
            back.setblocking(False)
            pairs.append((c, back))

        def push() -> bool:
            for _, back in pairs:
                try:
                    while True:
                        back.send(block)
                except BlockingIOError:
                    pass
            return driven.board.worker(0)["buffers_used"] >= 150

        until(push, "buffers are stuck")
        peak = resident_bytes()
        assert peak - start > 5 << 20
        for c, back in pairs:
            back.close()
            c.close()
        until(lambda: driven.board.worker(0)["live"] == 0, "all ended")
        until(lambda: resident_bytes() - start < (peak - start) // 3, "the memory is back", 20)
        driven.close()
