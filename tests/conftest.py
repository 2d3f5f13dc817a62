"""Fixtures for every room: nginy itself and backends, each ended and checked at the end of its test."""

import compileall
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.tools import leaks
from tests.tools.nginy_process import ROOT, Nginy
from tests.tools.peers import Peer, Serve, echo

StartNginy = Callable[..., Nginy]
StartPeer = Callable[..., Peer]

SEED_VARIABLE = "TEST_SEED"

hypothesis.settings.register_profile("nginy", deadline=None)  # how long an example takes says nothing here
hypothesis.settings.load_profile("nginy")


@pytest.fixture
def seed() -> int:
    """Printed, so that a failure can be repeated with TEST_SEED=n."""
    number = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(2**32))
    print(f"{SEED_VARIABLE}={number}")
    return number


@pytest.fixture
def start_peer() -> Iterator[StartPeer]:
    """start_peer(serve=echo, **options) -> Peer"""
    with ExitStack() as stack:

        def start(serve: Serve = echo, **options: Any) -> Peer:
            return stack.enter_context(Peer(serve, **options))

        yield start


@pytest.fixture
def backend(start_peer: StartPeer) -> Peer:
    """One echo backend."""
    return start_peer(echo)


@pytest.fixture
def start_nginy(start_peer: StartPeer, request: pytest.FixtureRequest) -> Iterator[StartNginy]:
    """start_nginy(config, before=…, env=…, checked=True, …) -> a ready Nginy.

    At the end of a test that passed, each one that still runs has to be at rest with nothing left over, end
    with 0 on SIGTERM and leave no program behind. checked=False leaves that to the test. Backends outlive it.
    """
    started: list[tuple[Nginy, leaks.Rest | None]] = []

    def start(
        config: Any, *, checked: bool = True, wait: bool = True, pass_fds: Any = (), **options: Any
    ) -> Nginy:
        nginy = Nginy(config, **options)
        started.append((nginy, None))
        nginy.start(wait=wait, pass_fds=pass_fds)
        if checked and wait:
            started[-1] = (nginy, leaks.rest_of(nginy))
        return nginy

    yield start
    try:
        if not getattr(request.node, "has_failed", False):
            for nginy, rest in started:
                check_end(nginy, rest)
        else:
            for nginy, _ in started:
                print(f"--- log of {nginy.config_path}\n{nginy.log()}")
    finally:
        for nginy, _ in started:
            nginy.clean_up()


def check_end(nginy: Nginy, rest: leaks.Rest | None) -> None:
    """What the fixture promises for one nginy."""
    if rest is None or nginy.child is None or nginy.child.poll() is not None:
        return
    leaks.check_nothing_left(nginy, rest, same_descriptors=nginy.is_same_at_end)
    assert nginy.stop() == 0, nginy.log()
    assert not nginy.pids_left(), f"left behind: {nginy.pids_left()}\n{nginy.log()}"
    assert "Traceback" not in nginy.log(), nginy.log()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Let fixtures know whether the test itself has failed."""
    report = yield
    if call.when == "call" and report.failed:
        item.has_failed = True  # type: ignore[attr-defined]
    return report


def pytest_sessionstart() -> None:
    """Compile nginy as an installation does: with PYTHONDONTWRITEBYTECODE every start would do that anew."""
    compileall.compile_dir(ROOT / "nginy", quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks that follow from the place, and skips that follow from the machine."""
    for item in items:
        if "real" in Path(item.fspath).parts:
            item.add_marker("peer")
        if os.geteuid() != 0 and (item.get_closest_marker("root") or item.get_closest_marker("netns")):
            item.add_marker(pytest.mark.skip(reason="needs root"))
