"""Choose: what each native policy promises, on packed snapshots."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nginy._fast.testpolicy import Chooser

from nginy._fast import door

from .rows import backend, block, over, pool

NO_BACKEND = -door.REASONS.index("no_backend")
FULL = -door.REASONS.index("backends_full")
POLICIES = sorted(door.POLICIES)


def names(chooser, n, **how):
    return "".join("abcdefgh"[chooser.choose(0, **how)] for _ in range(n))


def test_round_robin_smooth_weights_5_1_1():
    chooser = Chooser(block([backend(0, weight=5), backend(1), backend(2)]))
    assert names(chooser, 14) == "aabacaa" * 2


def test_round_robin_equal_weights_take_turns():
    chooser = Chooser(block([backend(0), backend(1), backend(2)]))
    assert names(chooser, 7) == "abcabca"


def test_round_robin_begins_at_the_workers_phase():
    rows = [backend(0), backend(1), backend(2)]
    assert names(Chooser(block(rows), phase=1), 4) == "bcab"


def test_round_robin_keeps_its_place_across_generations():
    chooser = Chooser(block([backend(0), backend(1), backend(2)]))
    assert names(chooser, 2) == "ab"
    chooser.use(block([backend(0), backend(1), backend(2), backend(3)], gen=2))
    assert names(chooser, 4) == "cdab"


def test_least_conn_takes_the_lowest_load_per_weight():
    chooser = Chooser(block([backend(0, weight=4), backend(1), backend(2)], "least_conn"))
    chooser.set_in_flight(0, 3)
    chooser.set_in_flight(1, 1)
    chooser.set_in_flight(2, 2)
    assert chooser.choose(0) == 0
    chooser.set_in_flight(0, 8)
    assert chooser.choose(0) == 1


def test_least_conn_equals_take_turns():
    chooser = Chooser(block([backend(i) for i in range(4)], "least_conn"))
    assert Counter(names(chooser, 40)) == {name: 10 for name in "abcd"}


def test_random2_prefers_the_less_loaded():
    chooser = Chooser(block([backend(0), backend(1)], "random2"), seed=7)
    chooser.set_in_flight(0, 50)
    counts = Counter(names(chooser, 4000))
    assert counts["b"] > 2800  # b unless both draws are a: 3/4


def test_random2_draws_by_weight():
    chooser = Chooser(block([backend(0, weight=9), backend(1, weight=1)], "random2"), seed=11)
    counts = Counter(names(chooser, 10000))
    assert 0.86 < counts["a"] / 10000 < 0.94


def test_source_hash_is_stable_and_follows_weights():
    chooser = Chooser(block([backend(0, weight=3), backend(1, weight=1)], "source_hash"))
    keys = [i.to_bytes(16, "big") for i in range(8000)]
    first = [chooser.choose(0, key=key) for key in keys]
    assert first == [chooser.choose(0, key=key) for key in keys]
    assert first == [Chooser(chooser_block(3, 1), seed=99, phase=5).choose(0, key=key) for key in keys]
    assert 0.72 < first.count(0) / len(first) < 0.78


def chooser_block(*weights):
    return block([backend(i, weight=w) for i, w in enumerate(weights)], "source_hash")


def test_source_hash_of_a_lost_backend_goes_to_others_and_the_rest_stays():
    rows = [backend(i) for i in range(5)]
    whole = Chooser(block(rows, "source_hash"))
    chooser = Chooser(block(rows, "source_hash"))
    chooser.distrust(2, 1)
    for i in range(2000):
        key = i.to_bytes(16, "big")
        before, after = whole.choose(0, key=key), chooser.choose(0, key=key, now_ms=2)
        assert after != 2
        assert before == 2 or before == after


@pytest.mark.parametrize("policy", POLICIES)
def test_backup_tier_serves_only_when_the_first_is_out(policy):
    rows = [backend(0), backend(1, tier=1)]
    chooser = Chooser(block(rows, policy))
    assert names(chooser, 5) == "aaaaa"
    assert chooser.choose(0, tried=[0]) == 1
    down = [backend(0, verdict="down"), backend(1, tier=1)]
    assert Chooser(block(down, policy)).choose(0) == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_nobody_usable_is_told_apart_from_everybody_full(policy):
    out = [
        backend(0, verdict="down"),
        backend(1, state="maint"),
        backend(2, state="drain"),
        backend(3, weight=0),
    ]
    assert Chooser(block(out, policy)).choose(0) == NO_BACKEND
    chooser = Chooser(block([backend(0, max_conns=2), *out[1:]], policy))
    chooser.set_in_flight(0, 2)
    assert chooser.choose(0) == FULL
    chooser.set_in_flight(0, 1)
    assert chooser.choose(0) == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_retry_differs_while_there_is_another_then_comes_again(policy):
    chooser = over([backend(i) for i in range(3)], policy)
    for _ in range(20):
        tried = []
        for _ in range(3):
            got = chooser.choose(0, tried=tried)
            assert got not in tried
            tried.append(got)
        assert chooser.choose(0, tried=tried) in tried


@pytest.mark.parametrize("policy", POLICIES)
def test_distrusted_backend_rests_a_second_unless_alone(policy):
    chooser = over([backend(0), backend(1)], policy)
    chooser.distrust(0, 10_000)
    assert {chooser.choose(0, key=bytes([i]), now_ms=10_999) for i in range(50)} == {1}
    again = {chooser.choose(0, key=bytes([i]), now_ms=11_001) for i in range(50)}
    assert again == ({0} if policy == "first" else {0, 1})
    alone = Chooser(block([backend(0)], policy))
    alone.distrust(0, 10_000)
    assert alone.choose(0, now_ms=10_001) == 0


def test_unknown_pool_and_empty_pool_have_nobody():
    chooser = Chooser(block([backend(0)], pools=[pool(0), pool(1)]))
    assert chooser.choose(1) == NO_BACKEND
    assert chooser.choose(77) == NO_BACKEND


row = st.builds(
    dict,
    weight=st.integers(0, 5),
    tier=st.integers(0, 2),
    state=st.sampled_from(["ready", "drain", "maint"]),
    verdict=st.sampled_from(["unknown", "up", "down"]),
    max_conns=st.integers(0, 2),
)


@settings(max_examples=200)
@given(st.lists(row, min_size=1, max_size=6), st.sampled_from(POLICIES), st.integers(0, 2**32))
def test_every_policy_chooses_only_usable_backends(rows, policy, seed):
    chooser = over([backend(i, **r) for i, r in enumerate(rows)], policy, seed=seed)
    rng = random.Random(seed)
    load = [rng.randrange(3) for _ in rows]
    for i, n in enumerate(load):
        chooser.set_in_flight(i, n)

    def usable(i):
        r = rows[i]
        has_room = r["max_conns"] == 0 or load[i] < r["max_conns"]
        return r["state"] == "ready" and r["verdict"] != "down" and r["weight"] > 0 and has_room

    able = [i for i in range(len(rows)) if usable(i)]
    for n in range(10):
        got = chooser.choose(0, key=bytes([n]))
        if not able:
            assert got in (NO_BACKEND, FULL)
        else:
            assert got in able
            assert rows[got]["tier"] == min(rows[i]["tier"] for i in able)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_round_robin_shares_are_exact_over_one_cycle(weights):
    chooser = Chooser(block([backend(i, weight=w) for i, w in enumerate(weights)]))
    counts = Counter(chooser.choose(0) for _ in range(sum(weights)))
    if len(set(weights)) == 1:  # equal weights take turns: a cycle is one visit each
        assert set(counts.values()) == {weights[0]}
    else:
        assert [counts[i] for i in range(len(weights))] == weights
