"""The rise and fall machine against a second, slower reading of the same rules."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy.backend.verdict import Verdict


def run_length(results: tuple[bool, ...], kind: bool) -> int:
    """How many results of this kind stand in a row at the end."""
    count = 0
    for result in reversed(results):
        if result is not kind:
            break
        count += 1
    return count


def value_by_history(results: tuple[bool, ...], rise: int, fall: int) -> str:
    """The value that a whole history leads to: the last moment at which a count was full decides."""
    for end in range(len(results), 0, -1):
        past = results[:end]
        if run_length(past, True) >= rise:
            return "up"
        if run_length(past, False) >= fall:
            return "down"
    return "unknown"


def check_history(results: tuple[bool, ...], rise: int, fall: int) -> None:
    verdict = Verdict(rise, fall)
    before = verdict.value
    for end, ok in enumerate(results, 1):
        edge = verdict.feed(ok)
        assert verdict.value == value_by_history(results[:end], rise, fall), results[:end]
        assert edge == (verdict.value if verdict.value != before else None), results[:end]
        before = verdict.value


@pytest.mark.parametrize("rise", [1, 2, 3])
@pytest.mark.parametrize("fall", [1, 2, 3])
def test_verdict_every_history_of_nine_results_follows_the_rules(rise: int, fall: int) -> None:
    for results in product((True, False), repeat=9):
        check_history(results, rise, fall)


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 12), st.integers(1, 12))
def test_verdict_any_history_follows_the_rules(results: list[bool], rise: int, fall: int) -> None:
    check_history(tuple(results), rise, fall)


def test_verdict_rise_one_first_good_result_is_up_at_once() -> None:
    verdict = Verdict(rise=1, fall=3)
    assert verdict.value == "unknown"
    assert verdict.feed(True) == "up"


def test_verdict_unknown_needs_rise_results_in_a_row() -> None:
    verdict = Verdict(rise=2, fall=3)
    assert [verdict.feed(ok) for ok in (True, False, True, True)] == [None, None, None, "up"]


def test_verdict_unknown_one_bad_result_leaves_it_unknown() -> None:
    verdict = Verdict(rise=1, fall=2)
    assert verdict.feed(False) is None
    assert (verdict.value, verdict.is_usable) == ("unknown", True)
    assert verdict.feed(False) == "down"


def test_verdict_up_edge_comes_with_exactly_rise_results() -> None:
    verdict = Verdict(rise=3, fall=1)
    assert verdict.feed(False) == "down"
    assert [verdict.feed(True) for _ in range(4)] == [None, None, "up", None]


def test_verdict_down_edge_comes_with_exactly_fall_results() -> None:
    verdict = Verdict(rise=1, fall=3)
    assert verdict.feed(True) == "up"
    assert [verdict.feed(False) for _ in range(4)] == [None, None, "down", None]


def test_verdict_rise_one_returns_with_one_result() -> None:
    verdict = Verdict(rise=1, fall=1)
    assert [verdict.feed(ok) for ok in (False, True, False, True)] == ["down", "up", "down", "up"]


def test_verdict_flapping_below_both_counts_never_moves() -> None:
    verdict = Verdict(rise=2, fall=2)
    assert [verdict.feed(True), verdict.feed(True)] == [None, "up"]
    assert [verdict.feed(ok) for ok in (False, True) * 50] == [None] * 100
    assert verdict.value == "up"


@pytest.mark.parametrize(("start", "is_usable"), [("unknown", True), ("down", False)])
def test_verdict_unknown_is_usable_as_start_says(start: str, is_usable: bool) -> None:
    verdict = Verdict(2, 3, start)
    assert (verdict.value, verdict.is_usable) == ("unknown", is_usable)
    verdict.feed(False)
    assert (verdict.value, verdict.is_usable) == ("unknown", is_usable)


@pytest.mark.parametrize("start", ["unknown", "down"])
def test_verdict_start_does_not_matter_once_known(start: str) -> None:
    verdict = Verdict(1, 3, start)
    verdict.feed(True)
    assert verdict.is_usable
    for _ in range(3):
        verdict.feed(False)
    assert not verdict.is_usable


def test_verdict_start_down_reports_the_down_edge_when_it_is_proved() -> None:
    verdict = Verdict(1, 2, "down")
    assert [verdict.feed(False), verdict.feed(False)] == [None, "down"]


def test_verdict_retune_keeps_value_and_counts() -> None:
    verdict = Verdict(rise=1, fall=5)
    verdict.feed(True)
    for _ in range(3):
        assert verdict.feed(False) is None
    verdict.retune(rise=1, fall=2)
    assert verdict.value == "up"
    assert verdict.feed(False) == "down"


@pytest.mark.parametrize(("rise", "fall"), [(0, 1), (1, 0), (-1, 1)])
def test_verdict_count_below_one_is_refused(rise: int, fall: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Verdict(rise, fall)
