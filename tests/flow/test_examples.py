"""The examples of the documentation do what they say.

Their addresses are moved to loopback ones that nothing else uses, their ports of entry to the kernel's choice; nothing
else is changed.
"""

import os
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.conftest import StartNginy, StartPeer
from tests.tools.nginy_process import PYTHON_PATH, Nginy
from tests.tools.peers import named
from tests.tools.sockets import connect, recv_exact
from tests.tools.tls import certificate, tls_named, who_serves
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Stream, answering, text

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
HERE = "127.88."  # in place of 10.0.
StartExample = Callable[[str], Nginy]


@pytest.fixture
def start_example(start_nginy: StartNginy) -> StartExample:
    """start_example(name) -> running, with the Python that lies beside the file."""

    def start(name: str) -> Nginy:
        text = (EXAMPLES / f"{name}.yaml").read_text().replace('"10.0.', f'"{HERE}')
        tree = yaml.safe_load(re.sub(r'bind: ":\d+"', 'bind: "127.0.0.1:0"', text))
        return start_nginy(tree, env={"PYTHONPATH": os.pathsep.join((PYTHON_PATH, str(EXAMPLES)))})

    return start


def who(nginy: Nginy, source: str | None = None, says: bytes = b"") -> str:
    """The one-letter name of the backend that a client meets."""
    (listener,) = nginy.status()["listeners"]
    with connect(nginy.address(listener["name"]), source=source) as sock:
        sock.sendall(says)
        return recv_exact(sock, 2).decode().strip()


def test_token_in_the_first_bytes_keeps_its_backend(start_example: StartExample, start_peer: StartPeer) -> None:
    for number, name in enumerate("abc", 1):
        start_peer(named(name), host=f"{HERE}0.{number}", port=7000)
    nginy = start_example("sticky-token")
    met = {}
    for number in range(40):
        token = f"token-{number:02}".encode()
        met[token] = who(nginy, says=token)
        assert who(nginy, source="127.0.9.9", says=token + b" and more") == met[token]
    assert set(met.values()) == set("abc")


def test_clients_of_the_test_networks_meet_the_new_version(start_example: StartExample, start_peer: StartPeer) -> None:
    for number, (name, port) in enumerate((("a", 8000), ("b", 8000), ("n", 8001)), 1):
        start_peer(named(name), host=f"{HERE}0.{number}", port=port)
    nginy = start_example("canary")
    wait_until(lambda: who(nginy, source="127.0.7.1") == "n", "the policy process answers")
    assert {who(nginy, source="127.0.7.2") for _ in range(6)} == {"n"}
    assert Counter(who(nginy, source="127.0.8.2") for _ in range(6)) == {"a": 3, "b": 3}


class Pending:
    """Says how much work waits in a backend."""

    def __init__(self, host: str, port: int) -> None:
        self.number = 0
        self._listener = socket.create_server((host, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                sock.sendall(b"%d\n" % self.number)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def is_met(nginy: Nginy, name: str) -> bool:
    return who(nginy) == name


def test_sessions_go_where_the_least_work_waits(start_example: StartExample, start_peer: StartPeer) -> None:
    pending = []
    for number, name in enumerate("abc", 1):
        start_peer(named(name), host=f"{HERE}0.{number}", port=9000)
        pending.append(Pending(f"{HERE}0.{number}", 9001))
    try:
        nginy = start_example("least-pending")
        for quiet in (1, 2, 0):
            for number, one in enumerate(pending):
                one.number = 0 if number == quiet else 50
            wait_until(partial(is_met, nginy, "abc"[quiet]), "the task has learnt it")
            assert {who(nginy) for _ in range(5)} == {"abc"[quiet]}
    finally:
        for one in pending:
            one.close()


def test_server_names_find_their_sites_in_front_of_tls_servers(
    start_example: StartExample, start_peer: StartPeer, tmp_path: Path
) -> None:
    pair = certificate(tmp_path)
    for name, hosts in {"shop": ("1.1", "1.2"), "wiki": ("2.1",), "tenant": ("3.1", "3.2")}.items():
        for host in hosts:
            start_peer(tls_named(name, pair), host=f"{HERE}{host}", port=443)
    nginy = start_example("server-names")
    sites = {"shop.example.org": "shop", "wiki.example.org": "wiki", "x.tenants.example.org": "tenant"}
    for name, site in sites.items():
        assert who_serves(nginy.address("https"), name).startswith(f"{site} {name}")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        who_serves(nginy.address("https"), "elsewhere.example.org")
    assert nginy.reasons("https")["no_route"] == 1


def test_two_services_behind_one_address_each_with_its_health(
    start_example: StartExample, start_peer: StartPeer
) -> None:
    asked: dict[str, list[str]] = {}

    def service(name: str) -> Callable[[socket.socket], None]:
        def say(request: Message) -> bytes:
            asked.setdefault(name, []).append(request.start.split()[1])
            return text(name.encode())

        return answering(say)

    peers = {}
    for name, host, number in (("task", "1", 1), ("task", "1", 2), ("auth", "2", 1), ("auth", "2", 2)):
        peers[name, number] = start_peer(service(name), host=f"{HERE}{host}.{number}", port=8000)
    nginy = start_example("services")

    def get(target: str) -> Message:
        with connect(nginy.address("web")) as sock:
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            return Stream(sock).message()

    for target, name, seen in [("/task/1", "task", "/1"), ("/auth", "auth", "/"), ("/auth/in?x", "auth", "/in?x")]:
        assert get(target).body == name.encode()
        assert seen in asked[name]
    assert get("/healthz").body == b"fine"
    assert get("/tasks").status == 404
    peers["task", 1].close()
    for _ in range(10):  # before and after the checks have noticed
        assert get("/task/2").body == b"task"
    wait_until(lambda: sorted(row["verdict"] for row in nginy.backends("task")) == ["down", "up"], "it is down")
    peers["task", 2].close()
    wait_until(lambda: get("/task").status == 503, "nobody is left")
    assert get("/auth").body == b"auth"
    for peer in peers.values():  # and with them the connections that are kept to them
        peer.close()
