"""Suspicion: five deaths within a minute put the blame on the configuration, once."""

from nginy.config import parse_config
from nginy.control.suspicion import Suspicion
from nginy.model import Config


def config(port: int) -> Config:
    pools = {"p": {"backends": [f"127.0.0.1:{port}"]}}
    return parse_config({"pools": pools, "listeners": {"l": {"bind": ":1080", "pool": "p"}}})


def test_five_deaths_within_a_minute_are_suspect_and_said_once() -> None:
    suspicion = Suspicion()
    assert [suspicion.died(float(n)) for n in range(7)] == [False] * 4 + [True, False, False]


def test_five_deaths_over_more_than_a_minute_are_not() -> None:
    suspicion = Suspicion()
    assert not any(suspicion.died(n * 16.0) for n in range(20))


def test_a_new_configuration_starts_without_blame() -> None:
    suspicion = Suspicion()
    for n in range(4):
        suspicion.died(float(n))
    suspicion.changed(config(1))
    assert not suspicion.died(5.0)


def test_the_last_good_one_is_what_ran_before_and_is_given_out_once() -> None:
    suspicion, good = Suspicion(), config(1)
    suspicion.changed(good)
    for n in range(5):
        suspicion.died(float(n))
    assert suspicion.take_last_good() == good
    assert suspicion.take_last_good() is None


def test_a_suspect_configuration_never_becomes_the_last_good_one() -> None:
    suspicion, good, bad = Suspicion(), config(1), config(2)
    suspicion.changed(good)
    for n in range(5):
        suspicion.died(float(n))
    suspicion.changed(bad)
    assert suspicion.take_last_good() == good
