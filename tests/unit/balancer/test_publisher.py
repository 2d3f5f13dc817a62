"""What a table policy may publish."""

from collections.abc import Mapping

import pytest

from nginy.balancer.api import Backend
from nginy.balancer.publisher import Publisher

A, B = Backend(3, "10.0.0.1:80"), Backend(8, "10.0.0.2:80")


@pytest.fixture
def sent() -> list[Mapping[int, int]]:
    return []


@pytest.fixture
def publish(sent: list[Mapping[int, int]]) -> Publisher:
    publisher = Publisher(sent.append)
    publisher.show({backend.id: backend for backend in (A, B)})
    return publisher


def test_backends_are_named_by_object_id_or_address(publish: Publisher, sent: list[Mapping[int, int]]) -> None:
    publish({A: 1, 8: 2})
    publish({"10.0.0.2:80": 65535})
    assert sent == [{3: 1, 8: 2}, {3: 0, 8: 65535}]


@pytest.mark.parametrize("weight", [-1, 65536, 1.5, True, "2"])
def test_what_is_no_weight_is_refused_and_nothing_is_sent(
    publish: Publisher, sent: list[Mapping[int, int]], weight: int
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
