"""The figures that a Maglev table of 65,537 slots has to reach."""

import random
from collections import Counter

import pytest

from nginy.balancer import Maglev

SIZE = 65537


def names(n: int) -> list[str]:
    return [f"10.{i >> 8}.{i & 255}.1:443" for i in range(n)]


@pytest.mark.parametrize("n", [1, 2, 10, 100, 999, 1000])
def test_equal_weights_get_equal_slots_but_for_one(n: int) -> None:
    counts = Counter(Maglev(names(n)).slots())
    assert len(counts) == n and sum(counts.values()) == SIZE
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("n", [2, 10, 100, 1000])
def test_slots_follow_weights_to_less_than_two(n: int, seed: int) -> None:
    rng = random.Random(seed)
    for most in (3, 100, 65535):
        weights = {name: rng.randrange(1, most + 1) for name in names(n)}
        counts = Counter(Maglev(weights).slots())
        total = sum(weights.values())
        assert max(abs(counts[name] - SIZE * weight / total) for name, weight in weights.items()) < 2


def test_one_heavy_node_among_many_light_ones_gets_its_share_and_no_more() -> None:
    """Turns counted in rounds drift here: the light nodes' fractions add up, and the heavy one takes it all."""
    weights = {name: 1 for name in names(999)} | {"heavy": 1000}
    counts = Counter(Maglev(weights).slots())
    assert abs(counts["heavy"] - SIZE * 1000 / 1999) < 2


def test_weights_of_two_to_one_to_one_give_half_and_quarters() -> None:
    counts = Counter(Maglev({"a": 2, "b": 1, "c": 1}).slots())
    assert abs(counts["a"] - counts["b"] - 16385) <= 1 and abs(counts["b"] - counts["c"]) <= 1


def test_any_one_of_a_hundred_dies_and_at_most_one_percent_of_other_keys_move() -> None:
    table = Maglev(names(100))
    before = table.slots()
    for dead in names(100):
        table.remove(dead)
        moved = sum(old not in (new, dead) for old, new in zip(before, table.slots(), strict=True))
        assert moved / SIZE <= 0.01, dead
        table.add(dead)
    assert table.slots() == before


def test_order_of_nodes_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    weights = {name: rng.randrange(1, 9) for name in names(300)}
    shuffled = dict(rng.sample(list(weights.items()), len(weights)))
    assert Maglev(weights).slots() == Maglev(shuffled).slots()
