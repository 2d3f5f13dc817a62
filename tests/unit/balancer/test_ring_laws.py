"""What holds for any nodes, weights and keys."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginy.balancer import Jump, Maglev, Rendezvous, Ring

# without colons: nginx cuts names at them, and "a:" has the points of "a"
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=":"), min_size=1, max_size=20)
NODES = st.dictionaries(NAMES, st.integers(0, 20), min_size=1, max_size=12).filter(lambda nodes: any(nodes.values()))
KEYS = st.lists(st.binary(max_size=40), min_size=1, max_size=40)
EXACT = {"ring": Ring, "ring as nginx": lambda nodes: Ring(nodes, compat="nginx"), "rendezvous": Rendezvous}
ALL: dict[str, Any] = EXACT | {
    "ring as libketama": lambda nodes: Ring(nodes, compat="ketama"),
    "maglev": lambda nodes: Maglev(nodes, size=509),
}
MANY = 20_000


@pytest.mark.parametrize("kind", ALL)
@given(nodes=NODES, keys=KEYS)
@settings(max_examples=60, deadline=None)
def test_only_nodes_of_a_weight_are_chosen_and_each_is_a_candidate_once(kind: str, nodes: Any, keys: Any) -> None:
    lookup = ALL[kind](nodes)
    absent = {node for node, share in lookup.distribution().items() if not share}
    assert {node for node, weight in nodes.items() if not weight} <= absent
    for key in keys:
        order = list(lookup.candidates(key))
        assert order[0] == lookup[key]
        assert len(set(order)) == len(order) and set(order) == set(nodes) - absent


@pytest.mark.parametrize("kind", [*EXACT, "maglev"])
@given(nodes=NODES, keys=KEYS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_order_of_nodes_is_irrelevant(kind: str, nodes: Any, keys: Any, data: Any) -> None:
    """For nginx' ring too, as long as no two points are equal: a few thousand of 2**32."""
    shuffled = dict(data.draw(st.permutations(list(nodes.items()))))
    one, other = ALL[kind](nodes), ALL[kind](shuffled)
    assert [one[key] for key in keys] == [other[key] for key in keys]


@pytest.mark.parametrize("kind", EXACT)
@given(nodes=NODES, keys=KEYS, weight=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_new_node_takes_keys_and_moves_none_between_the_others(kind: str, nodes: Any, keys: Any, weight: int) -> None:
    lookup = EXACT[kind](nodes)
    before = [lookup[key] for key in keys]
    lookup.add("a name of more than twenty letters", weight)
    for key, old in zip(keys, before, strict=True):
        assert lookup[key] in (old, "a name of more than twenty letters")


@pytest.mark.parametrize("kind", ["ring", "rendezvous"])
@given(nodes=NODES, keys=KEYS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_greater_weight_takes_keys_and_moves_no_others(kind: str, nodes: Any, keys: Any, data: Any) -> None:
    node = data.draw(st.sampled_from(sorted(nodes)))
    heavier = EXACT[kind](nodes | {node: nodes[node] + 3})
    lighter = EXACT[kind](nodes)
    for key in keys:
        assert heavier[key] in (lighter[key], node)


TOLERANCES = [("ring", 0.03), ("ring as nginx", 0.05), ("maglev", 0.015), ("rendezvous", 0.015)]


@pytest.mark.parametrize(("kind", "tolerance"), TOLERANCES)
def test_shares_of_keys_follow_weights(kind: str, tolerance: float) -> None:
    weights = {f"10.0.0.{i}:80": i for i in range(6)}
    lookup = ALL[kind](weights)
    counts = dict.fromkeys(weights, 0)
    for i in range(MANY):
        counts[lookup[f"client {i}"]] += 1
    for node, weight in weights.items():
        assert counts[node] / MANY == pytest.approx(weight / 15, abs=tolerance)


@given(number=st.integers(-(2**63), 2**64 - 1), n=st.integers(1, 2**31 - 2))
def test_jump_moves_keys_to_the_new_bucket_only(number: int, n: int) -> None:
    before, after = Jump(n)[number], Jump(n + 1)[number]
    assert 0 <= before < n and after in (before, n)
