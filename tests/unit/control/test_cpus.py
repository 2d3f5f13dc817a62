"""CPUs: which one each worker stays on, and what is said about one that is not ours."""

import os
from typing import Any

import pytest

from nginy.config import parse_config
from nginy.control.cpus import format_cpus, has_room_to_spin, worker_cpus
from nginy.errors import StartError
from nginy.model import Config

OURS = sorted(os.sched_getaffinity(0))


def config(affinity: Any) -> Config:
    return parse_config(
        {
            "pools": {"p": {"backends": ["127.0.0.1:1"]}},
            "listeners": {"l": {"bind": ":1080", "pool": "p"}},
            "runtime": {"affinity": affinity},
        }
    )


def test_off_leaves_the_choice_to_the_kernel() -> None:
    assert worker_cpus(config("off"), 3) == ()


def test_on_goes_through_the_cpus_that_are_ours_and_begins_again() -> None:
    slots = len(OURS) + 1
    assert worker_cpus(config("on"), slots) == (*OURS, OURS[0])


def test_a_list_goes_by_slot_and_begins_again() -> None:
    first, last = OURS[0], OURS[-1]
    assert worker_cpus(config([last, first]), 5) == (last, first, last, first, last)
    assert worker_cpus(config([last, last, first]), 2) == (last, last)


def test_a_cpu_that_is_not_ours_is_refused_and_ours_are_named() -> None:
    with pytest.raises(StartError) as caught:
        worker_cpus(config([OURS[0], 8190, 8191]), 1)
    assert "runtime.affinity: nginy may not use CPU 8190-8191; " in str(caught.value)
    assert f"it may use {format_cpus(OURS)}: " in str(caught.value)


@pytest.mark.parametrize(
    ("cpus", "text"),
    [((), ""), ((3,), "3"), ((0, 1), "0-1"), ((2, 0, 1), "0-2"), ((0, 2, 3, 5, 7, 8, 9), "0, 2-3, 5, 7-9")],
)
def test_cpus_are_listed_as_the_kernel_does(cpus: tuple[int, ...], text: str) -> None:
    assert format_cpus(cpus) == text


def test_spinning_leaves_control_a_cpu() -> None:
    assert has_room_to_spin(len(OURS) - 1)
    assert not has_room_to_spin(len(OURS))
