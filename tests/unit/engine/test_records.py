"""The ring of access records of HTTP against a queue: what was taken in comes out once, in order and unchanged."""

import random
from collections import deque

import pytest
from nginy._fast.testdoor import Records

FIRST = Records.LEAST - 4


def record(chance: random.Random) -> bytes:
    return chance.randbytes(FIRST + 8 * chance.randrange((Records.MOST - Records.LEAST) // 8 + 1))


def test_any_order_of_pushing_and_taking_is_that_of_a_queue(seed: int) -> None:
    chance = random.Random(seed)
    ring, model, n_refused = Records(), deque[bytes](), 0
    for _ in range(30_000):
        if chance.random() < 0.55:
            one = record(chance)
            if ring.push(one):
                model.append(one)
            else:
                n_refused += 1
                left = Records.RING_BYTES - ring.unread()
                assert left < 2 * Records.MOST, "refused although there is room"
        else:
            assert ring.take() == (model.popleft() if model else None)
    assert n_refused, "it was never full"
    assert [ring.take() for _ in range(len(model) + 1)] == [*model, None]


def test_a_full_ring_holds_as_much_as_it_is_large() -> None:
    ring, one = Records(), bytes(1020)
    n = 0
    while ring.push(one):
        n += 1
    assert n == Records.RING_BYTES // 1024
    assert ring.take() == one
    assert ring.push(one)


@pytest.mark.parametrize("length", [1, 8, Records.LEAST - 8, Records.MOST + 8, 2**31, 2**32 - 1])
def test_what_cannot_be_a_record_empties_the_ring(length: int) -> None:
    ring = Records()
    for _ in range(3):
        assert ring.push(bytes(FIRST))
    ring.spoil(0, length)
    assert ring.take() is None
    assert ring.unread() == 0
    assert ring.push(bytes(FIRST + 8))
    assert ring.take() == bytes(FIRST + 8)


@pytest.mark.parametrize("nth", [0, 1])
def test_a_length_of_nothing_before_the_end_leads_nowhere(nth: int) -> None:
    ring = Records()
    for _ in range(3):
        assert ring.push(bytes(FIRST))
    ring.spoil(nth * Records.LEAST, 0)
    assert [ring.take() for _ in range(nth + 1)] == [bytes(FIRST)] * nth + [None]
    assert ring.unread() == 0
