"""Arrivals: who begins with a part of the share, and who has been there all along."""

import time
from collections.abc import Mapping
from typing import Any

from nginy.backend.registry import BackendKey, Resolved, ResolvedBackend
from nginy.config import parse_config
from nginy.control.arrivals import Arrivals
from nginy.model import Config

SLOW = {"slow_start": {"window": "1h"}}


def conf(**pool: Any) -> Config:
    tree = {
        "pools": {"p": {"backends": ["10.0.0.1:80"], **pool}},
        "listeners": {"web": {"bind": ":1080", "pool": "p"}},
    }
    return parse_config(tree)


def key(n: int) -> BackendKey:
    return BackendKey("p", f"10.0.0.{n}:80", f"10.0.0.{n}:80")


def those(config: Config, *numbers: int, state: Any = "ready") -> Resolved:
    backend = config.pools["p"].backends[0]
    return {"p": [ResolvedBackend(key(n), backend, 1, 0, state, None) for n in numbers]}


def note(arrivals: Arrivals, config: Config, resolved: Resolved, **verdicts: str) -> set[int]:
    given: Mapping[BackendKey, str] = {key(int(name[1:])): verdict for name, verdict in verdicts.items()}
    return {int(found.address[7]) for found in arrivals.note(config, resolved, given)}


def test_who_is_there_first_was_there_all_along_and_who_comes_later_was_not() -> None:
    arrivals, config = Arrivals(), conf(**SLOW)
    assert note(arrivals, config, those(config, 1, 2)) == set()
    assert note(arrivals, config, those(config, 1, 2, 3)) == {3}
    assert note(arrivals, config, those(config, 1, 2, 3), b1="down") == {3}
    assert note(arrivals, config, those(config, 1, 2, 3), b1="up") == {1, 3}


def test_slow_start_that_is_switched_on_holds_nobody_back() -> None:
    arrivals = Arrivals()
    assert note(arrivals, conf(), those(conf(), 1, 2)) == set()
    assert note(arrivals, conf(**SLOW), those(conf(**SLOW), 1, 2)) == set()


def test_a_backend_that_has_to_be_found_well_first_comes_up_then() -> None:
    config = conf(**SLOW, health={"kind": "tcp", "start": "down"})
    arrivals = Arrivals()
    assert note(arrivals, config, those(config, 1)) == set()
    assert note(arrivals, config, those(config, 1), b1="up") == set(), "it was there from the start"
    assert note(arrivals, config, those(config, 1, 2), b1="up") == set(), "nobody is sent to it yet"
    assert note(arrivals, config, those(config, 1, 2), b1="up", b2="up") == {2}


def test_a_backend_that_comes_back_from_maintenance_comes_up() -> None:
    arrivals, config = Arrivals(), conf(**SLOW)
    note(arrivals, config, those(config, 1))
    assert note(arrivals, config, those(config, 1, state="maint")) == set()
    assert note(arrivals, config, those(config, 1)) == {1}
    assert note(arrivals, config, those(config, 1, state="drain")) == {1}


def test_what_an_earlier_control_knew_goes_on_until_its_window_ends() -> None:
    now_ms, config = time.monotonic_ns() // 1_000_000, conf(**SLOW)
    arrivals = Arrivals({key(1): now_ms - 1000, key(2): now_ms - 3_700_000, key(3): now_ms})
    assert note(arrivals, config, those(config, 1, 2, 3), b3="down") == {1}
