"""TCP Fast Open on both sides, in a network of its own where the system's switch can be turned on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def seen() -> dict[str, int]:
    """What the sessions of one run did; see the script."""
    command = [sys.executable, "-m", "tests.tools.fastopen_house"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def test_request_of_a_client_that_speaks_at_once_travels_with_the_syn(seen: dict[str, int]) -> None:
    assert seen["answered"] == seen["asked"]
    # one to the listener and one to the backend for each session after the first, which only fetched the cookie
    assert seen["fast_active"] >= 2 * (seen["asked"] - 1)


def test_bytes_that_went_with_the_syn_are_counted_once(seen: dict[str, int]) -> None:
    assert (seen["bytes_in"], seen["bytes_out"]) == (seen["bytes_asked"], seen["bytes_asked"])


def test_a_session_whose_syn_carried_data_is_not_tried_elsewhere(seen: dict[str, int]) -> None:
    assert seen["lost_was_reset"] == 1
    assert seen["lost_seen_elsewhere"] == 0
    assert seen["connect_failed"] == 1


def test_a_session_without_data_in_its_syn_is_tried_elsewhere(seen: dict[str, int]) -> None:
    assert seen["silent_then_answered"] == 1
