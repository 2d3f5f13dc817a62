"""What a table policy may publish."""

from typing import Any

import pytest

from nginy.balancer.api import Backend
from nginy.balancer.publisher import KEYS_MAX, Publisher
from nginy.control.published import Table, table_of

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


@pytest.mark.parametrize(
    "message",
    [{"kind": "weights", "weights": [(1, 65536)]}, {"kind": "weights", "weights": [(1, 0)]}, {"kind": "weights"},
     {"kind": "keys", "texts": [], "bytes": [("%", 1)]}, {"kind": "keys", "texts": [("a",)], "bytes": []}],
    ids=["heavy", "nobody", "none", "no bytes", "torn"],
)  # fmt: skip
def test_control_believes_nothing_that_a_publisher_would_not_send(message: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        table_of(message)
