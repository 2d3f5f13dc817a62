"""Rates and times out of two looks: right where both are known, silent where they are not."""

import random
from dataclasses import replace
from typing import Any

import pytest

from nginy._fast.door import SPAN_BUCKETS_S
from nginy.observe.recent import LOOKS, Recent, compared, quantile_ms
from tests.unit.observe.pictures import Source, http_pool_counters, pool, view

N_BUCKETS = len(SPAN_BUCKETS_S) + 1


class Rows:
    """Stands where the board would."""

    def __init__(self) -> None:
        self.counters = http_pool_counters()

    def http_pool(self, id: int) -> dict[str, Any]:
        return self.counters


def hist(**counts: int) -> tuple[int, ...]:
    return tuple(counts.get(f"b{nth}", 0) for nth in range(N_BUCKETS))


def watched() -> tuple[Recent, Rows]:
    rows = Rows()
    picture = view(pools=(replace(pool(), requests=rows.counters),))
    return Recent(Source(picture, board=rows)), rows


def test_the_bounds_are_the_usual_ones_up_to_a_minute() -> None:
    wanted = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
    assert wanted == SPAN_BUCKETS_S


def test_two_looks_make_rates_and_times() -> None:
    recent, rows = watched()
    recent.look(100.0)
    rows.counters = http_pool_counters(
        responses=(0, 90, 0, 0, 10), unanswered=20, total_hist=hist(b3=50, b7=49, b8=1)
    )
    found = recent.of("api", rows.counters, 110.0)
    assert found == {"seconds": 10.0, "requests_per_s": 12.0, "error_share": 0.1, "p50_ms": 5.0, "p99_ms": 100.0}


def test_only_what_came_since_the_oldest_look_counts() -> None:
    recent, rows = watched()
    for nth in range(20):
        rows.counters = http_pool_counters(responses=(0, 10 * nth, 0, 0, 0), total_hist=hist(b1=10 * nth))
        recent.look(100.0 + 2 * nth)
    found = recent.of("api", rows.counters, 100.0 + 2 * 19)
    assert found is not None
    assert (found["seconds"], found["requests_per_s"]) == (2.0 * (LOOKS - 1), 5.0)


def test_nothing_is_said_without_a_look_a_moment_after_one_and_of_a_stranger() -> None:
    recent, rows = watched()
    assert recent.of("api", rows.counters, 100.0) is None
    recent.look(100.0)
    assert recent.of("api", rows.counters, 100.1) is None
    assert recent.of("other", rows.counters, 110.0) is None


def test_a_row_that_begins_anew_says_nothing() -> None:
    before = http_pool_counters(responses=(0, 5, 0, 0, 0))
    assert compared(before, http_pool_counters(responses=(0, 4, 0, 0, 0)), 1.0) is None


def test_a_quiet_pool_has_a_rate_of_nothing_and_no_times() -> None:
    counters = http_pool_counters(responses=(0, 5, 0, 0, 0), total_hist=hist(b2=5))
    nothing = {"requests_per_s": 0.0, "error_share": None, "p50_ms": None, "p99_ms": None}
    assert compared(counters, counters, 2.0) == {"seconds": 2.0} | nothing


def test_a_quantile_lies_between_the_bounds_of_the_bucket_of_the_true_one(seed: int) -> None:
    chance = random.Random(seed)
    bounds = (0.0, *SPAN_BUCKETS_S)
    for _ in range(200):
        times = sorted(10 ** chance.uniform(-4, 1.7) for _ in range(chance.randrange(1, 300)))
        counts = [0] * N_BUCKETS
        for took_s in times:
            counts[next(nth for nth, bound in enumerate((*SPAN_BUCKETS_S, float("inf"))) if took_s <= bound)] += 1
        for share in (0.5, 0.99):
            true_s = times[max(0, -(-len(times) * share // 1).__int__() - 1)]
            nth = next(nth for nth, bound in enumerate(SPAN_BUCKETS_S) if true_s <= bound)
            found = quantile_ms(counts, share)
            assert found is not None
            assert bounds[nth] * 1000 - 0.01 <= found <= bounds[nth + 1] * 1000 + 0.01, (share, true_s)


@pytest.mark.parametrize(("counts", "wanted"), [({}, None), ({"b16": 3}, 60_000.0), ({"b0": 4}, 0.25)])
def test_a_quantile_at_the_ends(counts: dict[str, int], wanted: float | None) -> None:
    assert quantile_ms(hist(**counts), 0.5) == wanted
