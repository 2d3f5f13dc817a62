"""Published tables on their way into a worker: taken whole or not at all, between two turns; none for a health edge."""

import os
import socket

import pytest

from nginy._fast import door
from tests.unit.policy.rows import backend, listener, pool, socket_row, table_of

from .test_worker import client, driven, until  # noqa: F401 - a fixture
from .worker import ALL_SEALS, Driven, listening, sealed

POOLS = 128
EDGES = 40


def send_table(worker: Driven, block: bytes, pool_id: int = 0, seals: int = ALL_SEALS) -> None:
    fd = sealed(block, seals)
    socket.send_fds(worker.channel, [door.pack_message(door.MSG_TABLE, pool_id)], [fd])
    os.close(fd)


def snapshot(backends, gen: int, policy: str = "ring") -> bytes:
    row = listener(pool=0)
    return door.pack_snapshot(gen, [row], [pool(policy=policy)], backends, [socket_row()])


@pytest.fixture
def servers():
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    for server in made:
        server.settimeout(10)
    yield made
    for server in made:
        server.close()


def where(front: socket.socket, servers: list[socket.socket]) -> int:
    """Which server a client of 127.0.0.1 is connected to."""
    for server in servers:
        server.setblocking(False)
    found: list[int] = []

    def look() -> bool:
        for nth, server in enumerate(servers):
            try:
                server.accept()[0].close()
            except BlockingIOError:
                continue
            found.append(nth)
        return bool(found)

    with client(front):
        until(look, "a server is asked")
    return found[0]


def only(rows, nth: int) -> bytes:
    """A table on which all keys are one backend's."""
    return table_of([rows[nth]], "ring")


def test_table_decides_from_the_next_turn_on(driven, servers):  # noqa: F811
    rows = [backend(i, address=server.getsockname()) for i, server in enumerate(servers)]
    with listening() as front:
        driven.give({0: front})
        send_table(driven, only(rows, 2))
        driven.publish(snapshot(rows, 1))
        assert driven.wait(door.MSG_READY) == (0, 1)
        assert {where(front, servers) for _ in range(3)} == {2}
        send_table(driven, only(rows, 0))
        driven.publish(snapshot(rows, 2))
        driven.wait(door.MSG_ADOPTED)
        assert {where(front, servers) for _ in range(3)} == {0}


@pytest.mark.parametrize("how", ["unsealed", "damaged", "of another pool", "of no pool", "not a table"])
def test_table_that_is_not_sound_is_refused_and_the_one_before_goes_on(driven, servers, how):  # noqa: F811
    rows = [backend(i, address=server.getsockname()) for i, server in enumerate(servers)]
    with listening() as front:
        driven.give({0: front})
        send_table(driven, only(rows, 2))
        driven.publish(snapshot(rows, 1))
        assert driven.wait(door.MSG_READY) == (0, 1)
        block, pool_id, seals = only(rows, 0), 0, ALL_SEALS
        if how == "unsealed":
            seals = 0
        elif how == "damaged":
            block = block[:-8] + bytes(8)
        elif how == "of another pool":
            pool_id = 1
        elif how == "of no pool":
            pool_id = 2**40
        else:
            block = snapshot(rows, 5)
        send_table(driven, block, pool_id, seals)
        assert driven.wait(door.MSG_TABLE_REFUSED)[0] == pool_id
        assert driven.board.worker(0)["rejected"] == 1
        assert where(front, servers) == 2


def test_health_edges_among_many_tables_make_no_long_turn(driven):  # noqa: F811
    """128 pools with Maglev tables: edges arrive as snapshots alone, and no turn takes 10 ms for one."""
    rows = [backend(p * 8 + i, pool=p, address=(f"10.{p}.0.{i}", 80)) for p in range(POOLS) for i in range(8)]
    pools = [pool(p, "maglev") for p in range(POOLS)]
    with listening() as front:
        driven.give({0: front})
        for p in range(POOLS):
            send_table(driven, table_of(rows[p * 8 : p * 8 + 8], "maglev", pool=p, size=65537), p)
        for gen in range(1, EDGES + 1):
            rows[gen * 25 % len(rows)].verdict = door.VERDICTS["down" if gen % 2 else "up"]
            driven.publish(door.pack_snapshot(gen, [listener()], pools, rows, [socket_row()]))
            driven.wait(door.MSG_ADOPTED)
    assert driven.board.worker(0)["adopted_gen"] == EDGES
    slow = dict(zip(door.TURN_STAGES, driven.board.worker(0)["slow_turns"], strict=True))
    # a processor that others use as well may be away for a turn; were it the tables, each edge would be slow
    assert slow["control"] < EDGES // 2, slow
