"""Rings and tables as a library: what they are told, what they refuse, how they behave as Python objects."""

import copy
import pickle
import subprocess
import sys
import threading
from collections import Counter
from typing import Any

import pytest

from nginy.balancer import BoundedLoad, Jump, Maglev, Rendezvous, Ring
from nginy.balancer.rings import __all__ as public

KINDS: dict[str, Any] = {
    "ring": Ring,
    "ring as nginx": lambda nodes: Ring(nodes, compat="nginx"),
    "ring as libketama": lambda nodes: Ring(nodes, compat="ketama"),
    "maglev": lambda nodes: Maglev(nodes, size=2039),
    "rendezvous": Rendezvous,
}
NODES = {"a:1": 1, "b:1": 2, "c:1": 3, "d:1": 4}
KEYS = [f"key {i}" for i in range(3000)]


@pytest.fixture(params=list(KINDS))
def make(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]


def test_library_needs_nothing_of_the_proxy() -> None:
    code = (
        "import sys\nfrom nginy.balancer import Ring\nRing(['a'])['x']\n"
        "rooms = {m.split('.')[0] for m in sys.modules}\n"
        "print(sorted(rooms & {'pydantic', 'uvloop', 'yaml', 'click', 'rich', 'asyncio'}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_library_names_are_exported_by_the_package() -> None:
    import nginy.balancer

    assert set(public) <= set(nginy.balancer.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Circle'"):
        _ = nginy.balancer.Circle  # type: ignore[attr-defined]


def test_text_and_its_utf8_bytes_are_the_same_key(make: Any) -> None:
    lookup = make(NODES)
    for key in ("x", "", "ключ", "a" * 1000):
        assert lookup[key] == lookup[key.encode()]
        assert list(lookup.candidates(key)) == list(lookup.candidates(key.encode()))


def test_keys_that_are_no_text_are_refused(make: Any) -> None:
    lookup = make(NODES)
    for key in (1, None, 1.5, ("a",), bytearray(b"x")):
        with pytest.raises(TypeError, match="neither text nor bytes"):
            lookup[key]
        with pytest.raises(TypeError, match="neither text nor bytes"):
            lookup.candidates(key)
    with pytest.raises(UnicodeEncodeError):
        lookup["\ud800"]


def test_first_candidate_is_the_answer_and_none_comes_twice(make: Any) -> None:
    lookup = make(NODES | {"never": 0})
    for key in KEYS[:300]:
        order = list(lookup.candidates(key))
        assert order[0] == lookup[key]
        assert sorted(order) == sorted(NODES)


def test_second_candidate_is_the_answer_when_the_first_has_left(make: Any) -> None:
    """Exact where nothing but the leaver's keys move; a Maglev table and libketama's points change for the rest."""
    lookup = make(NODES)
    if isinstance(lookup, Maglev) or lookup == Ring(NODES, compat="ketama"):
        pytest.skip("its candidates are good ones, not those of another table")
    for node in NODES:
        rest = make({name: weight for name, weight in NODES.items() if name != node})
        for key in KEYS[:300]:
            assert rest[key] == next(name for name in lookup.candidates(key) if name != node)


def test_keys_of_a_dead_node_spread_by_weight_over_the_others(make: Any) -> None:
    nodes = {f"{i}:1": 1 for i in range(10)}
    lookup = make(nodes)
    second = Counter([*lookup.candidates(key)][1] for key in KEYS if lookup[key] == "0:1")
    assert len(second) == 9 and max(second.values()) < sum(second.values()) / 2


def test_shares_sum_to_one_and_are_those_of_the_keys(make: Any) -> None:
    lookup = make(NODES | {"never": 0})
    shares = lookup.distribution()
    assert set(shares) == set(NODES) | {"never"} and shares["never"] == 0
    assert sum(shares.values()) == pytest.approx(1)
    counts = Counter(lookup[key] for key in KEYS)
    for node, share in shares.items():
        assert counts[node] / len(KEYS) == pytest.approx(share, abs=0.05)


def test_nodes_are_counted_contained_and_listed(make: Any) -> None:
    lookup = make(NODES)
    assert len(lookup) == 4 and "a:1" in lookup and "e:1" not in lookup and 7 not in lookup
    assert list(lookup) == list(NODES)
    weights = lookup.weights
    weights["a:1"] = 99
    assert lookup.weights == NODES


def test_add_and_remove_are_a_ring_of_other_nodes(make: Any) -> None:
    lookup = make(NODES)
    lookup.add("e:1", 5)
    assert lookup == make(NODES | {"e:1": 5}) and lookup != make(NODES)
    assert [lookup[key] for key in KEYS] == [make(NODES | {"e:1": 5})[key] for key in KEYS]
    lookup.remove("e:1")
    assert lookup == make(NODES)
    assert [lookup[key] for key in KEYS] == [make(NODES)[key] for key in KEYS]


def test_wrong_changes_are_refused_and_change_nothing(make: Any) -> None:
    lookup = make({"a:1": 1, "b:1": 0})
    with pytest.raises(ValueError, match="is there already"):
        lookup.add("a:1", 2)
    with pytest.raises(ValueError, match="is not in 0..65535"):
        lookup.add("c:1", -1)
    with pytest.raises(ValueError, match="without a name"):
        lookup.add("", 0)
    with pytest.raises(TypeError, match="weight None of node 'c:1' is no whole number"):
        lookup.add("c:1", None)
    with pytest.raises(KeyError, match="is not there"):
        lookup.remove("c:1")
    with pytest.raises(ValueError, match="last one with a weight"):
        lookup.remove("a:1")
    assert lookup == make({"a:1": 1, "b:1": 0}) and lookup["x"] == "a:1"


def test_node_of_weight_nought_can_be_added(make: Any) -> None:
    lookup = make(["a:1"])
    lookup.add("b:1", 0)
    assert {lookup[key] for key in KEYS} == {"a:1"} and len(lookup) == 2


@pytest.mark.parametrize(
    ("nodes", "error", "words"),
    [
        ({}, ValueError, "no nodes"),
        ({"a": 0, "b": 0}, ValueError, "no node with a weight"),
        ({"a": -1}, ValueError, "weight -1 of node 'a' is not in 0..65535"),
        ({"a": 65536}, ValueError, "not in 0..65535"),
        ({"a": 1.5}, TypeError, "no whole number"),
        ({"a": "1"}, TypeError, "no whole number"),
        (["a", "b", "a"], ValueError, "node 'a' is there twice"),
        ({"": 1}, ValueError, "without a name"),
        ({1: 1}, TypeError, "node 1 is no text"),
        ("a:1", TypeError, "write a list of names"),
        ([str(i) for i in range(65536)], ValueError, "65536 nodes; 65535 are possible"),
    ],
)
def test_wrong_nodes_are_refused_with_the_reason(make: Any, nodes: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make(nodes)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (65536, "size 65536 is even, so that some slots would stay empty: use 65537"),
        (65535, "size 65535 is no prime.* use 65537"),
        (0, "is not in 3..4194304"),
        (2, "is not in 3..4194304"),
        (-7, "is not in 3..4194304"),
        (4194319, "is not in 3..4194304"),
        (3, "size 3 is less than the 4 nodes"),
    ],
)
def test_wrong_maglev_sizes_are_refused_with_the_reason(size: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Maglev(NODES, size=size)


def test_order_of_nodes_does_not_matter_where_points_are_equal_either() -> None:
    """Of 400,000 points of two nodes about nine are equal: the arc before each belongs to the same node both ways."""
    one = Ring({"a": 1, "b": 1}, points=200_000)
    other = Ring({"b": 1, "a": 1}, points=200_000)
    assert one.n_points == other.n_points < 400_000
    assert one.distribution() == other.distribution()


def test_order_of_nodes_belongs_to_the_rings_of_other_programs() -> None:
    assert Ring({"a:1": 1, "b:1": 1}, compat="nginx") != Ring({"b:1": 1, "a:1": 1}, compat="nginx")


def test_rings_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="compat 'haproxy': 'nginx', 'ketama' or None"):
        Ring(NODES, compat="haproxy")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leave it out"):
        Ring(NODES, compat="nginx", points=40)
    with pytest.raises(ValueError, match="1 to 16777216"):
        Ring(NODES, points=0)
    with pytest.raises(ValueError, match="make the weights smaller"):
        Ring({"a": 65535, "b": 65535})
    with pytest.raises(ValueError, match="has more than 1024 bytes"):
        Ring(["x" * 1025], compat="ketama")


def test_fewer_points_make_a_smaller_ring() -> None:
    assert Ring({"a": 100, "b": 100}, points=2).n_points <= 400 < Ring(["a", "b", "c"]).n_points


def test_pickle_and_copy_answer_alike(make: Any) -> None:
    lookup = make(NODES)
    for other in (pickle.loads(pickle.dumps(lookup)), copy.copy(lookup), copy.deepcopy(lookup)):
        assert other == lookup and type(other) is type(lookup)
        assert [other[key] for key in KEYS] == [lookup[key] for key in KEYS]
        other.remove("a:1")
        assert "a:1" in lookup


def test_repr_says_how_to_make_it(make: Any) -> None:
    lookup = make(NODES)
    assert eval(repr(lookup)) == lookup


def test_options_belong_to_what_is_equal() -> None:
    assert Ring(NODES) != Ring(NODES, points=40)
    assert Ring(NODES) != Ring(NODES, compat="nginx")
    assert Maglev(NODES) != Maglev(NODES, size=2039)
    assert Ring(NODES) != Rendezvous(NODES)
    assert Ring(NODES) == Ring(dict(reversed(NODES.items())))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Ring(NODES))


