"""Ring(compat="nginx") beside nginx' `hash … consistent`: recorded answers, and the nginx that is installed here.

nginx leaves the ring for round robin when it has passed over 20 points of servers that it tried before or that are
down. So its later choices for one key are not compared: the ring goes on round the circle.
"""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from nginy.balancer import Ring
from tests.conform.nginx import running
from tests.conform.record_nginx import TIED, VECTORS, key_of

ON_THE_RING = 5  # choices for a key that come before the twentieth point, in these recordings
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]


def tried(ring: Ring, down: set[str], key: str, n: int) -> list[str]:
    """The first n servers that nginx would try: those that are down are passed over."""
    up = (node for node in ring.candidates(key) if node not in down)
    return [node for node, _turn in zip(up, range(n), strict=False)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_ring_sends_keys_where_nginx_sent_them(case: dict[str, Any]) -> None:
    names = [name for name, _weight, _is_down in case["servers"]]
    down = {name for name, _weight, is_down in case["servers"] if is_down}
    ring = Ring({name: weight for name, weight, _is_down in case["servers"]}, compat="nginx")
    assert len(case["tried"]) >= 300
    for number, answer in enumerate(case["tried"]):
        places = answer[:ON_THE_RING] if isinstance(answer, list) else [answer]
        key = key_of(number)
        assert tried(ring, down, key, len(places)) == [names[place] for place in places], key
        if not down:
            assert ring[key] == names[places[0]]


@pytest.mark.parametrize("pair", TIED)
def test_of_equal_points_the_first_servers_stays_in_the_recordings_too(pair: tuple[str, str]) -> None:
    """Else nothing above would show what becomes of equal points."""
    answers = {}
    for case in CASES:
        if case["name"] in [f"equal points, {first} first" for first in pair]:
            names = [name for name, _weight, _is_down in case["servers"]]
            answers[names[0]] = [names[place] for place in case["tried"]]
    differing = [got for got in zip(*(answers[first] for first in pair), strict=True) if got[0] != got[1]]
    assert differing and set(differing) == {pair}


def test_recordings_hold_what_they_promise() -> None:
    by_name = {case["name"]: case for case in CASES}
    assert {len(case["servers"]) for case in CASES} >= {2, 3, 8, 9, 100}
    assert all(set(row) == set(range(9)) for row in by_name["9 mixed, all of each key"]["tried"])
    assert any(is_down for case in CASES for _name, _weight, is_down in case["servers"])
    assert sum(len(case["tried"]) for case in CASES) > 20_000


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin") is None, reason="nginx is not installed")
def test_ring_agrees_with_the_nginx_here_on_servers_drawn_by_chance(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    hosts = [f"127.{rng.randrange(1, 200)}.{rng.randrange(256)}.{rng.randrange(1, 255)}" for _ in range(12)]
    servers = {f"{host}:{rng.randrange(20000, 30000)}": rng.randrange(1, 6) for host in hosts}
    ring = Ring(servers, compat="nginx")
    with running(tmp_path, {name: f"weight={weight}" for name, weight in servers.items()}, tries=3) as nginx:
        for _turn in range(300):
            key = f"{rng.randrange(2**64):x}"
            assert nginx.ask(key) == tried(ring, set(), key, 3), key
