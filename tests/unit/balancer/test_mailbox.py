"""The rings between a worker and the policy process, from both ends, against lists."""

import hashlib
import os
import random
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nginy._fast.testmail import Poster

from nginy._fast import door
from nginy._fast.mailroom import ATTEMPT, MAX_QUESTIONS, MAX_RELEASES, NONE, RAISED, UNUSED, MailboxWatch, Mailroom
from nginy.balancer.mailbox import mailbox_create
from nginy.control.mailboxes import Mailboxes


class Ends:
    """Both ends of `n` mailboxes. first: ticket of the first question of the first one."""

    def __init__(self, n: int = 1, first: int = 1) -> None:
        self.board_fd = door.board_create(n)
        self.bells = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(n + 1)]
        self.boxes = [mailbox_create(first + (slot << 56)) for slot in range(n)]
        self.posters = [Poster(box, self.bells[0], bell) for box, bell in zip(self.boxes, self.bells[1:], strict=True)]
        self.room = self.open_room()

    def open_room(self) -> Mailroom:
        """Another policy process on the same mailboxes."""
        pairs = [(os.dup(box), os.dup(bell)) for box, bell in zip(self.boxes, self.bells[1:], strict=True)]
        return Mailroom(pairs, os.dup(self.bells[0]), os.dup(self.board_fd))

    def close(self) -> None:
        self.room.close()
        for fd in (self.board_fd, *self.bells, *self.boxes):
            os.close(fd)


@pytest.fixture
def ends() -> Iterator[Ends]:
    pair = Ends()
    yield pair
    pair.close()


def test_a_question_says_what_it_was_asked(ends: Ends) -> None:
    ends.room.listeners = {0: "web"}
    said = {"name": b"a.example", "alpn": b"\x02h2\x08http/1.1", "received": b"\x16\x03"}
    ticket = ends.posters[0].post(7, attempt=2, ip=b"\x01\x02\x03\x04", port=99, **said)
    (question,) = ends.room.take(10)
    assert (question.pool, question.attempt, question.visit, question.slot) == (7, 2, ticket, 0)
    assert (question.source, question.source_ip, question.source_port) == ("1.2.3.4:99", "1.2.3.4", 99)
    assert (question.server_name, question.first_bytes, question.listener) == ("a.example", b"\x16\x03", "web")
    assert question.alpn == ("h2", "http/1.1")
    assert question.destination == ""
    assert not question.is_late


def test_an_ipv6_client_stands_in_brackets(ends: Ends) -> None:
    ends.posters[0].post(ip=bytes(15) + b"\1", port=5)
    (question,) = ends.room.take(1)
    assert question.source == "[::1]:5"


def test_answers_come_back_in_any_order_and_each_once(ends: Ends) -> None:
    tickets = [ends.posters[0].post(3) for _ in range(5)]
    questions = ends.room.take(10)
    assert ends.room.answer(questions[3], 33)
    assert ends.room.refuse(questions[1], NONE)
    assert ends.room.refuse(questions[0], RAISED)
    assert not ends.room.answer(questions[3], 34), "it is answered"
    got = [ends.posters[0].take() for _ in range(4)]
    assert got == [(tickets[3], tickets[3], 3, 33, 0), (tickets[1], tickets[1], 3, 0, NONE),
                   (tickets[0], tickets[0], 3, 0, RAISED), None]  # fmt: skip


@pytest.mark.parametrize("key", [b"k", b"a key of seventeen"[:17], bytes(200)])
def test_a_key_comes_back_hashed_as_a_worker_hashes_it(ends: Ends, key: bytes) -> None:
    ticket = ends.posters[0].post(3)
    (question,) = ends.room.take(1)
    assert ends.room.answer_key(question, key, door.RINGS["own"])
    assert ends.posters[0].take() == (ticket, ticket, 3, 0, 3)
    assert ends.posters[0].key_hash == door.key_hash(key)


def test_a_key_for_the_ring_of_another_program_is_hashed_as_there(ends: Ends) -> None:
    for _ in range(2):
        ends.posters[0].post(3)
    questions = ends.room.take(2)
    for question, name in zip(questions, ("nginx", "ketama"), strict=True):
        assert ends.room.answer_key(question, b"123456789", door.RINGS[name])
    ends.posters[0].take()
    assert ends.posters[0].key_hash >> 32 == zlib.crc32(b"123456789")
    ends.posters[0].take()
    assert ends.posters[0].key_hash >> 32 == int.from_bytes(hashlib.md5(b"123456789").digest()[:4], "little")


def test_a_full_ring_takes_no_more_until_some_are_taken(ends: Ends) -> None:
    poster = ends.posters[0]
    assert all(poster.post() is not None for _ in range(MAX_QUESTIONS))
    assert poster.post() is None
    assert len(ends.room.take(10)) == 10
    assert [poster.post() is not None for _ in range(11)] == [True] * 10 + [False]


def test_releases_are_dropped_when_there_is_no_room(ends: Ends) -> None:
    poster = ends.posters[0]
    taken = sum(poster.release(number) for number in range(MAX_RELEASES + 5))
    assert taken == MAX_RELEASES
    records = ends.room.releases(MAX_RELEASES * 2)
    assert [record[0] for record in records] == list(range(MAX_RELEASES))


