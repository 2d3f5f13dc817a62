"""A worker alone: what it does with what control tells it."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from nginy._fast import door
from tests.unit.policy.rows import backend, listener, pool, socket_row

from .worker import Driven, listening, snapshot


def until(condition, what="condition", deadline_s=10.0):
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.002)


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture
def driven() -> Iterator[Driven]:
    before = sorted(os.listdir("/proc/self/fd"))
    worker = Driven()
    yield worker
    worker.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


def serve(worker: Driven, upstream: socket.socket, front: socket.socket, **changes) -> None:
    worker.give({0: front})
    worker.publish(snapshot([backend(0, address=upstream.getsockname())], [socket_row()], **changes))
    assert worker.wait(door.MSG_READY) == (0, 1)


def client(front: socket.socket) -> socket.socket:
    return socket.create_connection(front.getsockname(), timeout=10)


def assert_reset(front: socket.socket) -> int:
    """A client is reset, during connect or at its first read; its port."""
    with socket.socket() as sock:
        sock.settimeout(10)
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionResetError):
            sock.connect(front.getsockname())
            sock.recv(1)
        return sock.getsockname()[1]


def test_bytes_pass_both_ways_and_are_counted(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                c.sendall(b"ping")
                assert back.recv(10) == b"ping"
                back.sendall(b"longer pong")
                assert c.recv(20) == b"longer pong"
                assert (driven.board.worker(0)["live"], driven.board.in_flight(0)) == (1, 1)
                until(lambda: driven.board.worker(0)["leases"] == 1)
        until(lambda: driven.board.worker(0)["live"] == 0)
    row = driven.board.listener(0)
    assert (row["accepted"], row["bytes_in"], row["bytes_out"], row["reasons"][0]) == (1, 4, 11, 1)
    assert driven.board.in_flight(0) == 0 and driven.board.sessions(0) == 0
    until(lambda: driven.board.worker(0)["timers_live"] == 0 and driven.board.worker(0)["leases"] == 0)
    assert driven.board.worker(0)["buffers_used"] == 0


@pytest.mark.parametrize("seals", [0, 1, 2, 8])
def test_unsealed_snapshot_is_rejected_and_the_old_one_serves_on(driven, upstream, seals):
    with listening() as front:
        serve(driven, upstream, front)
        driven.publish(snapshot([], [], gen=2), seals=seals)
        assert driven.wait(door.MSG_REJECTED)[1] == 2
        assert driven.board.worker(0)["adopted_gen"] == 1 and driven.board.worker(0)["rejected"] == 1
        with client(front):
            upstream.accept()[0].close()


def test_damaged_snapshot_is_rejected(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        block = bytearray(snapshot([], [], gen=2))
        block[-1] ^= 1
        driven.publish(bytes(block))
        assert driven.wait(door.MSG_REJECTED)[1] == 4
        assert driven.board.worker(0)["adopted_gen"] == 1


def test_clients_queued_on_a_removed_listener_are_still_served(driven, upstream):
    with listening() as front:
        driven.give({0: front})
        row = backend(0, address=upstream.getsockname())
        driven.publish(door.pack_snapshot(1, [listener()], [pool()], [row], [socket_row(slot=1)]))
        driven.wait(door.MSG_READY)
        waiting = [client(front) for _ in range(5)]  # slot 1 is nobody: they stay in the queue
        assert driven.board.worker(0)["accepted"] == 0
        driven.publish(door.pack_snapshot(2, [listener()], [pool()], [row], [socket_row(slot=0)]))
        driven.publish(door.pack_snapshot(3, [], [pool()], [row], []))
        until(lambda: driven.board.worker(0)["adopted_gen"] == 3)
        until(lambda: driven.board.worker(0)["accepted"] == 5)
        for c in waiting:
            c.sendall(b"x")
            back, _ = upstream.accept()
            back.close()
            c.close()
        with pytest.raises(ConnectionRefusedError):
            client(front)


def test_stand_in_serves_the_socket_of_another_slot_only_while_told(driven, upstream):
    with listening() as front:
        driven.give({0: front})
        row = backend(0, address=upstream.getsockname())
        driven.publish(snapshot([row], [socket_row(slot=1)]))
        driven.wait(door.MSG_READY)
        with client(front) as c:
            driven.tell(door.MSG_SERVE, 1 << 1)
            upstream.accept()[0].close()
            assert c.recv(1) == b""
        driven.tell(door.MSG_SERVE, 0)
        driven.publish(snapshot([row], [socket_row(slot=1)], gen=2))
        until(lambda: driven.board.worker(0)["adopted_gen"] == 2)
        with client(front):
            accepted = driven.board.worker(0)["accepted"]
            driven.publish(snapshot([row], [socket_row(slot=1)], gen=3))
            until(lambda: driven.board.worker(0)["adopted_gen"] == 3)
            assert driven.board.worker(0)["accepted"] == accepted


def is_refused(front: socket.socket) -> bool:
    try:
        client(front).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


def test_drain_finishes_what_is_there_and_cuts_at_the_deadline(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        with client(front) as c:
            back, _ = upstream.accept()
            with back:
                driven.tell(door.MSG_DRAIN, 150)
                until(lambda: is_refused(front))
                back.sendall(b"still here")
                assert c.recv(20) == b"still here"
                assert driven.wait(door.MSG_DRAINED)[0] >= 1
                with pytest.raises(ConnectionResetError):
                    c.recv(1)
        driven.join()
        assert driven.board.listener(0)["reasons"][door.REASONS.index("drain_deadline")] >= 1


def test_stop_resets_everybody_at_once(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        with client(front) as c:
            back, _ = upstream.accept()
            driven.tell(door.MSG_STOP)
            driven.join()
            with pytest.raises(ConnectionResetError):
                c.recv(1)
            back.close()
        assert driven.board.listener(0)["reasons"][door.REASONS.index("stopped")] == 1


def test_slab_full_resets_at_once_and_is_counted(upstream):
    worker = Driven(sessions_max=1)
    with listening() as front:
        serve(worker, upstream, front)
        with client(front):
            assert_reset(front)
            row = worker.board.worker(0)
            assert (row["accepted"], row["ended"], row["live"]) == (2, 1, 1)
    worker.close()


def test_client_on_a_pool_without_backend_is_reset_at_once(driven):
    with listening() as front:
        driven.give({0: front})
        driven.publish(snapshot([], [socket_row()]))
        driven.wait(door.MSG_READY)
        assert_reset(front)
        assert driven.board.listener(0)["reasons"][door.REASONS.index("no_backend")] == 1


def send_until(sock: socket.socket, condition) -> int:
    """Send for as long as the other end takes bytes and until the condition holds; bytes sent."""
    sent = 0
    sock.setblocking(False)

    def step() -> bool:
        nonlocal sent
        try:
            sent += sock.send(bytes(65536))
        except BlockingIOError:
            return condition()
        return False

    until(step)
    return sent


def test_when_all_buffers_are_lent_others_are_served_without_one(upstream):
    worker = Driven(buffers_bytes=65536)  # one buffer for everybody
    with listening() as front:
        serve(worker, upstream, front)
        with client(front) as greedy, client(front) as polite:
            slow, _ = upstream.accept()
            fast, _ = upstream.accept()
            sent = send_until(greedy, lambda: worker.board.worker(0)["buffers_used"] == 1)
            polite.sendall(b"me too")
            fast.settimeout(10)
            assert fast.recv(10) == b"me too"
            assert worker.board.worker(0)["unbuffered"] > 0
            got = 0
            slow.settimeout(10)
            while got < sent:
                got += len(slow.recv(1 << 20))
            slow.close()
            fast.close()
    worker.close()
