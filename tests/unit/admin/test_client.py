"""The blocking client: whatever the other side does, it ends with a result or one clear error."""

import socket
from pathlib import Path

import pytest

from nginy.admin.client import ControlClient
from nginy.admin.socket import AdminSocket
from nginy.errors import ConfigError, ControlError
from tests.unit.admin.answers import Answers


def test_client_turns_a_refused_configuration_into_its_problems(
    served: AdminSocket, answers: Answers
) -> None:
    problem = {"file": "n.yaml", "line": 2, "column": 3, "path": "pools", "message": "bad", "hint": "good"}
    answers.answer = {"ok": False, "kind": "config", "error": "…", "problems": [problem]}
    with ControlClient(served.path) as client, pytest.raises(ConfigError) as caught:
        client.call("reload")
    assert [str(found) for found in caught.value.problems] == ["n.yaml:2:3: pools: bad (good)"]


def test_client_reads_an_answer_larger_than_one_packet(served: AdminSocket, answers: Answers) -> None:
    answers.answer = {"ok": True, "result": ["x" * 100] * 20_000}
    with ControlClient(served.path) as client:
        assert len(client.call("status")) == 20_000
        answers.answer = None
        assert client.call("ping") == {"cmd": "ping"}


def test_client_says_that_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=f"no nginy answers at {tmp_path / 'c.sock'}"):
        ControlClient(tmp_path / "c.sock")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "c.sock"))
    dead.close()
    with pytest.raises(ControlError, match="no nginy answers"):
        ControlClient(tmp_path / "c.sock")


def test_client_does_not_wait_for_ever(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "c.sock"))
        mute.listen()
        with ControlClient(tmp_path / "c.sock", timeout_s=0.1) as client:
            with pytest.raises(ControlError, match=r"no answer to status within 0.1 s"):
                client.call("status")


def test_client_tells_when_the_other_side_ends_instead_of_answering(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "c.sock"))
        mute.listen()
        with ControlClient(tmp_path / "c.sock") as client:
            mute.accept()[0].close()
            with pytest.raises(ControlError, match="status was not answered"):
                client.call("status")
