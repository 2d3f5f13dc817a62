"""A policy in Python as the worker sees it: a mailbox that comes and goes while sessions and flows wait for answers."""

import os
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from nginy._fast.testmail import Poster

from nginy._fast import door
from nginy._fast.mailroom import MAX_QUESTIONS
from tests.tools.waiting import wait_until
from tests.unit.engine.asking import Desk
from tests.unit.engine.datagrams import Balanced, Echo, addresses, datagram_socket
from tests.unit.engine.worker import Driven, listening, sealed
from tests.unit.policy.rows import backend, listener, pool, socket_row, udp

SECOND = dict(deadline_ms=1000)


@pytest.fixture
def desks() -> Iterator[list[Desk]]:
    made: list[Desk] = []
    yield made
    for desk in made:
        desk.close()


def turns_in(driven: Driven, seconds: float) -> int:
    before = driven.board.worker(0)["turns"]
    time.sleep(seconds)
    return int(driven.board.worker(0)["turns"] - before)


def test_a_mailbox_taken_away_with_answers_in_it_leaves_the_worker_asleep(desks: list[Desk]) -> None:
    driven = Driven(starts=False)
    desk = Desk(driven)
    desks.append(desk)
    box, question_bell, bell = desk.boxes.mail(0)
    poster = Poster(box, question_bell, bell)
    for _ in range(MAX_QUESTIONS):
        poster.post()
    for question in desk.room.take(MAX_QUESTIONS):
        desk.answer(question, 0)
    # all of it is said before the first turn, and a turn heeds one table: the bell is heard between two of these
    desk.hand()
    for _ in range(2):
        fd = sealed(b"no table")
        socket.send_fds(driven.channel, [door.pack_message(door.MSG_TABLE)], [fd])
        os.close(fd)
    driven.tell(door.MSG_MAILBOX)
    driven.publish(door.pack_snapshot(1, [], [], [], []))
    driven.thread.start()
    driven.wait(door.MSG_ADOPTED)
    assert 0 < driven.board.pool(0)["stale"] < MAX_QUESTIONS, "some answers are left"
    assert turns_in(driven, 0.3) < 100
    driven.close()


def test_the_bell_is_rung_for_one_who_sleeps_and_for_nobody_else(desks: list[Desk]) -> None:
    driven = Driven()
    desk = Desk(driven)
    desks.append(desk)
    with listening() as front, socket.create_server(("127.0.0.1", 0)) as upstream:
        driven.give({0: front})
        desk.hand()
        rows = [backend(0, address=upstream.getsockname())]
        driven.publish(door.pack_snapshot(1, [listener()], [pool(**SECOND)], rows, [socket_row()]))
        for is_asleep in (True, False, True):
            desk.room.sleep() if is_asleep else desk.room.rise()
            with socket.create_connection(front.getsockname()):
                desk.answer(desk.question(), 0)
                wait_until(lambda: driven.board.worker(0)["leases"] == 1, "the answer has arrived: the turn is over")
                assert desk.is_rung() == is_asleep
                upstream.accept()[0].close()
            wait_until(lambda: driven.board.worker(0)["leases"] == 0, "the session is over")
            wait_until(lambda: desk.room.releases(10), "its record is there")
            turns_in(driven, 0.01)
            desk.is_rung()
    driven.close()


def test_the_last_words_of_a_worker_are_rung_for(desks: list[Desk]) -> None:
    driven = Driven()
    desk = Desk(driven)
    desks.append(desk)
    with listening() as front, socket.create_server(("127.0.0.1", 0)) as upstream:
        driven.give({0: front})
        desk.hand()
        rows = [backend(0, address=upstream.getsockname())]
        driven.publish(door.pack_snapshot(1, [listener()], [pool(**SECOND)], rows, [socket_row()]))
        with socket.create_connection(front.getsockname()) as client:
            desk.answer(desk.question(), 0)
            upstream.accept()[0].close()
            client.recv(1)
            desk.is_rung()
            driven.tell(door.MSG_STOP)
            driven.join()
            assert desk.is_rung()
            (record,) = desk.room.releases(10)
            assert record[2] == 0 and record[6], "its backend, and the end of the visit"
    driven.close()