def test_a_release_says_what_became_of_it(ends: Ends) -> None:
    ends.posters[0].release(9, 0x7FFFFFFF, pool=4, kind=UNUSED, code=3, is_last=True)
    ends.posters[0].release(9, 5, kind=ATTEMPT)
    last, first = ends.room.releases(10)
    assert last[:7] == (9, 4, -1, UNUSED, 3, False, True)
    assert first[:7] == (9, 0, 5, ATTEMPT, 0, False, False)


def test_what_comes_before_the_bell_is_rung_again_is_found_when_going_to_sleep(ends: Ends) -> None:
    poster, room = ends.posters[0], ends.room
    assert poster.is_bell_wanted(), "until somebody says that it is not"
    room.rise()
    assert not poster.is_bell_wanted()
    poster.post()
    assert not room.sleep(), "a question has come"
    assert poster.is_bell_wanted()
    room.take(10)
    assert room.sleep()
    room.rise()
    poster.release(1)
    assert not room.sleep(), "a record has come"


def test_the_next_policy_process_has_to_be_woken(ends: Ends) -> None:
    ends.room.rise()
    ends.open_room().close()
    assert ends.posters[0].is_bell_wanted()


def test_every_worker_gets_its_turn() -> None:
    ends = Ends(3)
    try:
        for poster in ends.posters:
            for _ in range(100):
                poster.post()
        seen = {ends.room.take(60)[0].slot for _ in range(3)}
        assert seen == {0, 1, 2}
    finally:
        ends.close()


def test_the_next_policy_process_goes_on_where_the_last_one_was(ends: Ends) -> None:
    tickets = [ends.posters[0].post() for _ in range(6)]
    for question in ends.room.take(2):
        ends.room.answer(question, 1)
    fresh = ends.open_room()
    for question in fresh.take(10):
        fresh.answer(question, 2)
    got = [ends.posters[0].take() for _ in range(6)]
    assert [(answer[0], answer[3]) for answer in got if answer] == list(zip(tickets, [1, 1, 2, 2, 2, 2], strict=True))
    fresh.close()


def test_the_next_worker_goes_on_with_tickets_that_nobody_had(ends: Ends) -> None:
    tickets = [ends.posters[0].post() for _ in range(3)]
    another = Poster(ends.boxes[0], ends.bells[0], ends.bells[1])
    assert another.post() == tickets[-1] + 1
    assert [question.visit for question in ends.room.take(10)] == [*tickets, tickets[-1] + 1]


@pytest.mark.parametrize("tail", [0, 2**63, 2**64 - 1, MAX_QUESTIONS + 2])
def test_nonsense_in_the_others_counter_is_no_question(ends: Ends, tail: int) -> None:
    ends.posters[0].spoil(tail)
    assert ends.room.take(10) == []


def test_a_closed_room_says_so_and_has_no_counts(ends: Ends) -> None:
    ends.room.close()
    assert ends.room.in_flight_of(0) == 0
    assert ends.room.take(1) == []


def test_a_watch_sees_the_beat(ends: Ends) -> None:
    watch = MailboxWatch(ends.boxes[0])
    assert watch.beat == 0
    ends.room.beat()
    assert watch.beat == 1


def test_a_mailbox_of_something_else_is_refused() -> None:
    fd = os.memfd_create("other")
    os.ftruncate(fd, 8 << 20)
    with pytest.raises(ValueError, match="another build"):
        Mailroom([(fd, os.eventfd(0))], os.eventfd(0), door.board_create(1))


def test_nobody_can_take_the_memory_away_under_a_worker(ends: Ends) -> None:
    for size in (0, os.fstat(ends.boxes[0]).st_size + 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(ends.boxes[0], size)


def test_mailboxes_of_one_process_share_no_ticket() -> None:
    boxes = Mailboxes.make(3)
    tickets = [Poster(*boxes.mail(slot)).post() for slot in range(3)]
    boxes.close()
    assert len({ticket >> 56 for ticket in tickets}) == 3


STEP = st.tuples(st.sampled_from(["post", "take", "answer", "fetch"]), st.integers(1, 600))


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=60), st.integers(0, 2**32), st.sampled_from([1, 2**55 - 3]))
def test_rings_are_queues(steps: list[tuple[str, int]], seed: int, first: int) -> None:
    """Against lists, over many turns of the rings: nothing is lost, doubled, or out of order."""
    pick = random.Random(seed)
    ends = Ends(1, first)
    poster, room = ends.posters[0], ends.room
    asked: deque[int] = deque()
    answered: deque[tuple[int, int]] = deque()
    open_questions: list[Any] = []
    next_ticket = first
    try:
        for step, n in steps:
            if step == "post":
                for _ in range(n):
                    ticket = poster.post()
                    assert (ticket is None) == (len(asked) == MAX_QUESTIONS)
                    if ticket is not None:
                        assert ticket == next_ticket
                        next_ticket += 1
                        asked.append(ticket)
            elif step == "take":
                got = room.take(n)
                assert [question.visit for question in got] == [asked.popleft() for _ in range(min(n, len(asked)))]
                open_questions += got
            elif step == "answer":
                for _ in range(min(n, len(open_questions))):
                    question = open_questions.pop(pick.randrange(len(open_questions)))
                    backend = pick.randrange(100)
                    assert room.answer(question, backend) == (len(answered) < MAX_QUESTIONS)
                    if len(answered) < MAX_QUESTIONS:
                        answered.append((question.visit, backend))
            else:
                for _ in range(n):
                    answer = poster.take()
                    want = answered.popleft() if answered else None
                    assert (answer and (answer[0], answer[3])) == want
    finally:
        ends.close()
