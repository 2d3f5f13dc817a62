"""Publish: sealed blocks, counted generations, changes that wait for company."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from nginy.control import publish
from nginy.control.channel import Publication
from nginy.control.publish import COALESCE_S, Content, Publisher
from nginy.control.seal import seal
from nginy.control.tables import TableRef


class Seen:
    """What was delivered, and when."""

    def __init__(self) -> None:
        self.generations: list[int] = []
        self.at_s: list[float] = []

    def deliver(self, publication: Publication) -> None:
        self.generations.append(publication.generation)
        self.at_s.append(asyncio.get_running_loop().time())
        assert os.pread(publication.fd, 100, 0) == b"block %d" % publication.generation


def run(test: Callable[[Publisher, Seen], Awaitable[None]], generation: int = 0) -> None:
    async def main() -> None:
        seen, trouble = Seen(), []
        publisher = Publisher(lambda gen: Content(b"block %d" % gen, ()), seen.deliver, trouble.append, generation)
        try:
            await test(publisher, seen)
        finally:
            publisher.close()

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_sealed_block_can_be_read_and_never_be_written_again() -> None:
    fd = seal(b"x" * 100_000, "test")
    try:
        assert os.pread(fd, 200_000, 0) == b"x" * 100_000
        for attempt in (
            lambda: os.pwrite(fd, b"y", 0),
            lambda: os.ftruncate(fd, 1),
            lambda: os.ftruncate(fd, 2**20),
        ):
            with pytest.raises(PermissionError):
                attempt()
    finally:
        os.close(fd)


def test_the_first_change_goes_out_at_once_and_the_rest_together_within_50_ms() -> None:
    async def test(publisher: Publisher, seen: Seen) -> None:
        for _ in range(10):
            publisher.publish_soon()
        assert seen.generations == [1]
        async with asyncio.timeout(5):
            while len(seen.generations) < 2:
                await asyncio.sleep(0.001)
        assert COALESCE_S * 0.9 <= seen.at_s[1] - seen.at_s[0] <= COALESCE_S + 0.2
        await asyncio.sleep(COALESCE_S * 1.5)
        assert seen.generations == [1, 2]
        publisher.publish_soon()
        assert seen.generations == [1, 2, 3]

    run(test)


def test_a_reload_takes_the_waiting_change_along() -> None:
    async def test(publisher: Publisher, seen: Seen) -> None:
        publisher.publish_soon()
        publisher.publish_soon()
        assert publisher.publish() == 2
        await asyncio.sleep(COALESCE_S * 1.5)
        assert seen.generations == [1, 2]

    run(test)


def test_counting_goes_on_where_an_earlier_control_stopped() -> None:
    async def test(publisher: Publisher, seen: Seen) -> None:
        assert publisher.publish() == 42

    run(test, generation=41)


def test_a_block_that_cannot_be_built_changes_nothing() -> None:
    def build(generation: int) -> tuple[bytes, tuple[tuple[int, int], ...], tuple[TableRef, ...]]:
        if generation == 2:
            raise ValueError("too much")
        return Content(b"block %d" % generation, ())

    async def main() -> None:
        seen = Seen()
        publisher = Publisher(build, seen.deliver, never)
        publisher.publish()
        with pytest.raises(ValueError, match="too much"):
            publisher.publish()
        assert publisher.generation == 1
        assert publisher.current is not None
        assert publisher.current.generation == 1
        publisher.close()

    asyncio.run(main())


def never(error: Exception) -> None:
    raise AssertionError(error)


def test_a_change_that_nobody_waits_for_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "RETRY_S", 0.02)
    shortages = [OSError(24, "no descriptors"), OSError(24, "no descriptors")]

    def build(generation: int) -> tuple[bytes, tuple[tuple[int, int], ...], tuple[TableRef, ...]]:
        if generation == 2 and shortages:
            raise shortages.pop()
        return Content(b"block %d" % generation, ())

    async def main() -> None:
        seen, trouble = Seen(), []
        publisher = Publisher(build, seen.deliver, trouble.append)
        publisher.publish_soon()
        publisher.publish_soon()
        async with asyncio.timeout(5):
            while seen.generations != [1, 2]:
                await asyncio.sleep(0.001)
        assert len(trouble) == 2
        publisher.close()

    asyncio.run(main())


def test_nothing_goes_out_after_the_end() -> None:
    async def test(publisher: Publisher, seen: Seen) -> None:
        publisher.publish_soon()
        publisher.publish_soon()
        publisher.close()
        await asyncio.sleep(COALESCE_S * 1.5)
        assert seen.generations == [1]

    run(test)
