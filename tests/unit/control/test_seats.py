"""Seats: who stands in for whom, and how long an empty seat stays empty."""

from hypothesis import given
from hypothesis import strategies as st

from nginy.control.seats import BACKOFF_RESET_S, Seat, share_orphans, slots_in


def test_each_orphan_is_served_once_by_the_least_burdened() -> None:
    assert share_orphans({0: 0, 3: 0}, 0b0110) == {0: 0b0010, 3: 0b0100}


def test_who_stands_in_already_keeps_it() -> None:
    assert share_orphans({0: 0, 3: 0b0010}, 0b0110) == {0: 0b0100, 3: 0b0010}


def test_a_slot_whose_worker_is_back_is_given_back() -> None:
    assert share_orphans({0: 0b0110, 1: 0}, 0b0100) == {0: 0b0100, 1: 0}


def test_nobody_ready_nobody_stands_in() -> None:
    assert share_orphans({}, 0b11) == {}


@given(st.sets(st.integers(0, 63)), st.data())
def test_every_orphan_has_exactly_one_stand_in(ready: set[int], data: st.DataObject) -> None:
    orphans = set(range(64)) - ready
    masks = {slot: 0 for slot in ready}
    if ready:
        for orphan in data.draw(st.sets(st.integers(0, 63))):
            masks[data.draw(st.sampled_from(sorted(ready)))] |= 1 << orphan
    owners: dict[int, int] = {}
    for slot, mask in sorted(masks.items()):  # one owner each, as they come from earlier calls
        masks[slot] = sum(1 << n for n in slots_in(mask) if owners.setdefault(n, slot) == slot)
    shared = share_orphans(masks, sum(1 << orphan for orphan in orphans))
    served = [slot for mask in shared.values() for slot in slots_in(mask)]
    assert sorted(served) == (sorted(orphans) if ready else [])
    assert shared.keys() == ready


def test_backoff_doubles_to_five_seconds_and_starts_again_after_a_long_life() -> None:
    seat = Seat(0, started_s=0.0)
    waits = [seat.next_backoff_s(1.0) for _ in range(8)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert seat.next_backoff_s(BACKOFF_RESET_S) == 0.1
    assert seat.next_backoff_s(1.0) == 0.2


def test_state_is_a_word_for_people() -> None:
    assert Seat(0).state == "down"
    assert Seat(0).pid == 0
