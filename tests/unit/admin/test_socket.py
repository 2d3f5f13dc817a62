"""The control socket: closed to others, one owner, bounded, and no answer is lost."""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from nginy.admin.client import ControlClient
from nginy.admin.socket import CLIENTS_MAX, LINE_MAX_BYTES, AdminSocket
from nginy.errors import ControlError, StartError
from tests.tools.waiting import wait_until
from tests.unit.admin.answers import Answers
from tests.unit.admin.rig import LoopThread, loop_thread


def raw(door: AdminSocket) -> socket.socket:
    """A connected socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(door.path))
    return sock


def read_line(sock: socket.socket) -> dict[str, Any]:
    """One answer."""
    line = b""
    while not line.endswith(b"\n"):
        part = sock.recv(65536)
        assert part, f"closed after {line!r}"
        line += part
    return json.loads(line)


def test_the_socket_is_for_its_owner_whatever_the_umask(answers: Answers, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        door = AdminSocket(answers, tmp_path / "c.sock")
        door.claim()
    finally:
        os.umask(mask)
    assert door.path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "c.sock.lock").stat().st_mode & 0o777 == 0o600
    with loop_thread() as rig:
        rig.run(door.stop())


@pytest.mark.root
def test_another_user_gets_no_answer_even_with_the_file_open_to_all(
    rig: LoopThread, answers: Answers
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        door = AdminSocket(answers, Path(folder) / "c.sock")
        rig.run(door.start())
        door.path.chmod(0o666)
        assert call_as_nobody(door.path) == "no answer"
        with ControlClient(door.path) as client:
            assert client.call("ping") == {"cmd": "ping"}
        rig.run(door.stop())
    assert answers.requests == [{"cmd": "ping"}]


def call_as_nobody(path: Path) -> str:
    """What a program of another user gets: `answer`, `no answer` or why it could not connect."""
    program = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sock = socket.socket(socket.AF_UNIX); sock.settimeout(5); sock.connect(sys.argv[1])\n"
        "try:\n"
        '    sock.sendall(b\'{"cmd":"stop"}\\n\')\n'
        "    print('answer' if sock.recv(100) else 'no answer')\n"
        "except OSError:\n"
        "    print('no answer')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr


def test_requests_are_answered_in_order_on_one_connection(served: AdminSocket) -> None:
    with raw(served) as sock:
        sock.sendall(b"".join(b'{"cmd":"n%d"}\n' % number for number in range(50)))
        text = b""
        while text.count(b"\n") < 50:
            text += sock.recv(65536)
    assert [json.loads(line)["result"]["cmd"] for line in text.splitlines()] == [f"n{n}" for n in range(50)]


def test_a_request_may_come_byte_by_byte(served: AdminSocket) -> None:
    with raw(served) as sock:
        for byte in b'{"cmd":"slow"}\n':
            sock.send(bytes([byte]))
        assert read_line(sock)["result"] == {"cmd": "slow"}


@pytest.mark.parametrize("line", [b"hello\n", b"\n", b"{\n", b"\xff\xfe\n", b"[" * 50_000 + b"\n"])
def test_a_line_that_is_no_json_is_refused_and_the_next_one_answered(
    served: AdminSocket, line: bytes
) -> None:
    with raw(served) as sock:
        sock.sendall(line)
        assert read_line(sock)["kind"] == "request"
        sock.sendall(b'{"cmd":"ping"}\n')
        assert read_line(sock)["ok"]


def test_random_bytes_get_an_answer_or_the_end(served: AdminSocket, answers: Answers, seed: int) -> None:
    dice = random.Random(seed)
    whole = b'{"cmd": "status", "now": true}\n'
    for _ in range(100):
        text = bytearray(whole * dice.randint(1, 3))
        for _ in range(dice.randint(1, 8)):
            text[dice.randrange(len(text))] = dice.randrange(256)
        with raw(served) as sock:
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)
            received = b""
            while part := sock.recv(65536):
                received += part
        assert all(isinstance(json.loads(line)["ok"], bool) for line in received.splitlines())
        assert received.count(b"\n") == text.count(b"\n")
    with ControlClient(served.path) as client:
        assert client.call("ping")


def test_a_line_without_end_is_cut_off(served: AdminSocket, answers: Answers) -> None:
    with raw(served) as sock:
        try:
            sock.sendall(b"x" * (LINE_MAX_BYTES * 4))
            assert sock.recv(100) == b""
        except ConnectionError:
            pass
    assert answers.requests == []
    with ControlClient(served.path) as client:
        assert client.call("ping")


def test_clients_beyond_the_bound_are_turned_away(served: AdminSocket) -> None:
    crowd = [raw(served) for _ in range(CLIENTS_MAX)]
    for sock in crowd:
        sock.sendall(b'{"cmd":"ping"}\n')
        read_line(sock)
    with raw(served) as late:
        assert late.recv(100) == b""
    crowd.pop().close()

    def is_admitted() -> bool:
        with raw(served) as next_one:
            try:
                next_one.sendall(b'{"cmd":"ping"}\n')
                return bool(next_one.recv(100))
            except ConnectionError:
                return False

    wait_until(is_admitted, "a place is free again")
    for sock in crowd:
        sock.close()


def test_an_error_in_a_command_is_an_answer(served: AdminSocket, answers: Answers) -> None:
    answers.failure = RuntimeError("broken inside")
    with (
        ControlClient(served.path) as client,
        pytest.raises(ControlError, match="RuntimeError: broken inside"),
    ):
        client.call("status")


def test_a_second_owner_is_refused_and_the_first_goes_on(served: AdminSocket, answers: Answers) -> None:
    with pytest.raises(StartError, match=f"another nginy runs with the control socket {served.path}"):
        AdminSocket(answers, served.path).claim()
    with ControlClient(served.path) as client:
        assert client.call("ping")


def test_a_socket_of_a_program_without_lock_is_not_taken_over(answers: Answers, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "c.sock"))
        other.listen()
        with pytest.raises(StartError, match="another program listens on the control socket"):
            AdminSocket(answers, tmp_path / "c.sock").claim()
    assert (tmp_path / "c.sock").exists()


def test_what_a_killed_nginy_left_is_replaced(rig: LoopThread, answers: Answers, tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "c.sock"))
    dead.close()
    door = AdminSocket(answers, tmp_path / "c.sock")
    rig.run(door.start())
    with ControlClient(door.path) as client:
        assert client.call("ping")
    rig.run(door.stop())


def test_a_file_in_the_way_is_left_alone(answers: Answers, tmp_path: Path) -> None:
    (tmp_path / "c.sock").write_text("precious")
    door = AdminSocket(answers, tmp_path / "c.sock")
    with pytest.raises(StartError, match="is in the way of the control socket and is not a socket"):
        door.claim()
    assert (tmp_path / "c.sock").read_text() == "precious"
    (tmp_path / "c.sock").unlink()
    door.claim()  # the failed claim gave the lock back
    with loop_thread() as rig:
        rig.run(door.stop())


def test_stop_removes_the_file_and_frees_the_path(rig: LoopThread, answers: Answers, tmp_path: Path) -> None:
    for _ in range(3):
        door = AdminSocket(answers, tmp_path / "c.sock")
        rig.run(door.start())
        rig.run(door.stop())
        rig.run(door.stop())
        assert not (tmp_path / "c.sock").exists()


def test_a_claimed_socket_lets_clients_wait_for_the_start(
    rig: LoopThread, answers: Answers, tmp_path: Path
) -> None:
    door = AdminSocket(answers, tmp_path / "c.sock")
    door.claim()
    with raw(door) as sock:
        sock.sendall(b'{"cmd":"early"}\n')
        rig.run(door.start())
        assert read_line(sock)["result"] == {"cmd": "early"}
    rig.run(door.stop())


def test_whoever_stopped_it_sees_the_end(rig: LoopThread, answers: Answers, tmp_path: Path) -> None:
    door = AdminSocket(answers, tmp_path / "c.sock")
    rig.run(door.start())
    with ControlClient(door.path) as client:
        client.call("stop", now=False)
        assert not client.wait_end(0.05)
        ended = threading.Thread(target=lambda: rig.run(door.stop()))
        ended.start()
        assert client.wait_end(10)
        ended.join()
    assert answers.requests == [{"cmd": "stop", "now": False}]
