"""Groups: turns by weight over those that have somebody, then the member's own policy."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nginy._fast.testpolicy import Chooser

from nginy._fast import door

from .rows import backend, block, pool

NO_BACKEND = -door.REASONS.index("no_backend")
FULL = -door.REASONS.index("backends_full")
GROUP = 0


def group(*weights: int, backends=None, policies=(), gen: int = 1, id: int = GROUP) -> bytes:
    """Pools 1, 2, … of one backend each (10, 20, …) unless given, and a group of them with these weights."""
    members = [(nth + 1, weight) for nth, weight in enumerate(weights)]
    pools = [pool(id=id, members=members)]
    pools += [pool(id=nth, policy=dict(policies).get(nth, "round_robin")) for nth, _ in members]
    rows = [backend(10 * nth, pool=nth) for nth, _ in members] if backends is None else backends
    return block(rows, pools=pools, gen=gen)


def turns(chooser: Chooser, n: int, **how) -> str:
    return "".join("?abcdefgh"[chooser.choose(GROUP, **how) // 10] for _ in range(n))


def test_turns_are_smooth_by_weight() -> None:
    assert turns(Chooser(group(5, 1, 1)), 14) == "aabacaa" * 2
    assert Counter(turns(Chooser(group(9, 1)), 1000)) == {"a": 900, "b": 100}


def test_turns_begin_at_the_workers_phase_and_go_on_from_there() -> None:
    cycle = "aabacaa"
    for phase in range(7):
        chooser = Chooser(group(5, 1, 1), phase=phase)
        assert turns(chooser, 14) == (cycle[phase:] + cycle[:phase]) * 2
        chooser.use(group(5, 1, 1, gen=2))
        assert turns(chooser, 7) == cycle[phase:] + cycle[:phase]


def test_workers_begin_with_different_members() -> None:
    assert [turns(Chooser(group(1, 1), phase=phase), 3) for phase in range(4)] == ["aba", "bab"] * 2


def test_a_worker_whose_phase_meets_a_member_that_is_down_serves_the_others_by_weight() -> None:
    rows = [backend(10, pool=1, verdict="down"), backend(20, pool=2), backend(30, pool=3)]
    chooser = Chooser(group(5, 1, 1, backends=rows), phase=3)
    assert turns(chooser, 6) == "cb" * 3
    chooser.use(group(5, 1, 1, gen=2))
    assert Counter(turns(chooser, 70)) == {"a": 50, "b": 10, "c": 10}


def test_a_member_without_somebody_usable_is_passed_over_and_owes_nothing_later() -> None:
    rows = [backend(10, pool=1, verdict="down"), backend(20, pool=2), backend(30, pool=3)]
    chooser = Chooser(group(8, 1, 1, backends=rows))
    assert turns(chooser, 8) == "bc" * 4
    chooser.use(group(8, 1, 1, gen=2))
    assert Counter(turns(chooser, 100)) == {"a": 80, "b": 10, "c": 10}


def test_turns_go_on_across_generations() -> None:
    chooser = Chooser(group(5, 1, 1))
    said = ""
    for gen in range(14):
        said += turns(chooser, 1)
        chooser.use(group(5, 1, 1, gen=gen + 2))
    assert said == "aabacaa" * 2


def test_other_weights_hold_at_once_whatever_the_ones_before_left_owing() -> None:
    chooser = Chooser(group(9000, 6000))
    turns(chooser, 1)
    chooser.use(group(2, 1, gen=2))
    counts = Counter(turns(chooser, 30))
    assert abs(counts["b"] - 10) <= 3, counts


def test_a_weight_of_zero_gets_nothing_even_when_nobody_else_is_there() -> None:
    rows = [backend(10, pool=1), backend(20, pool=2, state="drain")]
    assert Chooser(group(0, 1, backends=rows)).choose(GROUP) == NO_BACKEND


def test_nobody_anywhere_and_everybody_full_are_told_apart() -> None:
    down = [backend(10, pool=1, verdict="down"), backend(20, pool=2, state="maint")]
    assert Chooser(group(1, 1, backends=down)).choose(GROUP) == NO_BACKEND
    full = Chooser(group(1, 1, backends=[backend(10, pool=1, max_conns=1), backend(20, pool=2, verdict="down")]))
    full.set_in_flight(10, 1)
    assert full.choose(GROUP) == FULL


def test_a_retry_goes_to_another_backend_while_there_is_one_in_any_member() -> None:
    rows = [backend(10, pool=1), backend(11, pool=1), backend(20, pool=2)]
    chooser = Chooser(group(9, 1, backends=rows))
    for _ in range(20):
        tried: list[int] = []
        for _attempt in range(3):
            tried.append(chooser.choose(GROUP, tried=tried))
        assert sorted(tried) == [10, 11, 20]
        assert chooser.choose(GROUP, tried=tried) in (10, 11, 20)


def test_a_distrusted_member_is_left_while_another_is_trusted() -> None:
    chooser = Chooser(group(9, 1))
    chooser.distrust(10, 1)
    assert turns(chooser, 5) == "b" * 5
    chooser.distrust(20, 1)
    assert set(turns(chooser, 20)) == {"a", "b"}


def test_inside_a_member_its_own_policy_chooses() -> None:
    rows = [backend(10, pool=1), backend(11, pool=1), backend(20, pool=2), backend(21, pool=2)]
    chooser = Chooser(group(1, 1, backends=rows, policies=[(1, "least_conn")]))
    chooser.set_in_flight(10, 5)
    said = [chooser.choose(GROUP) for _ in range(8)]
    assert said[::2] == [11] * 4
    assert said[1::2] == [20, 21, 20, 21]


def test_backups_of_a_member_serve_before_another_members_turn() -> None:
    rows = [backend(10, pool=1, verdict="down"), backend(11, pool=1, tier=1), backend(20, pool=2)]
    chooser = Chooser(group(1, 1, backends=rows))
    assert {chooser.choose(GROUP) for _ in range(4)} == {11, 20}


def test_a_pool_serves_alone_and_in_several_groups() -> None:
    pools = [pool(id=0, members=[(2, 1), (3, 3)]), pool(id=1, members=[(3, 1), (2, 1)]), pool(id=2), pool(id=3)]
    chooser = Chooser(block([backend(10, pool=2), backend(20, pool=3)], pools=pools))
    said = [(chooser.choose(0), chooser.choose(1)) for _ in range(40)]
    assert Counter(first for first, _ in said) == {10: 10, 20: 30}
    assert Counter(second for _, second in said) == {10: 20, 20: 20}
    assert chooser.choose(2) == 10


@pytest.mark.parametrize("members", [[(1, 1), (7, 1)], [(0, 1)]], ids=["unknown", "itself"])
def test_a_member_that_is_no_pool_with_backends_is_refused(members) -> None:
    with pytest.raises(ValueError, match="is no pool with backends"):
        block([backend(10, pool=1)], pools=[pool(id=0, members=members), pool(id=1)])


def test_more_members_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="65 members of a group; 64 at most"):
        group(*[1] * 65)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=8), st.integers(1, 60))
def test_only_usable_members_have_turns_and_their_shares_follow_the_weights(members, rounds) -> None:
    rows = [
        backend(10 * (nth + 1), pool=nth + 1, verdict="up" if is_up else "down")
        for nth, (_, is_up) in enumerate(members)
    ]
    chooser = Chooser(group(*(weight for weight, _ in members), backends=rows))
    share = {10 * (nth + 1): weight for nth, (weight, is_up) in enumerate(members) if is_up and weight}
    total = sum(share.values())
    if not share:
        assert chooser.choose(GROUP) == NO_BACKEND
        return
    said = Counter(chooser.choose(GROUP) for _ in range(rounds))
    assert said.keys() <= share.keys()
    for one, weight in share.items():
        assert abs(said[one] - rounds * weight / total) < len(share)
