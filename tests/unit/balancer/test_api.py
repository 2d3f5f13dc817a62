"""The policy API: what a policy must have, what it is told, how its hooks are called."""

import inspect
from typing import Any

import pytest

from nginy._fast import door
from nginy.balancer.api import OUTCOMES, Backend, Context, Outcome, Policy, Visit
from nginy.balancer.hooks import Hooks


class Turns:
    """Backends in turn, starting where the client's port says; remembers what it is told."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.told: list[tuple[int, Outcome]] = []

    def build(self, backends: Any) -> None:
        self.ids = [backend.id for backend in backends]

    def start(self, context: Context) -> dict[str, int]:
        return {"first": context.source_port % len(self.ids)}

    def choose(self, state: dict[str, int], attempt: int) -> int | None:
        state["asked"] = state.get("asked", 0) + 1
        return self.ids[(state["first"] + attempt) % len(self.ids)] if attempt < len(self.ids) else None

    def release(self, backend: Backend, outcome: Outcome) -> None:
        self.told.append((backend.id, outcome))


class First:
    """Nothing but the one hook that has to be there."""

    def choose(self, context: Context, attempt: int) -> int:
        return attempt


def told(kind: str, **given: Any) -> dict[str, Any]:
    return {"kind": kind, "is_own": True, "is_last": False} | given


def test_a_class_with_choose_is_a_policy() -> None:
    assert isinstance(First(), Policy)
    assert Hooks(First()).choose(1, Visit(), 3) == 3


@pytest.mark.parametrize("policy", [object(), type("Empty", (), {})(), type("Odd", (), {"choose": 3})()])
def test_an_object_without_choose_is_none_and_the_error_says_what_is_missing(policy: Any) -> None:
    with pytest.raises(TypeError, match=r"has no method choose\(context, attempt\)"):
        Hooks(policy)


def test_a_hook_that_is_no_method_is_refused() -> None:
    class Wrong(First):
        release = 3

    with pytest.raises(TypeError, match=r"Wrong\.release is no method"):
        Hooks(Wrong())


def test_state_of_start_lasts_through_retries_and_ends_with_the_last_release() -> None:
    policy = Turns()
    hooks = Hooks(policy)
    hooks.build([Backend(10, "10.0.0.1:80"), Backend(11, "10.0.0.2:80")])
    visit = Visit(source="192.0.2.7:1001")
    assert [hooks.choose("v", visit, attempt) for attempt in range(3)] == [11, 10, None]
    hooks.release("v", 11, told("refused"))
    hooks.release("v", 10, told("closed", is_last=True))
    seen = [(id, outcome.kind, outcome.state["asked"]) for id, outcome in policy.told]
    assert seen == [(11, "refused", 3), (10, "closed", 3)]
    assert hooks.choose("v", Visit(source="192.0.2.7:1000"), 0) == 10, "a visit with the same key begins anew"


def test_states_are_bounded_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginy.balancer.hooks.STATES_MAX", 2)
    policy = Turns()
    hooks = Hooks(policy)
    hooks.build([Backend(1, "10.0.0.1:80")])
    for visit in ("a", "b", "c"):
        hooks.choose(visit, Visit(), 0)
    for visit in ("a", "c"):
        hooks.release(visit, 1, told("closed", is_last=True))
    assert [outcome.state is None for _, outcome in policy.told] == [True, False]


def test_a_release_of_a_backend_that_is_gone_is_not_told() -> None:
    policy = Turns()
    hooks = Hooks(policy)
    hooks.build([Backend(1, "10.0.0.1:80")])
    hooks.release("v", 2, told("closed"))
    hooks.release("v", -1, told("no_backend", is_last=True))
    assert policy.told == []


@pytest.mark.parametrize(
    ("chosen", "id"),
    [(None, None), (7, 7), (Backend(9, "10.0.0.1:80"), 9), (True, -1), (-4, -1), (2**31, -1), ("10.0.0.1:80", -1)],
)
def test_what_a_choice_means(chosen: Any, id: int | None) -> None:
    assert Hooks(First()).id_of(chosen) == id


def test_failures_are_those_that_a_backend_is_to_blame_for() -> None:
    assert [kind for kind in OUTCOMES if not Outcome(kind).is_success] == [
        "refused", "timeout", "unreachable", "reset", "self_connect",
    ]  # fmt: skip
    assert Outcome("closed").is_success
    assert not Outcome("back_reset").is_success


def test_in_flight_is_asked_for_at_every_look() -> None:
    counts = {3: 5}
    backend = Backend(3, "10.0.0.1:80", _count=counts.__getitem__)
    assert backend.in_flight == 5
    counts[3] = 6
    assert backend.in_flight == 6


def test_outcomes_are_the_data_planes_words() -> None:
    assert tuple(OUTCOMES) == door.OUTCOMES
    assert all(OUTCOMES.values())


def test_a_visit_by_hand_has_all_that_a_context_has() -> None:
    wanted = {name for name, value in vars(Context).items() if isinstance(value, property)}
    assert wanted <= {name for name, _ in inspect.getmembers(Visit())}
    assert Visit(source="[2001:db8::1]:80").source_ip == "2001:db8::1"
