"""Answers that must be the same in every version, process and machine: a change here moves everybody's keys."""

import hashlib

import pytest

from nginy.balancer import Maglev, Rendezvous, Ring

NODES = {f"192.0.2.{i}:80": 1 + i % 4 for i in range(1, 31)}
KEYS = [f"user {i}" for i in range(5000)]
DIGESTS = {"Ring": "79d6fe9bc2b6f8e5", "Maglev": "022a41a0e623e591", "Rendezvous": "84d6ac36c50acf2b"}


@pytest.mark.parametrize("kind", [Ring, Maglev, Rendezvous])
def test_answers_are_those_of_the_first_release(kind: type[Ring | Maglev | Rendezvous]) -> None:
    lookup = kind(NODES)
    answers = "\n".join(",".join([*lookup.candidates(key)][:3]) for key in KEYS)
    assert hashlib.sha256(answers.encode()).hexdigest()[:16] == DIGESTS[kind.__name__]
