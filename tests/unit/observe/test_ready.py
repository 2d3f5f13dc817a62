"""When nginy calls itself ready."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from nginy.errors import ControlError
from nginy.observe.ready import Readiness, unready_reasons
from tests.unit.observe.pictures import Source, backend, listener, pool, view, worker

DEAD = pool("dead", backend(verdict="down"), backend(state="maint"), backend(weight=0))
TWO_LISTENERS = view(listeners=(listener(), listener("other", "dead")), pools=(pool(), DEAD))


def test_one_worker_and_one_usable_backend_are_enough() -> None:
    assert unready_reasons(view()) == []
    assert unready_reasons(view(state="reloading")) == []


@pytest.mark.parametrize("state", ["starting", "draining", "stopped"])
def test_no_state_but_serving_is_ready(state: str) -> None:
    assert unready_reasons(view(state=state)) == [f"nginy is {state}"]


def test_a_worker_without_a_generation_counts_only_if_it_is_the_last_or_asked_for() -> None:
    both = view(workers=(worker(0), worker(1, adopted_gen=0)))
    assert unready_reasons(both) == []
    assert unready_reasons(both, strict=True) == ["worker 1 has not adopted a generation"]
    assert unready_reasons(view(workers=(worker(0, adopted_gen=0),))) == [
        "worker 0 has not adopted a generation"
    ]


def test_no_worker_at_all_is_not_ready() -> None:
    assert unready_reasons(view(workers=())) == ["no worker is there"]


def test_one_dead_pool_of_two_counts_only_if_asked_for() -> None:
    assert unready_reasons(TWO_LISTENERS) == []
    assert unready_reasons(TWO_LISTENERS, strict=True) == ["listener other: pool dead has no usable backend"]


def test_all_pools_dead_is_not_ready() -> None:
    dead = view(listeners=(listener("web", "dead"),), pools=(DEAD,))
    assert unready_reasons(dead) == ["listener web: pool dead has no usable backend"]


def test_an_unknown_backend_serves_unless_its_checks_start_as_down() -> None:
    unknown = view(pools=(pool("api", backend(verdict="unknown")),))
    assert unready_reasons(unknown) == []
    assert unready_reasons(unknown, wary=["api"]) == ["listener web: pool api has no usable backend"]
    wary = SimpleNamespace(pools={"api": SimpleNamespace(health=SimpleNamespace(start="down"))})
    assert Readiness(Source(unknown, config=wary)).reasons() == [
        "listener web: pool api has no usable backend"
    ]


def test_before_the_start_it_is_not_ready() -> None:
    class Unborn(Source):
        def view(self) -> None:  # type: ignore[override]
            raise ControlError("nginy is starting")

    assert Readiness(Unborn()).reasons() == ["nginy is starting"]


def test_readiness_asks_anew_each_time() -> None:
    source = Source()
    ready = Readiness(source)
    assert ready.reasons() == []
    source.picture = replace(source.picture, state="draining")
    assert ready.reasons() == ["nginy is draining"]
