"""A page that nobody reads beyond."""

from collections.abc import Iterator

import pytest

from tests.tools.guarded import Guarded
from tests.unit.wire.heads import Reader


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    with Guarded(1 << 16) as page:
        yield Reader(page)
