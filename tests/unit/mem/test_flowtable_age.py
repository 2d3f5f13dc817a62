"""Flow table: who is the oldest, who has expired. Times are ticks."""

import random

import pytest
from nginy._fast.testdoor import Flows

WHEEL = 4096


def key_of(number: int) -> bytes:
    return number.to_bytes(40, "little")


def filled(n: int, start: int = 0, step: int = 1, cap: int = 0) -> Flows:
    """Flow i was added at start + i * step."""
    flows = Flows(cap or n, now=start)
    for i in range(n):
        assert flows.add(key_of(i), start + i * step) == i
    return flows


def drain(flows: Flows, now: int, idle: int, max_n: int = 64) -> list[int]:
    """Expire and remove until nothing is due."""
    gone = []
    while flows.wait(now, idle) == 0:
        for idx in flows.expire(now, idle, max_n):
            assert flows.remove(idx)
            gone.append(idx)
    return gone


def test_oldest_is_the_one_added_first():
    flows = filled(5)
    for expected in range(5):
        assert flows.oldest(1) == expected
        flows.remove(expected)
    assert flows.oldest(1) is None


def test_flows_of_one_tick_are_evicted_in_the_order_they_came():
    flows = filled(5, start=7, step=0)
    order = []
    while (idx := flows.oldest(4)) is not None:
        order.append(idx)
        flows.remove(idx)
    assert order == [0, 1, 2, 3, 4]


def test_unreplied_flow_that_was_active_gets_a_second_chance():
    flows = filled(3)
    flows.touch(0, 10)
    assert flows.oldest(8) == 1
    flows.touch(1, 11)
    flows.touch(2, 9)
    flows.touch(0, 12)
    assert flows.oldest(8) == 2, "silent longest"


def test_second_chances_are_bounded_by_the_looks():
    flows = filled(100)
    for i in range(100):
        flows.touch(i, 200)
    assert flows.oldest(8) == 7
    assert flows.listed()[0][-7:] == [0, 1, 2, 3, 4, 5, 6]


def test_assured_flow_is_never_the_oldest():
    flows = filled(4)
    flows.assure(0)
    flows.assure(0)
    flows.assure(2)
    assert flows.oldest(8) == 1
    flows.remove(1)
    flows.remove(3)
    assert flows.oldest(8) is None
    assert flows.n_assured == 2


def test_flow_beyond_the_wheel_is_still_older_than_those_that_come_after():
    """Nothing expires in between, so the wheel does not turn: what is beyond its last slot queues there."""
    flows = filled(10, step=WHEEL // 2)
    order = []
    while (idx := flows.oldest(1)) is not None:
        order.append(idx)
        flows.remove(idx)
    assert order == list(range(10))


@pytest.mark.parametrize("is_assured", [False, True])
@pytest.mark.parametrize("idle", [1, 100, WHEEL - 1, WHEEL, WHEEL + 1, 3 * WHEEL + 7])
def test_flow_expires_at_its_tick_and_not_before(idle, is_assured):
    flows = filled(1, start=50)
    if is_assured:
        flows.assure(0)
    flows.touch(0, 70)
    for now in (50 + idle, 70 + idle - 1):
        assert drain(flows, now, idle) == []
        assert flows.is_taken(0)
    assert drain(flows, 70 + idle, idle) == [0]


def test_flow_that_stays_active_never_expires():
    flows = filled(2)
    flows.assure(1)
    for now in range(0, 40_000, 9):
        flows.touch(0, now)
        flows.touch(1, now)
        assert drain(flows, now, 10) == []
    assert drain(flows, 40_009, 10) == [0, 1]


def test_expired_flow_is_named_again_until_it_is_removed_or_touched():
    flows = filled(3, step=0)
    assert flows.expire(10, 10) == [0, 1, 2]
    assert flows.expire(10, 10) == [0, 1, 2]
    flows.remove(1)
    flows.touch(2, 10)
    assert flows.expire(10, 10) == [0]
    flows.remove(0)
    assert flows.expire(10, 10) == []
    assert flows.expire(20, 10) == [2]


def test_looks_of_one_call_are_bounded_and_the_next_one_goes_on():
    flows = filled(1000, step=0)
    for i in range(0, 1000, 2):
        flows.touch(i, 5)
    gone = []
    for _turn in range(15):
        named = flows.expire(10, 10, 64)
        assert len(named) == 32, "half of the looks are at flows that live on"
        assert all(flows.remove(idx) for idx in named)
        gone += named
    gone += drain(flows, 10, 10)
    assert gone == list(range(1, 1000, 2))


def test_flow_last_active_before_what_has_been_swept_expires_with_the_next_tick():
    """A caller's clock that lags behind the one it expires by."""
    flows = filled(2, step=100, cap=3)
    assert drain(flows, 90, 10) == [0]
    assert flows.expire(90, 10) == []
    assert flows.add(key_of(9), 50) == 0
    assert drain(flows, 91, 10) == [0]
    assert drain(flows, 110, 10) == [1]


def test_parked_flow_goes_on_ageing():
    flows = filled(1)
    flows.park(0)
    assert drain(flows, 9, 10) == []
    assert drain(flows, 10, 10) == [0]


def test_shorter_idle_time_takes_effect_at_once_and_a_longer_one_too():
    flows = filled(20, step=10)
    assert drain(flows, 200, 1000) == []
    assert drain(flows, 200, 150) == [0, 1, 2, 3, 4, 5]
    assert drain(flows, 260, 1000) == []
    assert drain(flows, 1060, 1000) == [6]


def test_long_gap_expires_each_flow_once():
    flows = filled(3000, step=3)
    flows.touch(17, 10**7)
    gone = drain(flows, 10**7 + 5, 100)
    assert sorted(gone) == [i for i in range(3000) if i != 17]
    assert drain(flows, 10**7 + 99, 100) == []
    assert drain(flows, 10**7 + 100, 100) == [17]


def test_ticks_may_wrap_around():
    start = 2**32 - 50
    flows = Flows(10, now=start)
    for i in range(10):
        flows.add(key_of(i), (start + i * 10) % 2**32)
    flows.touch(3, 45)
    assert flows.oldest(8) == 0
    assert drain(flows, 60, 90) == [0, 1, 2]
    assert drain(flows, 90, 90) == [4, 5]
    assert flows.wait(90, 90) <= 10


def test_empty_table_waits_as_long_as_it_may_and_starts_anew():
    flows = Flows(1, now=7)
    assert flows.wait(10**6, 30, 500) == 500
    flows.add(key_of(1), 10**9)
    assert flows.wait(10**9, 30, 500) == 30
    assert drain(flows, 10**9 + 29, 30) == []
    assert drain(flows, 10**9 + 30, 30) == [0]


def test_thousand_flows_with_random_activity_expire_on_time(seed):
    rng = random.Random(seed)
    flows, active = filled(1000, step=0), dict.fromkeys(range(1000), 0)
    for now in range(1, 300):
        for _ in range(20):
            idx = rng.randrange(1000)
            if idx in active:
                flows.touch(idx, now)
                active[idx] = now
                if rng.random() < 0.3:
                    flows.assure(idx)
        gone = drain(flows, now, 40, rng.randrange(1, 65))
        assert sorted(gone) == sorted(idx for idx, tick in active.items() if now - tick >= 40)
        for idx in gone:
            del active[idx]
    assert flows.n_taken == len(active)
