"""What leaves nginy is read alike by everybody: odd requests, and six real servers that say what they have read."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.differential import Differential, config_of, readers
from tests.tools.odd_requests import TRICKS
from tests.tools.readings import Reader, Recorder

N_REQUESTS = int(os.environ.get("TEST_ODD_REQUESTS", "4000"))
"""`tests.long` asks for more."""


@pytest.fixture(scope="module")
def real() -> Iterator[list[Reader]]:
    with readers() as found:
        yield found


def test_no_two_servers_read_differently_what_nginy_sends(
    start_nginy: StartNginy, start_peer: StartPeer, real: list[Reader], seed: int
) -> None:
    recorder = Recorder()
    nginy = start_nginy(config_of(start_peer(recorder.serve).address, real))
    run = Differential(nginy.address("front"), nginy.address("real"), recorder, real)
    run.run(N_REQUESTS, seed)
    print(dict(run.n), dict(run.passed))
    assert not run.differences, "\n".join([f"{len(run.differences)} in all", *run.differences[:5]])
    assert run.n["passed"] > N_REQUESTS // 10, "most of what nginy should let pass did not"
    assert run.refused["plain"] == 0, "a plain request is refused"
    assert set(run.refused) >= set(TRICKS) - {"other line"}, "a trick is never refused"
    for reader in real:
        assert run.n[f"refused by {reader.name}"] < run.n["passed"] // 5, run.n
