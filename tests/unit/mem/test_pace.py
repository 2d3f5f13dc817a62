"""Pace: as exact as a table without end, while its slots suffice; and nobody is held back for another one's haste."""

import random

import pytest
from nginy._fast.testdoor import Pace

GAP, START = 1_000_000, 10**15


class Plain:
    """The oracle: a time for each key, for ever."""

    def __init__(self) -> None:
        self.due: dict[int, int] = {}

    def take(self, hash: int, gap: int, room: int, now: int) -> int:
        due = max(self.due.get(hash, 0), now)
        if due - now > room:
            return due - now - room
        self.due[hash] = due + gap
        return 0


@pytest.mark.parametrize("burst", [1, 2, 10])
def test_a_burst_passes_at_once_and_then_one_in_each_gap(burst: int) -> None:
    pace, room = Pace(64), (burst - 1) * GAP
    assert [pace.take(7, GAP, room, START) for _ in range(burst + 2)] == [0] * burst + [GAP] * 2
    assert pace.take(7, GAP, room, START + GAP - 1) == 1
    assert pace.take(7, GAP, room, START + GAP) == 0
    assert pace.take(7, GAP, room, START + GAP) == GAP


def test_one_that_waits_as_long_as_told_is_never_refused() -> None:
    pace, now = Pace(64), START
    for _ in range(1000):
        now += pace.take(7, GAP, 0, now)
        assert pace.take(7, GAP, 0, now) in (0, GAP)


def test_a_refused_one_is_not_counted() -> None:
    pace = Pace(64)
    pace.take(7, GAP, 0, START)
    assert {pace.take(7, GAP, 0, START + 1) for _ in range(1000)} == {GAP - 1}


def test_room_comes_back_no_further_than_the_burst() -> None:
    pace = Pace(64)
    for now in (START, START + 10**15):
        assert [pace.take(7, GAP, 4 * GAP, now) for _ in range(6)] == [0] * 5 + [GAP]


@pytest.mark.parametrize("seed", range(4))
def test_a_table_with_room_is_like_one_without_end(seed: int) -> None:
    rng = random.Random(seed)
    pace, plain, now = Pace(1 << 16), Plain(), START
    keys = [rng.getrandbits(64) for _ in range(200)]
    for _ in range(20_000):
        now += rng.randrange(GAP)
        key, gap = rng.choice(keys), rng.choice((GAP * 10, GAP * 400))
        assert pace.take(key, gap, 3 * gap, now) == plain.take(key, gap, 3 * gap, now), seed
    assert pace.n_forgotten == 0


def test_a_full_set_forgets_the_one_that_has_used_least_and_counts_it() -> None:
    pace = Pace(4)
    for key, n_used in ((1, 5), (2, 1), (3, 4), (4, 3)):
        for _ in range(n_used):
            assert pace.take(key, GAP, 4 * GAP, START) == 0
    assert pace.n_forgotten == 0
    assert pace.take(5, GAP, 4 * GAP, START) == 0
    assert pace.n_forgotten == 1
    assert pace.take(1, GAP, 4 * GAP, START) > 0  # it has used all, and is still known
    assert [pace.take(2, GAP, 4 * GAP, START) for _ in range(5)] == [0] * 5  # begun anew


def test_one_whose_time_is_past_makes_room_without_being_missed() -> None:
    pace = Pace(4)
    for key in range(1, 5):
        pace.take(key, GAP, 0, START)
    assert pace.take(5, GAP, 0, START + GAP) == 0
    assert pace.n_forgotten == 0


def test_a_storm_of_strangers_holds_nobody_back() -> None:
    """Whoever is forgotten begins anew: a full table lets through more, never less."""
    rng = random.Random(1)
    pace = Pace(64)
    refused = sum(pace.take(rng.getrandbits(64) | 1, GAP * 1000, 0, START + i) > 0 for i in range(10_000))
    assert refused == 0
    assert pace.n_forgotten > 9_000


def test_the_hash_that_stands_for_nobody_is_a_key_like_others() -> None:
    pace = Pace(64)
    assert [pace.take(0, GAP, 0, START) for _ in range(2)] == [0, GAP]
