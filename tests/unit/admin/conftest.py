"""A loop in a thread, a control socket and an HTTP door, each for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nginy.admin.socket import AdminSocket
from tests.unit.admin.answers import Answers
from tests.unit.admin.rig import LOOPS, LoopThread, loop_thread
from tests.unit.admin.site import Site


@pytest.fixture(params=LOOPS)
def rig(request: pytest.FixtureRequest) -> Iterator[LoopThread]:
    with loop_thread(request.param) as thread:
        yield thread


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def served(rig: LoopThread, answers: Answers, tmp_path: Path) -> Iterator[AdminSocket]:
    door = AdminSocket(answers, tmp_path / "c.sock")
    rig.run(door.start())
    yield door
    rig.run(door.stop())


@pytest.fixture(params=LOOPS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with loop_thread(request.param) as rig:
        made = Site(rig)
        yield made
        rig.run(made.http.stop())
