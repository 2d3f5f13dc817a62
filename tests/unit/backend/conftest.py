"""Each scenario runs on both loops, and has to leave neither a task nor a descriptor behind."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable

import pytest
import uvloop

Run = Callable[[Callable[[], Awaitable[None]]], None]

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def descriptors() -> dict[str, str]:
    """What this program holds open: number to what it is."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # the directory that was being listed
    return found


@pytest.fixture(scope="session", autouse=True)
def first_loops() -> None:
    """uvloop opens a signal pipe with its first loop and keeps it."""
    for factory in LOOPS.values():
        factory().close()


async def checked(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run it; nothing that it started may still run afterwards, and no error may have gone unheard."""
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    await scenario()
    gc.collect()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left
    assert not unheard, unheard


@pytest.fixture(params=list(LOOPS))
def run(request: pytest.FixtureRequest) -> Run:
    """run(scenario): a coroutine function without arguments."""

    def run_once(scenario: Callable[[], Awaitable[None]]) -> None:
        gc.collect()
        before = descriptors()
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(checked(scenario))
        gc.collect()
        left = {number: what for number, what in descriptors().items() if before.get(number) != what}
        assert not left, left

    return run_once
