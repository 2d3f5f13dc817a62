"""`nginy demo`, for real: nginy, three backends, and requests through them."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nginy.cli.main import run_cli
from nginy.demo import COLOURS, PORT, page_of
from tests.tools.waiting import wait_until

ROOT = Path(__file__).parents[3]
LOOPBACK = "127.0.0.1:0"


def turns(out: str) -> list[str]:
    """Who answered, in order."""
    return re.findall(r"^  (\w+) answers", out, re.MULTILINE)


def test_requests_are_answered_in_turn_and_it_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["demo", "--bind", LOOPBACK, "--requests", "9"]) == 0
    names = turns(capsys.readouterr().out)
    assert len(names) == 9
    assert all(set(names[start : start + 3]) == set(COLOURS) for start in range(0, 9, 3))


def test_once_is_enough_to_see_turns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["demo", "--bind", LOOPBACK, "--once"]) == 0
    assert set(turns(capsys.readouterr().out)) == set(COLOURS)


def test_a_taken_address_that_was_asked_for_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert run_cli(["demo", "--bind", f"127.0.0.1:{other.getsockname()[1]}", "--once"]) == 2
    assert "is taken by" in capsys.readouterr().err


def test_a_taken_default_port_is_no_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", PORT))
            other.listen()
        except OSError:
            pass  # taken by somebody else: just as well
        assert run_cli(["demo", "--once"]) == 0
    out = capsys.readouterr().out
    assert len(turns(out)) == 6
    assert f"127.0.0.1:{PORT}" not in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_text_and_a_page_until_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    said = tmp_path / "said"
    with said.open("w") as out:
        command = [sys.executable, "-m", "nginy", "demo", "--bind", LOOPBACK]
        demo = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)

    def address() -> str:
        assert demo.poll() is None, said.read_text()
        found = re.search(r"curl http://([\d.:]+)/.*Ctrl-C", said.read_text(), re.DOTALL)
        return found[1] if found else ""

    try:
        host, _, port = wait_until(address, "it says where it listens").partition(":")
        plain = get(host, int(port), "*/*")
        assert re.search(r"\r\n\r\n\w+ answers, turn 1\n$", plain)
        assert "Connection: close" in plain
        page = get(host, int(port), "text/html,application/xhtml+xml")
        assert "Content-Type: text/html" in page
        assert re.search(r'<h1 class="(\w+)">\1</h1>', page)
        demo.send_signal(number)
        assert demo.wait(10) == 0
    finally:
        demo.kill()
        demo.wait()


def get(host: str, port: int, accept: str) -> str:
    """One whole response."""
    with socket.create_connection((host, port), 10) as sock:
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n".encode())
        parts = []
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts).decode()


def test_the_page_has_a_colour_for_every_backend() -> None:
    for name, colour in COLOURS.items():
        assert f".{name}{{--own:{colour}}}" in page_of(name)
