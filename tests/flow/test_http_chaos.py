"""HTTP: clients and backends that leave anywhere, at any speed, and still nobody gets what is another's."""

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import http_config
from tests.tools.nginy_process import Nginy
from tests.tools.sockets import connect, reset
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Stream

N_CLIENTS, N_ROUNDS, N_BACKENDS = 8, 40, 3
SIZES = (0, 1, 100, 20_000, 200_000)
POLICIES: dict[str, Any] = {
    "turns": {},
    "time": {"policy": "least_time"},
    "asked": {"policy": {"kind": "python", "call": "tests.tools.policy_classes:ByPortSoon", "deadline": "200ms"}},
}
OUTSIDE = (OSError, EOFError, ValueError, IndexError)  # a connection that was cut, or a message


def name_of(request: Message) -> str:
    return request.start.split()[1][1:]


def body_of(name: str, size: int) -> bytes:
    """Says in every piece of it whose it is."""
    return (name.encode() + b".") * (size // (len(name) + 1))


def framed(body: bytes, *, is_chunked: bool) -> bytes:
    """The rest of a head and the body."""
    if is_chunked and body:
        return b"Transfer-Encoding: chunked\r\n\r\n%X\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def in_pieces(sock: socket.socket, data: bytes, chance: random.Random) -> None:
    """Now and then cut, and now and then not all of it."""
    if chance.random() < 0.1:
        data = data[: chance.randrange(len(data))]
        sock.sendall(data)
        raise EOFError
    cut = chance.randrange(len(data)) if chance.random() < 0.3 else 0
    sock.sendall(data[:cut])
    sock.sendall(data[cut:])


def leave(sock: socket.socket, chance: random.Random) -> None:
    """In order, or not."""
    if chance.random() < 0.5:
        reset(sock)
    sock.close()


def backend(chance: random.Random, wrong: list[str]) -> Callable[[socket.socket], None]:
    def answer(sock: socket.socket, stream: Stream) -> None:
        request = stream.head() if chance.random() < 0.1 else stream.message()
        name = name_of(request)
        if request.get("x-name") != name or request.body.replace(name.encode() + b".", b""):
            wrong.append(f"backend: {request.head!r} {request.body[:100]!r}")
        if chance.random() < 0.05:
            raise EOFError
        if chance.random() < 0.1:
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nX-Name: {name}\r\n".encode()
        rest = framed(body_of(name, chance.choice(SIZES)), is_chunked=chance.random() < 0.5)
        if request.start.startswith("HEAD"):
            rest = b"Content-Length: 77\r\n\r\n"
        in_pieces(sock, head + rest, chance)

    def serve(sock: socket.socket) -> None:
        with suppress(*OUTSIDE):
            stream = Stream(sock)
            while True:
                answer(sock, stream)
        leave(sock, chance)

    return serve


def ask(stream: Stream, names: list[str], chance: random.Random, wrong: list[str]) -> None:
    """A few requests at once, and their responses."""
    methods = [chance.choice(("GET", "GET", "HEAD", "POST", "PUT")) for _ in names]
    for method, name in zip(methods, names, strict=True):
        body = body_of(name, chance.choice(SIZES)) if method[0] == "P" else b""
        head = f"{method} /{name} HTTP/1.1\r\nHost: a\r\nX-Name: {name}\r\n".encode()
        in_pieces(stream.sock, head + framed(body, is_chunked=chance.random() < 0.5), chance)
    if chance.random() < 0.1:
        raise EOFError
    for method, name in zip(methods, names, strict=True):
        while (response := stream.message(of_head=method == "HEAD")).status == 103:
            pass
        foreign = response.body.replace(name.encode() + b".", b"")
        if response.status == 200 and (response.get("x-name") != name or foreign):
            wrong.append(f"client: {name}: {response.head!r} {response.body[:100]!r}")
        if response.get("connection") == "close":
            raise EOFError


def client(nginy: Nginy, nth: int, chance: random.Random, wrong: list[str]) -> None:
    for round_ in range(N_ROUNDS):
        with connect(nginy.address(), timeout_s=5) as sock, suppress(*OUTSIDE):
            stream = Stream(sock)
            for turn in range(4):
                names = [f"c{nth}r{round_}t{turn}n{n}" for n in range(chance.choice((1, 1, 3)))]
                ask(stream, names, chance, wrong)
            leave(sock, chance)


@pytest.mark.parametrize("kind", POLICIES)
def test_nobody_gets_what_is_anothers_whoever_leaves_when(
    start_nginy: StartNginy, start_peer: StartPeer, seed: int, kind: str
) -> None:
    chance, wrong = random.Random(seed), list[str]()
    peers = [start_peer(backend(random.Random(chance.random()), wrong)) for _ in range(N_BACKENDS)]
    timeouts = {"response": "2s", "body": "2s", "head": "2s"}
    backends = [{"address": peer.address, "max_conns": N_CLIENTS} for peer in peers]
    pool = {"http": {"idle": "300ms"}, **POLICIES[kind]}
    nginy = start_nginy(http_config(backends, listener={"timeouts": timeouts}, pool=pool))
    threads = [
        threading.Thread(target=client, args=(nginy, nth, random.Random(chance.random()), wrong))
        for nth in range(N_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    counts = nginy.listener("front")["http"]
    assert counts["requests"] > N_CLIENTS * N_ROUNDS and counts["responses"]["2xx"] > N_CLIENTS * N_ROUNDS / 2
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all have left")
    wait_until(lambda: all(row["sessions_live"] == 0 for row in nginy.backends("back")), "no lease is left")
