"""Wheel: compared with a plain table of deadlines. A timer fires in [deadline, deadline + 16 ms)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from nginy._fast.testdoor import Wheel

TICK_MS = 16
REVOLUTION_MS = 4096 * TICK_MS


def test_timer_fires_at_its_deadline_and_not_before():
    wheel = Wheel(1, 1000)
    wheel.arm(0, 2000)
    assert wheel.advance(1999) == []
    assert wheel.advance(2000 + TICK_MS) == [0]
    assert not wheel.is_armed(0) and wheel.n_armed == 0


def test_timer_beyond_one_revolution_waits_its_turns():
    wheel = Wheel(1, 0)
    wheel.arm(0, 3 * REVOLUTION_MS + 5)
    for turn in range(1, 4):
        assert wheel.advance(turn * REVOLUTION_MS) == []
    assert wheel.advance(3 * REVOLUTION_MS + 5 + TICK_MS) == [0]


def test_disarmed_timer_never_fires_and_disarming_twice_is_harmless():
    wheel = Wheel(2, 0)
    wheel.arm(0, 50)
    wheel.arm(1, 50)
    wheel.disarm(0)
    wheel.disarm(0)
    assert wheel.advance(1000) == [1]


def test_past_deadline_fires_at_the_next_turn():
    wheel = Wheel(1, 10_000)
    wheel.advance(10_000)
    wheel.arm(0, 3)
    assert wheel.wait_ms(10_000, 1000) <= TICK_MS
    assert wheel.advance(10_000 + TICK_MS) == [0]


def test_long_gap_fires_each_timer_once():
    wheel = Wheel(100, 0)
    for i in range(100):
        wheel.arm(i, 1 + i * 977)
    assert sorted(wheel.advance(50 * REVOLUTION_MS)) == list(range(100))
    assert wheel.advance(51 * REVOLUTION_MS) == []


def test_wait_is_the_bound_when_nothing_is_armed():
    assert Wheel(1, 0).wait_ms(0, 750) == 750


def test_wait_ends_no_later_than_one_tick_after_the_deadline():
    wheel = Wheel(1, 0)
    wheel.arm(0, 500)
    assert 500 <= wheel.wait_ms(0, 60_000) < 500 + TICK_MS


ops = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), st.integers(0, 9), st.integers(0, 3 * REVOLUTION_MS)),
        st.tuples(st.just("disarm"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("advance"), st.just(0), st.integers(0, REVOLUTION_MS + 999)),
    )
)


@settings(max_examples=300)
@given(ops)
def test_wheel_agrees_with_a_table(steps):
    wheel, table, now = Wheel(10, 0), {}, 0
    for step, i, ms in steps:
        if step == "arm":
            wheel.arm(i, now + ms)
            table[i] = now + ms
        elif step == "disarm":
            wheel.disarm(i)
            table.pop(i, None)
        else:
            now += ms
            wait = wheel.wait_ms(now - ms, 10**6)
            soonest = min(table.values(), default=None)
            fired = wheel.advance(now)
            assert len(fired) == len(set(fired))
            assert all(table[i] <= now for i in fired), "early"
            for i in fired:
                del table[i]
            assert all(deadline > now - TICK_MS for deadline in table.values()), "late"
            if soonest is not None:
                assert now - ms + wait < max(soonest, now - ms) + 2 * TICK_MS, "overslept"
        assert wheel.n_armed == len(table)
