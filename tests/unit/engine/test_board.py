"""Board: sums, a dead worker's share, forgotten ids."""

import os
import socket

import pytest

from nginy._fast import door
from tests.unit.policy.rows import backend, listener, pool, socket_row

from .test_worker import assert_reset, client, serve, until
from .worker import Driven, listening


def test_dead_workers_counters_join_the_departed_and_its_sessions_end_as_worker_died():
    worker = Driven()
    with socket.create_server(("127.0.0.1", 0)) as upstream, listening() as front:
        serve(worker, upstream, front)
        with client(front), client(front):
            until(lambda: worker.board.backend(0)["live"] == 2)
            copy = door.board_create(2)  # the picture a killed worker leaves behind
            with open(f"/proc/self/fd/{worker.board_fd}", "rb") as src:
                page = 1 << 20
                size = os.fstat(worker.board_fd).st_size
                for at in range(0, size, page):
                    block = os.pread(src.fileno(), page, at)
                    if block.strip(b"\0"):
                        os.pwrite(copy, block, at)
    board = door.Board(copy, 2)
    assert board.in_flight(0) == 2 and board.sessions(0) == 2
    assert board.fold(0) == 2
    row = board.listener(0)
    assert (row["accepted"], row["live"], row["reasons"][door.REASONS.index("worker_died")]) == (2, 0, 2)
    assert (board.in_flight(0), board.sessions(0), board.backend(0)["live"]) == (0, 0, 0)
    assert board.backend(0)["sessions"] == 2
    assert board.worker(0)["pid"] == 0
    assert board.fold(0) == 0
    assert board.listener(0)["accepted"] == 2
    board.forget_listener(0)
    board.forget_backend(0)
    assert board.listener(0)["accepted"] == 0 and sum(board.listener(0)["reasons"]) == 0
    assert board.backend(0)["sessions"] == 0
    board.close()
    worker.close()


def test_board_of_another_shape_is_refused():
    fd = door.board_create(2)
    with pytest.raises(OSError):
        door.Board(fd, 3)
    os.close(fd)
    for slots in (0, 65):
        with pytest.raises(ValueError):
            door.board_create(slots)


def test_ids_out_of_range_and_a_closed_board_are_refused():
    board = door.Board(door.board_create(1), 1)
    for call in (
        lambda: board.worker(1),
        lambda: board.listener(1024),
        lambda: board.backend(-1),
        lambda: board.fold(9),
    ):
        with pytest.raises(ValueError):
            call()
    board.close()
    board.close()
    with pytest.raises(ValueError, match="closed"):
        board.worker(0)


def test_access_records_come_in_order_and_are_read_once():
    worker = Driven()
    with listening() as front:
        worker.give({0: front})
        block = door.pack_snapshot(
            1, [listener()], [pool()], [backend(0, state="maint")], [socket_row()], access_log=True
        )
        worker.publish(block)
        worker.wait(door.MSG_READY)
        ports = [assert_reset(front) for _ in range(3)]
        until(lambda: worker.board.worker(0)["ended"] == 3)
        records = worker.board.read_access(0)
        assert [r[3] for r in records] == [f"127.0.0.1:{port}" for port in ports]
        assert {door.REASONS[r[9]] for r in records} == {"no_backend"} and {r[2] for r in records} == {-1}
        assert worker.board.read_access(0) == []
    worker.close()