def test_a_flow_whose_listener_gets_another_pool_meanwhile_goes_there(echoes: list[Echo], desks: list[Desk]) -> None:
    driven = Driven()
    desk = Desk(driven)
    desks.append(desk)
    rows = [backend(at, pool=at, address=address) for at, address in enumerate(addresses(echoes)[:2])]
    pools = [pool(0, **SECOND), pool(1)]
    with datagram_socket() as front, datagram_socket() as client:
        front.setblocking(False)
        driven.give({0: front})
        desk.hand()
        driven.publish(door.pack_snapshot(1, [listener(udp=udp())], pools, rows, [socket_row()]))
        driven.wait(door.MSG_ADOPTED)
        client.connect(front.getsockname())
        client.send(b"hello")
        question = desk.question()
        driven.publish(door.pack_snapshot(2, [listener(udp=udp(), pool=1)], pools, rows, [socket_row()]))
        driven.wait(door.MSG_ADOPTED)
        desk.answer(question, 0)
        assert client.recv(100) == b"b:hello"
        row = driven.board.pool(0)
        assert (row["asked"], row["answered"], sum(row["misses"])) == (1, 0, 1)
        assert driven.board.in_flight(0) == 0
        driven.tell(door.MSG_STOP)
        driven.join()
    driven.close()


def test_what_finds_no_room_among_the_held_goes_with_them(desks: list[Desk]) -> None:
    """Nobody answers: what was held goes to the fallback's backend, and so does what had no room."""
    with datagram_socket() as upstream:
        place = [upstream.getsockname()]
        with Balanced(place, responses=0, pool_row=SECOND) as nginy, nginy.client() as client:
            desk = Desk(nginy.driven)
            desks.append(desk)
            desk.hand()
            nginy.publish(place)
            sent = [bytes([number]) * 30000 for number in range(3)]     # of which two fit
            for data in sent:
                client.send(data)
            assert [upstream.recv(65535) for _ in sent] == sent
            assert nginy.drops() == {}
            wait_until(lambda: nginy.live() == 0, "the end of the flow")


def test_a_listener_removed_before_the_name_is_there_leaves_nobody_to_a_foreign_site() -> None:
    driven = Driven()
    with listening() as front, socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.2)
        driven.give({0: front})
        rows = [backend(0, address=other.getsockname())]
        packed = door.pack_routes([("a.example", 1)], [])
        routes = SimpleNamespace(**dict(zip(("n_exact", "n_suffix", "rows", "names"), packed, strict=True)))
        changes = dict(preread=door.PREREADS["tls_hello"], preread_ms=60000, routes=routes)
        driven.publish(door.pack_snapshot(1, [listener(**changes)], [pool(0), pool(1)], rows, [socket_row()]))
        driven.wait(door.MSG_ADOPTED)
        with socket.create_connection(front.getsockname(), timeout=10) as client:
            client.send(b"\x16\x03\x01")
            wait_until(lambda: driven.board.listener(0)["live"] == 1, "the session")
            driven.publish(door.pack_snapshot(2, [], [pool(0), pool(1)], rows, []))
            driven.wait(door.MSG_ADOPTED)
            client.send(b"GET / HTTP/1.1")      # no hello any more
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert driven.board.listener(0)["reasons"][door.REASONS.index("no_route")] == 1
    driven.close()


def test_a_mailbox_in_place_of_another_waits_until_nobody_waits_in_that_one(desks: list[Desk]) -> None:
    """More wait than are settled in one turn."""
    n = 400
    driven = Driven(sessions_max=n + 1)
    desks += [Desk(driven), Desk(driven), Desk(driven)]
    with listening(n) as front, socket.create_server(("127.0.0.1", 0), backlog=n + 1) as upstream:
        driven.give({0: front})
        desks[0].hand()
        rows = [backend(0, address=upstream.getsockname())]
        driven.publish(door.pack_snapshot(1, [listener()], [pool(**SECOND)], rows, [socket_row()]))
        clients = [socket.create_connection(front.getsockname()) for _ in range(n)]
        questions = desks[0].questions(n)
        desks[1].hand()  # which never comes to be used
        desks[2].hand()
        wait_until(lambda: driven.board.worker(0)["leases"] == n, "the fallback's choices")
        desks[0].answer(questions[0], 0)  # nobody hears that any more
        clients.append(socket.create_connection(front.getsockname()))
        desks[2].answer(desks[2].question(), 0)
        wait_until(lambda: driven.board.worker(0)["leases"] == n + 1, "the answer")
        row = driven.board.pool(0)
        assert (row["asked"], row["answered"], row["misses"][door.MISSES.index("dead")]) == (n + 1, 1, n)
        for client in clients:
            client.close()
    driven.close()
