"""`nginy route`: what it says is what happens."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import named
from tests.tools.sockets import connect, recv_exact
from tests.tools.waiting import wait_until

SOURCES = [f"127.0.{n}.{n}" for n in range(1, 6)]


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


def test_the_class_of_a_file_is_asked_by_the_command_itself(tmp_path: Path) -> None:
    (tmp_path / "picker.py").write_text(
        "class Pick:\n"
        "    def __init__(self, number):\n        self.number = number\n"
        "    def build(self, backends):\n        self.backends = backends\n"
        "    def choose(self, context, attempt):\n"
        "        return self.backends[self.number] if context.source_ip == '192.0.2.7' else None\n"
    )
    policy = {"kind": "python", "call": "picker:Pick", "args": {"number": 2}, "fallback": "first"}
    backends = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]
    listeners = {"front": {"bind": "127.0.0.1:0", "pool": "site"}}
    pools = {"back": {"policy": policy, "backends": backends}, "site": {"of": ["back"]}}
    path = tmp_path / "nginy.yaml"
    path.write_text(json.dumps({"pools": pools, "listeners": listeners}))

    def told(*words: str) -> str:
        command = [sys.executable, "-m", "nginy", "route", str(path), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    asked = told("--src", "192.0.2.7")
    assert "in back: picker:Pick was asked, in this process" in asked and "10.0.0.3:80 of back (python)" in asked
    assert "pool site (group)" in asked and "key" not in asked
    left = told("--src", "192.0.2.8")
    assert "fallback chooses (it named nobody that may be used)" in left and "10.0.0.1:80 of back (first)" in left
    alone = told("--src", "192.0.2.7", "--fallback")
    assert "fallback chooses (--fallback leaves it out)" in alone and "10.0.0.1:80" in alone


def test_a_running_nginy_counts_slow_start_and_says_what_only_workers_know(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    peers = [start_peer(named(name)) for name in "ab"]
    pool = {"policy": "least_time", "slow_start": {"window": "1h", "min": 0.001}}
    one, both = ([peer.address for peer in some] for some in (peers[:1], peers))
    nginy = start_nginy(tcp_config(one, pool=pool))
    nginy.reload(tcp_config(both, pool=pool))
    answer = said(nginy, "--count", "50")
    assert [choice["address"] for choice in answer["choices"]].count(peers[1].address) < 5
    assert any("the times that workers have measured" in what for what in answer["left_out"])
