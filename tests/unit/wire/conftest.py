"""A page that nobody reads beyond."""

from collections.abc import Iterator

import pytest

from tests.tools.guarded import Guarded
from tests.unit.wire.heads import Reader
from tests.unit.wire.meaning import ROOM, Writer


@pytest.fixture(scope="session")
def page() -> Iterator[Guarded]:
    with Guarded(1 << 18) as guarded:
        yield guarded


@pytest.fixture(scope="session")
def reader(page: Guarded) -> Reader:
    return Reader(page)


@pytest.fixture(scope="session")
def writer() -> Iterator[Writer]:
    with Guarded(ROOM) as place:
        yield Writer(place)