def test_candidates_go_on_over_a_change(make: Any) -> None:
    lookup = make(NODES)
    walk = lookup.candidates("x")
    first = next(walk)
    lookup.remove(first)
    assert sorted([first, *walk]) == sorted(NODES)


def test_look_up_beside_changes_sees_one_table_or_the_other() -> None:
    ring = Ring(NODES)
    stop = threading.Event()
    strange: list[str] = []

    def look() -> None:
        while not stop.is_set():
            strange.extend(node for key in KEYS[:100] if (node := ring[key]) not in {*NODES, "e:1"})

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _turn in range(200):
        ring.add("e:1")
        ring.remove("e:1")
    stop.set()
    for thread in threads:
        thread.join()
    assert not strange


def test_jump_refuses_what_is_no_number_of_buckets_or_key() -> None:
    for wrong in (0, -1, 2**31):
        with pytest.raises(ValueError, match="1 to 2147483647"):
            Jump(wrong)
    with pytest.raises(TypeError):
        Jump("4")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no integer"):
        Jump(4)["x"]  # type: ignore[index]
    with pytest.raises(ValueError, match="does not fit 64 bits"):
        Jump(4)[2**64]
    assert Jump(100)[-1] == Jump(100)[2**64 - 1]


def test_jump_is_a_value() -> None:
    jump = Jump(7)
    assert jump == Jump(7) != Jump(8) and hash(jump) == hash(Jump(7)) and len(jump) == 7
    assert pickle.loads(pickle.dumps(jump)) == jump and repr(jump) == "Jump(7)" and list(jump) == [*range(7)]


@pytest.mark.parametrize("kind", [Ring, Maglev, Rendezvous])
def test_table_that_was_never_built_answers_nobody(kind: Any) -> None:
    bare = kind.__new__(kind)
    with pytest.raises(KeyError):
        bare["x"]
    assert list(bare.candidates("x")) == []
    with pytest.raises(RuntimeError, match="no nodes"):
        BoundedLoad(bare).choose("x")
