"""Sessions whose peers end in unusual ways: each ends soon, with the right reason, and holds nothing after."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from nginy._fast import door
from tests.unit.policy.rows import backend, listener, pool, socket_row

from .test_worker import client, serve, until
from .worker import Driven, listening, snapshot

SOON_S = 3.0


def reset(sock: socket.socket) -> None:
    """Close so that the peer gets RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def fill(sock: socket.socket) -> None:
    """Send until the other end takes nothing more for a while."""
    sock.settimeout(0.3)
    try:
        while True:
            sock.send(bytes(1 << 16))
    except TimeoutError:
        pass


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture
def driven() -> Iterator[Driven]:
    worker = Driven()
    yield worker
    worker.close()


def wait_ended(worker: Driven, reason: str) -> None:
    until(lambda: worker.board.worker(0)["live"] == 0, f"ended as {reason}", SOON_S)
    assert worker.board.listener(0)["reasons"][door.REASONS.index(reason)] == 1
    assert worker.board.in_flight(0) == 0


def large_snapshot(upstream: socket.socket) -> bytes:
    """One that holds the worker up for a while, so that much can happen before it looks."""
    rows = [backend(0, address=upstream.getsockname()), *(backend(i, pool=1) for i in range(1, 20000))]
    return door.pack_snapshot(9, [listener()], [pool(), pool(1)], rows, [socket_row()])


def test_both_sides_reset_at_once_end_the_session(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        large = large_snapshot(upstream)
        for _ in range(10):
            c = client(front)
            back, _ = upstream.accept()
            driven.publish(large)
            c.sendall(b"x" * 1000)
            back.sendall(b"y" * 1000)
            reset(c)
            reset(back)
        until(lambda: driven.board.worker(0)["live"] == 0, "all ended", SOON_S)
        row = driven.board.listener(0)
        assert row["accepted"] == sum(row["reasons"])


def test_client_reset_under_back_pressure_both_ways_ends_the_session(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        c = client(front)
        back, _ = upstream.accept()
        fill(back)
        fill(c)
        reset(c)
        wait_ended(driven, "front_reset")
        back.close()


def test_client_reset_after_its_fin_ends_the_session(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        c = client(front)
        back, _ = upstream.accept()
        c.shutdown(socket.SHUT_WR)
        assert back.recv(1) == b""
        reset(c)
        wait_ended(driven, "front_reset")
        back.close()


def test_answer_of_a_backend_that_resets_after_it_is_delivered(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        with client(front) as c:
            back, _ = upstream.accept()
            back.sendall(b"z" * 5000)
            c.settimeout(10)
            got = b""
            while len(got) < 5000:
                got += c.recv(10000)
            reset(back)
            with pytest.raises(ConnectionResetError):
                c.recv(1)
        wait_ended(driven, "back_reset")


def test_half_close_off_passes_on_what_is_there_and_ends(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front, is_half_close=False)
        with client(front) as c:
            back, _ = upstream.accept()
            back.sendall(b"whole answer")
            back.close()
            got = b""
            while part := c.recv(100):
                got += part
            assert got == b"whole answer"
        wait_ended(driven, "closed")


def test_sessions_of_a_removed_listener_get_its_drain_time(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front, drain_ms=100)
        with client(front) as c:
            back, _ = upstream.accept()
            row = backend(0, address=upstream.getsockname())
            driven.publish(door.pack_snapshot(2, [], [pool()], [row], []))
            with pytest.raises(ConnectionResetError):
                c.recv(1)
            back.close()
        wait_ended(driven, "drain_deadline")


def test_sessions_of_a_removed_listener_without_a_drain_time_live_on(driven, upstream):
    with listening() as front:
        serve(driven, upstream, front)
        with client(front) as c:
            back, _ = upstream.accept()
            row = backend(0, address=upstream.getsockname())
            driven.publish(door.pack_snapshot(2, [], [pool()], [row], []))
            until(lambda: driven.board.worker(0)["adopted_gen"] == 2)
            back.sendall(b"on")
            assert c.recv(5) == b"on"
            back.close()


def test_more_descriptors_than_a_message_may_carry_break_nothing(driven):
    socks = [socket.socket() for _ in range(66)]
    socket.send_fds(driven.channel, [door.pack_message(door.MSG_SOCKETS, ids=range(64))], [s.fileno() for s in socks])
    for s in socks:
        s.close()
    driven.join()  # a channel that breaks the rules is a lost channel


def test_full_listen_queue_of_a_unix_backend_is_waited_for(driven, tmp_path):
    path = str(tmp_path / "b")
    with socket.socket(socket.AF_UNIX) as server, listening() as front:
        server.bind(path)
        server.listen(0)
        row = backend(0)
        row.sockaddr = door.pack_sockaddr_unix(path)
        driven.give({0: front})
        driven.publish(snapshot([row], [socket_row()], retries=0))
        driven.wait(door.MSG_READY)
        clients = [client(front) for _ in range(4)]
        until(lambda: driven.board.worker(0)["accepted"] == 4)
        for c in clients:
            c.sendall(b"q")
        server.settimeout(10)
        backs = [server.accept()[0] for _ in range(4)]
        for back in backs:
            assert back.recv(1) == b"q"
            back.close()
        for c in clients:
            assert c.recv(1) == b""
            c.close()
    until(lambda: driven.board.listener(0)["reasons"][door.REASONS.index("closed")] == 4)


GAP = """
import socket, sys
from nginy._fast import door
door.Worker(int(sys.argv[1]), int(sys.argv[2]), 0, sessions_max=10, buffers_bytes=1 << 20).run()
"""


def test_bytes_that_came_during_a_gap_of_the_clock_save_the_session(upstream):
    board_fd = door.board_create(1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.set_inheritable(board_fd, True)
    child = subprocess.Popen([sys.executable, "-c", GAP, str(theirs.fileno()), str(board_fd)],
                             pass_fds=[theirs.fileno(), board_fd])  # fmt: skip
    theirs.close()
    try:
        with listening() as front:
            driver = Driven.__new__(Driven)
            driver.channel = ours
            ours.settimeout(20)
            serve(driver, upstream, front, idle_ms=400)
            with client(front) as c:
                back, _ = upstream.accept()
                c.sendall(b"1")
                assert back.recv(1) == b"1"
                os.kill(child.pid, signal.SIGSTOP)
                c.sendall(b"2")
                time.sleep(0.8)  # the gap itself, longer than the idle time
                os.kill(child.pid, signal.SIGCONT)
                back.settimeout(10)
                assert back.recv(1) == b"2"
                back.sendall(b"3")
                assert c.recv(1) == b"3"
                back.close()
    finally:
        ours.close()
        os.kill(child.pid, signal.SIGCONT)
        child.kill()
        child.wait()
        os.close(board_fd)
