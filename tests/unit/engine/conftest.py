"""Fixtures of the engine's tests."""

from collections.abc import Iterator

import pytest

from tests.unit.engine.datagrams import Echo


@pytest.fixture
def echoes() -> Iterator[list[Echo]]:
    made = [Echo(b"a:"), Echo(b"b:"), Echo(b"c:")]
    yield made
    for echo in made:
        echo.close()
