"""Slab and buffers: bounded, last given first taken, never given twice."""

from hypothesis import given
from hypothesis import strategies as st
from nginy._fast.testdoor import Buffers, Slab


def test_slab_full_refuses_and_recovers():
    slab = Slab(2)
    assert (slab.take(), slab.take(), slab.take()) == (0, 1, None)
    assert slab.give(0) and slab.take() == 0


def test_slab_last_given_is_first_taken():
    slab = Slab(8)
    for _ in range(4):
        slab.take()
    slab.give(1)
    slab.give(3)
    assert [slab.take(), slab.take(), slab.take()] == [3, 1, 4]


def test_slab_giving_twice_or_unknown_is_refused():
    slab = Slab(4)
    slab.take()
    assert slab.give(0)
    assert not slab.give(0)
    assert not slab.give(3)
    assert not slab.give(2**31)
    assert slab.n_taken == 0


@given(st.lists(st.integers(min_value=-1, max_value=15)))
def test_slab_agrees_with_a_set(steps):
    slab, held = Slab(8), set()
    for step in steps:
        if step < 0:
            idx = slab.take()
            assert (idx is None) == (len(held) == 8)
            assert idx not in held
            if idx is not None:
                held.add(idx)
        else:
            assert slab.give(step) == (step in held)
            held.discard(step)
        assert slab.n_taken == len(held)
        assert all(slab.is_taken(i) == (i in held) for i in range(8))


def test_buffers_are_bounded_by_their_bytes():
    buffers = Buffers(3 * 65536 + 100)
    taken = [buffers.take() for _ in range(4)]
    assert taken == [0, 1, 2, None]
    buffers.give(1)
    assert buffers.take() == 1


def test_buffers_always_hold_at_least_one():
    assert Buffers(1).take() == 0
