"""Waiting for a condition with a deadline; the only way in which a test lets time pass."""

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_S = 15.0
PAUSE_S = 0.01

Answer = TypeVar("Answer")


def wait_until(condition: Callable[[], Answer], what: str, deadline_s: float = DEADLINE_S) -> Answer:
    """Return the first true answer of `condition`; AssertionError names `what` and the last answer after
    the deadline."""
    end_s = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end_s:
            raise AssertionError(f"not within {deadline_s:g} s: {what} (last answer: {answer!r})")
        time.sleep(PAUSE_S)


def stays_true(condition: Callable[[], object], what: str, for_s: float) -> None:
    """AssertionError when `condition` is false at any look during so many seconds."""
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        answer = condition()
        assert answer, f"did not stay so for {for_s:g} s: {what} (answer: {answer!r})"
        time.sleep(PAUSE_S)
