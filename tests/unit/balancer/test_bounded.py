"""BoundedLoad: nobody above the bound, keys stay where there is room, nodes may come and go."""

import math
import pickle
import random
from collections import Counter
from typing import Any

import pytest

from nginy.balancer import BoundedLoad, Maglev, Rendezvous, Ring

NODES = [f"{i}:1" for i in range(8)]
LOOKUPS = [Ring, lambda nodes: Maglev(nodes, size=2039), Rendezvous]


def skewed_key(rng: random.Random) -> str:
    """A few keys are most of the traffic."""
    return f"key {int(rng.paretovariate(0.6))}"


@pytest.mark.parametrize("make", LOOKUPS)
@pytest.mark.parametrize("factor", [1, 1.05, 1.25, 2])
def test_nobody_ever_holds_more_than_the_bound(make: Any, factor: float, seed: int) -> None:
    rng = random.Random(seed)
    loads = BoundedLoad(make(NODES), factor)
    held: list[str] = []
    for _turn in range(3000):
        if held and rng.random() < 0.4:
            loads.release(held.pop(rng.randrange(len(held))))
            continue
        bound = math.ceil(round(factor * (len(held) + 1), 6) / len(NODES))
        held.append(loads.choose(skewed_key(rng)))
        assert loads.loads[held[-1]] <= bound
        assert loads.total == len(held)
    assert loads.loads == Counter(held)
    for node in held:
        loads.release(node)
    assert loads.loads == {} and loads.total == 0


def test_bound_follows_the_weights(seed: int) -> None:
    rng = random.Random(seed)
    weights = {"a": 1, "b": 3, "c": 6}
    loads = BoundedLoad(Ring(weights), 1.2)
    for n in range(1000):
        node = loads.choose(skewed_key(rng))
        assert loads.loads[node] <= math.ceil(round(1.2 * (n + 1) * weights[node] / 10, 6))


def test_key_has_its_own_node_while_that_has_room_and_the_next_one_then() -> None:
    ring = Ring(NODES)
    loads = BoundedLoad(ring, 2)
    for turn in range(50):
        for key in ("x", "y", "z"):
            expected = next(node for node in ring.candidates(key) if loads.loads.get(node, 0) < loads.cap(node))
            assert loads.choose(key) == expected, (turn, key)


def test_released_place_is_taken_by_the_same_key_again() -> None:
    loads = BoundedLoad(Ring(NODES))
    first = loads.choose("x")
    loads.release(first)
    assert loads.choose("x") == first


def test_release_of_what_nobody_holds_is_refused() -> None:
    loads = BoundedLoad(Ring(NODES))
    node = loads.choose("x")
    other = next(name for name in NODES if name != node)
    for wrong in (other, "nobody"):
        with pytest.raises(KeyError, match="holds nothing"):
            loads.release(wrong)
    loads.release(node)
    with pytest.raises(KeyError, match="holds nothing"):
        loads.release(node)


def test_what_a_node_holds_that_left_does_not_count_and_can_be_released() -> None:
    ring = Ring(NODES)
    loads = BoundedLoad(ring, 1.25)
    nodes = [loads.choose(f"key {i}") for i in range(80)]
    gone = nodes[0]
    ring.remove(gone)
    n_gone = nodes.count(gone)
    for _turn in range(n_gone):
        loads.release(gone)
    assert loads.total == 80 - n_gone and gone not in loads.loads
    with pytest.raises(KeyError):
        loads.release(gone)
    assert loads.choose("x") != gone


def test_node_that_comes_back_holds_what_it_held() -> None:
    ring = Ring(NODES)
    loads = BoundedLoad(ring)
    for i in range(40):
        loads.choose(f"key {i}")
    before = loads.loads
    ring.remove(NODES[0])
    assert loads.loads == before
    ring.add(NODES[0])
    assert loads.loads == before and loads.total == 40


def test_weight_too_small_for_a_slot_gives_no_room_to_anybody() -> None:
    loads = BoundedLoad(Maglev({"heavy": 65535, **{f"light {i}": 1 for i in range(6)}}, size=7), 1)
    for _turn in range(1000):
        loads.choose("x")
    assert loads.loads == {"heavy": 1000}


@pytest.mark.parametrize("factor", [0.99, 0, -1, 65.6, math.nan, math.inf])
def test_factors_that_bound_nothing_or_too_much_are_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=r"is not in 1\.\.65\.535"):
        BoundedLoad(Ring(NODES), factor)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError):
        BoundedLoad(NODES)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no number"):
        BoundedLoad(Ring(NODES), "2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="neither text nor bytes"):
        BoundedLoad(Ring(NODES)).choose(7)  # type: ignore[arg-type]


def test_pickle_keeps_loads() -> None:
    loads = BoundedLoad(Ring(NODES), 1.5)
    for i in range(30):
        loads.choose(f"key {i}")
    other = pickle.loads(pickle.dumps(loads))
    assert other == loads and other.loads == loads.loads and other.factor == 1.5
    other.choose("x")
    assert other != loads
