"""What a table policy may publish."""

import re
from array import array
from typing import Any

import pytest

from nginy.balancer import Maglev, Ring
from nginy.balancer.api import Backend
from nginy.balancer.published import Table, table_of
from nginy.balancer.publisher import KEYS_MAX, Publisher

A, B = Backend(3, "10.0.0.1:80"), Backend(8, "10.0.0.2:80")


@pytest.fixture
def sent() -> list[Any]:
    return []


@pytest.fixture
def publish(sent: list[Any]) -> Publisher:
    publisher = Publisher(sent.append)
    publisher.show({backend.id: backend for backend in (A, B)})
    return publisher


def test_backends_are_named_by_object_id_or_address(publish: Publisher, sent: list[Any]) -> None:
    publish({A: 1, 8: 2})
    publish({"10.0.0.2:80": 65535})
    assert [message["weights"] for message in sent] == [[(3, 1), (8, 2)], [(3, 0), (8, 65535)]]


@pytest.mark.parametrize("weight", [-1, 65536, 1.5, True, "2"])
def test_what_is_no_weight_is_refused_and_nothing_is_sent(
    publish: Publisher, sent: list[Any], weight: int
) -> None:
    with pytest.raises(ValueError, match="is no weight"):
        publish({A: 1, B: weight})
    assert sent == []


def test_weights_that_serve_nobody_are_refused(publish: Publisher) -> None:
    with pytest.raises(ValueError, match="every weight is 0"):
        publish({A: 0})


@pytest.mark.parametrize("stranger", [5, "10.0.0.3:80", Backend(5, "10.0.0.1:80")])
def test_a_backend_of_another_pool_is_refused(publish: Publisher, stranger: object) -> None:
    with pytest.raises(KeyError, match="the pool has no backend"):
        publish({stranger: 1})  # type: ignore[dict-item]


def test_keys_arrive_as_they_were_given(publish: Publisher, sent: list[Any]) -> None:
    publish.keys({"192.0.2.1": A, "a.example": 8, b"\xff\x00": "10.0.0.2:80"})
    assert table_of(sent[0]) == Table(keys={"192.0.2.1": 3, "a.example": 8, b"\xff\x00": 8})


def test_too_many_keys_are_refused(publish: Publisher) -> None:
    with pytest.raises(ValueError, match="a map has room for 65536"):
        publish.keys({f"{number}.example": A for number in range(KEYS_MAX + 1)})


def test_what_is_no_key_is_refused(publish: Publisher) -> None:
    with pytest.raises(TypeError, match="3 is no key"):
        publish.keys({3: A})  # type: ignore[dict-item]


POINTS = [(7, A), (2**32 - 1, 8), (0, "10.0.0.1:80")]


def test_points_arrive_by_hash_and_slots_in_order(publish: Publisher, sent: list[Any]) -> None:
    publish.ring(POINTS)
    publish.maglev([B, 3, 8, "10.0.0.2:80"])
    ring, maglev = (table_of(message).packed for message in sent)
    assert ring is not None and maglev is not None
    assert list(array("I", ring.hashes)) == [0, 7, 2**32 - 1]
    assert [ring.names[place] for place in array("I", ring.nodes)] == [3, 3, 8]
    assert [maglev.names[place] for place in array("I", maglev.nodes)] == [8, 3, 8, 8]


def test_rings_and_tables_of_the_library_arrive_as_they_are(publish: Publisher, sent: list[Any]) -> None:
    ring, maglev = Ring({"10.0.0.1:80": 2, "10.0.0.2:80": 1}, points=7), Maglev(["10.0.0.1:80", "10.0.0.2:80"], size=11)
    publish.ring(ring)
    publish.maglev(maglev)
    one, other = (table_of(message).packed for message in sent)
    assert one is not None and other is not None and one.compat == "off"
    owners = {hash: one.names[place] for hash, place in zip(array("I", one.hashes), array("I", one.nodes), strict=True)}
    for number in range(50):
        assert owners[ring.point(f"key {number}")[1]] == {"10.0.0.1:80": 3, "10.0.0.2:80": 8}[ring[f"key {number}"]]
    names = {3: "10.0.0.1:80", 8: "10.0.0.2:80"}
    assert [names[other.names[place]] for place in array("I", other.nodes)] == maglev.slots()


@pytest.mark.parametrize(
    ("points", "error", "says"),
    [
        ([], ValueError, "0 points; 1 to 2,000,000"),
        ([(1, A), (1, B)], ValueError, "the hash 1 stands twice"),
        ([(2**32, A)], ValueError, "4294967296 is no hash of a point"),
        ([(True, A)], ValueError, "is no hash of a point"),
        ([7], TypeError, "7 is no point"),
        ([(1, "10.0.0.9:80")], KeyError, "the pool has no backend '10.0.0.9:80'"),
        (Ring(["10.0.0.9:80"]), KeyError, "the pool has no backend"),
        (Ring({"10.0.0.1:80": 13000}), ValueError, "points; 1 to 2,000,000"),
    ],
)
def test_what_is_no_ring_is_refused_and_nothing_is_sent(
    publish: Publisher, sent: list[Any], points: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=re.escape(says)):
        publish.ring(points)
    assert sent == []


@pytest.mark.parametrize(
    ("slots", "error", "says"),
    [
        ([], ValueError, "0 slots; 1 to 4,194,301"),
        (range(4_194_302), ValueError, "4,194,302 slots"),
        ("10.0.0.1:80", TypeError, "write a list"),
        ([A, 4], KeyError, "the pool has no backend 4"),
    ],
)
def test_what_is_no_maglev_table_is_refused(
    publish: Publisher, sent: list[Any], slots: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        publish.maglev(slots)
    assert sent == []


@pytest.mark.parametrize(
    "message",
    [{"kind": "weights", "weights": [(1, 65536)]}, {"kind": "weights", "weights": [(1, 0)]}, {"kind": "weights"},
     {"kind": "keys", "texts": [], "bytes": [("%", 1)]}, {"kind": "keys", "texts": [("a",)], "bytes": []},
     {"kind": "table", "form": "jump", "compat": None, "ids": [], "hashes": "", "nodes": ""},
     {"kind": "table", "form": "ring", "compat": None, "ids": ["x"], "hashes": "", "nodes": ""},
     {"kind": "table", "form": "ring", "compat": None, "ids": [], "hashes": "%", "nodes": ""}],
    ids=["heavy", "nobody", "none", "no bytes", "torn", "form", "id", "hashes"],
)  # fmt: skip
def test_control_believes_nothing_that_a_publisher_would_not_send(message: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        table_of(message)
