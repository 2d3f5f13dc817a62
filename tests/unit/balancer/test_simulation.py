"""Choices without a socket: exact sequences, shares, load, and what may be asked."""

from collections import Counter

import pytest

from nginy.balancer import Simulator, simulate
from nginy.errors import ConfigError

A, B, C = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"
KEYS = [f"client {number}" for number in range(3000)]


def test_weighted_turns_are_those_of_the_data_plane() -> None:
    turns = simulate("round_robin", {A: 5, B: 1, C: 1}, range_of(14))
    assert "".join({A: "a", B: "b", C: "c"}[address] for address in turns if address) == "aabacaa" * 2


def range_of(n: int) -> list[str]:
    return [f"{number}" for number in range(n)]


def test_equal_keys_meet_equal_backends_and_weights_are_shares() -> None:
    chosen = simulate("source_hash", {A: 2, B: 1}, KEYS)
    assert chosen == simulate("source_hash", {A: 2, B: 1}, KEYS)
    assert 0.6 < Counter(chosen)[A] / len(KEYS) < 0.73


def test_sessions_that_are_held_are_load() -> None:
    counts = Counter(simulate("least_conn", {A: 5, B: 1, C: 1}, KEYS[:70], hold=70))
    assert counts == {A: 50, B: 10, C: 10}


def test_sessions_end_when_so_many_others_have_begun() -> None:
    one_place = [{"address": A, "max_conns": 1}]
    assert simulate("round_robin", one_place, range_of(3), hold=1) == [A, None, None]
    simulator = Simulator("round_robin", [{"address": A, "max_conns": 1}, {"address": B, "max_conns": 1}], hold=2)
    assert None not in [simulator.choose(key) for key in range_of(2)]
    assert simulator.choose("third") is None


def test_failed_attempts_are_passed_over() -> None:
    simulator = Simulator("source_hash", [A, B, C])
    first = simulator.choose("somebody")
    assert first is not None
    second = simulator.choose("somebody", [first])
    assert second is not None and second != first
    assert {first, second, simulator.choose("somebody", [first, second])} == {A, B, C}


def test_backends_are_rows_of_the_configuration_too() -> None:
    rows = [{"address": A, "state": "drain"}, {"address": B, "weight": 0}, {"address": C, "backup": True}]
    assert simulate("round_robin", rows, range_of(2)) == [C, C]


@pytest.mark.parametrize(
    ("policy", "backends", "says"),
    [
        ("nearest", [A], "nearest"),
        ({"kind": "round_robin", "speed": 3}, [A], "speed"),
        ("round_robin", ["10.0.0.1"], "10.0.0.1"),
        ("round_robin", [], "backends"),
    ],
)
def test_what_the_configuration_refuses_is_refused_with_its_words(
    policy: object, backends: list[str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        simulate(policy, backends, range_of(1))


def test_host_names_are_not_looked_up() -> None:
    with pytest.raises(ValueError, match="write an IP address"):
        simulate("round_robin", ["localhost:80"], range_of(1))
