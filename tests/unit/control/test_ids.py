"""Ids: a name keeps its number; nobody inherits somebody else's counters."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy.control.ids import IdSpace
from nginy.errors import NginyError


def always(_: int, __: int) -> bool:
    return True


def never(_: int, __: int) -> bool:
    return False


def space(size: int = 8, remembered: int = 2) -> IdSpace:
    return IdSpace("things", size, remembered)


def test_a_name_keeps_its_id_while_others_come_and_go() -> None:
    first, _ = space().assigned(["a", "b"], 1, always)
    second, _ = first.assigned(["c", "b"], 2, always)
    assert second["b"] == first["b"]
    assert second["c"] not in (first["a"], first["b"])


def test_a_name_that_comes_back_while_remembered_gets_its_old_id_and_counters() -> None:
    first, _ = space().assigned(["a"], 1, always)
    gone, _ = first.assigned([], 2, always)
    back, reused = gone.assigned(["b", "a"], 3, always)
    assert back["a"] == first["a"]
    assert not reused


def test_beyond_the_memory_the_oldest_id_that_is_no_longer_counted_goes_first() -> None:
    full, _ = space(remembered=2).assigned(["a", "b", "c"], 1, always)
    gone, _ = full.assigned([], 5, always)
    fresh, reused = gone.assigned(["d"], 6, lambda number, gen: number != full["a"])
    assert reused == [full["b"]]
    assert fresh["d"] == full["b"]
    assert set(fresh.retired) == {"a", "c"}


def test_an_id_that_still_counts_is_not_reused_and_the_space_ends_with_an_error() -> None:
    full, _ = space(size=2, remembered=0).assigned(["a", "b"], 1, never)
    gone, _ = full.assigned(["b"], 2, never)
    with pytest.raises(NginyError, match="too many things: all 2"):
        gone.assigned(["b", "c"], 3, never)
    late, reused = gone.assigned(["b", "c"], 3, always)
    assert reused == [full["a"]] == [late["c"]]


def test_retirement_is_dated_so_that_reuse_can_wait_for_the_slowest_worker() -> None:
    first, _ = space(remembered=0).assigned(["a"], 1, always)
    gone, _ = first.assigned([], 7, always)
    asked = []
    gone.assigned(["b"], 8, lambda number, gen: bool(asked.append((number, gen))))
    assert asked == [(first["a"], 7)]


def test_a_change_leaves_the_space_before_it_as_it_was() -> None:
    first, _ = space().assigned(["a"], 1, always)
    first.assigned(["b", "c"], 2, always)
    assert dict(first.live) == {"a": 0}
    assert not first.retired


def test_meta_survives_json_with_names_that_are_tuples() -> None:
    first, _ = space().assigned([("pool", "10.0.0.1:80"), ("pool", "10.0.0.2:80")], 1, always)
    second, _ = first.assigned([("pool", "10.0.0.2:80")], 2, always)
    again = space().from_meta(json.loads(json.dumps(second.to_meta())))
    assert again == second


@pytest.mark.parametrize("number", [0, 8, -1])
def test_meta_with_ids_that_overlap_or_are_out_of_range_is_refused(number: int) -> None:
    meta = {"fresh": 1, "live": [["a", 0], ["b", number]], "retired": []}
    with pytest.raises(ValueError, match="things ids"):
        space().from_meta(meta)


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcdefgh"), max_size=6), st.booleans()), max_size=30))
def test_ids_are_never_shared_and_never_out_of_range(steps: list[tuple[set[str], bool]]) -> None:
    now = space(size=14, remembered=2)
    for gen, (names, is_idle) in enumerate(steps, 1):
        before = now
        now, reused = now.assigned(sorted(names), gen, always if is_idle else never)
        used = [*now.live.values(), *(was.id for was in now.retired.values())]
        assert len(set(used)) == len(used)
        assert all(0 <= number < now.fresh <= 14 for number in used)
        assert list(now.live) == sorted(names)
        assert all(now[name] == before[name] for name in names & before.live.keys())
        assert is_idle or not reused
