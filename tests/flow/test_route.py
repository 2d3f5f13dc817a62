"""`nginy route`: what it says is what happens."""

import json
import subprocess
import sys

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import named
from tests.tools.sockets import connect, recv_exact
from tests.tools.waiting import wait_until

SOURCES = [f"127.0.{n}.{n}" for n in range(1, 13)]


def said(nginy: Nginy, *words: str) -> dict:
    """The command's answer about a running nginy."""
    command = [sys.executable, "-m", "nginy", "route", "--socket", str(nginy.control_path), "-o", "json", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict = json.loads(done.stdout)
    return answer


def test_a_client_gets_the_backend_that_was_foretold(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peers = {peer.address: name for name in "abcd" for peer in [start_peer(named(name))]}
    config = tcp_config(list(peers), pool={"policy": "source_hash"}, workers=2)
    nginy = start_nginy(config)
    from_file = [sys.executable, "-m", "nginy", "route", str(nginy.config_path), "-o", "json", "-l", "front", "--src"]
    for source in SOURCES:
        (choice,) = said(nginy, "-l", "front", "--src", source)["choices"]
        with connect(nginy.address(), source=source) as sock:
            assert recv_exact(sock, 2).decode().strip() == peers[choice["address"]]
        offline = subprocess.run([*from_file, source], capture_output=True, text=True, check=True)
        assert json.loads(offline.stdout)["choices"] == [choice]


def test_a_running_nginy_tells_of_load_that_a_file_cannot_know(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peers = [start_peer(named(name)) for name in "ab"]
    backends = [{"address": peer.address, "max_conns": 1} for peer in peers]
    nginy = start_nginy(tcp_config(backends, pool={"policy": "source_hash"}))
    with connect(nginy.address(), source="127.0.0.9") as sock:
        first = peers["ab".index(recv_exact(sock, 2).decode()[0])].address
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 1, "the session is there")
        (choice,) = said(nginy, "--src", "127.0.0.9")["choices"]
        (passed,) = choice["passed"]
        assert passed["address"] == first and passed["why"] == "full: 1 sessions, max_conns is 1"
        assert choice["address"] != first
