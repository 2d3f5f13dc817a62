"""Backends that cut an answer short, break it, or say more than was asked: never completed, never used again."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.conftest import check_end
from tests.flow.test_http import http_config
from tests.tools import leaks
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer
from tests.tools.sockets import connect, how_it_ends, read_to_end, reset
from tests.tools.waiting import wait_until
from tests.tools.web import Stream, text
from tests.unit.wire.test_chunk import BAD as BAD_CHUNKS

MIB = 1 << 20
SMALL, BULK = 100, 8 * MIB
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FRAMES = {
    "length": OK + b"Content-Length: %d\r\n\r\n",
    "chunk": CHUNKED + b"%x\r\n",
    "end": OK + b"\r\n",
}
may_reset, has_closed = threading.Event(), threading.Event()
EXTRA = {
    "length": text(b"ok") + b"HTTP/1.1 200 Unasked\r\nContent-Length: 0\r\n\r\n",
    "chunked": CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + b"x",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx",
    "204": b"HTTP/1.1 204 No Content\r\n\r\nx",
    "304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\n\r\nx",
    "head": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
}


def serve(sock: socket.socket) -> None:
    """As the last word of the target says: /cut/FRAME/END/BYTES, /chunks/NTH, /extra/KIND, /late, /fine."""
    stream = Stream(sock)
    while True:
        with suppress(EOFError):
            _, kind, *words = stream.message().start.split()[1].split("/")
            if kind == "fine":
                sock.sendall(text(b"fine"))
                continue
            if kind == "late":
                sock.sendall(text(b"ok"))
                assert stream.message().start == "GET /more HTTP/1.1"
                sock.sendall(text(b"ok"))
                sock.sendall(b"HTTP/1.1 200 Unasked\r\nContent-Length: 0\r\n\r\n")
                how_it_ends(sock)
                has_closed.set()
            elif kind == "extra":
                sock.sendall(EXTRA[words[0]])
                how_it_ends(sock)
            elif kind == "chunks":
                sock.sendall(CHUNKED + list(BAD_CHUNKS.values())[int(words[0])][0])
                how_it_ends(sock)
            else:
                cut(sock, *words)
        return


def cut(sock: socket.socket, frame: str, end: str, n_bytes: str) -> None:
    """Half of what is promised, where something is. A reset waits: it takes along what is under way."""
    head, promised = FRAMES[frame], 2 * int(n_bytes)
    sock.sendall((head % promised if b"%" in head else head) + bytes(int(n_bytes)))
    if end == "reset":
        assert may_reset.wait(10)
        reset(sock)


@pytest.fixture(scope="module")
def nginy() -> Iterator[Nginy]:
    with Peer(serve) as peer:
        tree = http_config([peer.address], listener={"timeouts": {"response": "5s"}})
        tree["listeners"]["copied"] = tree["listeners"]["front"] | {"splice": "off"}
        nginy = Nginy(tree)
        try:
            nginy.start()
            rest = leaks.rest_of(nginy)
            yield nginy
            check_end(nginy, rest)
        finally:
            nginy.clean_up()


def ask(stream: Stream, target: str, version: str = "1.1", method: str = "GET") -> None:
    stream.sock.sendall(f"{method} {target} HTTP/{version}\r\nHost: a\r\n\r\n".encode())


def cuts(nginy: Nginy, listener: str = "front") -> int:
    return int(nginy.reasons(listener).get("back_reset", 0))


@pytest.mark.parametrize("n_bytes", [1, SMALL, BULK])
@pytest.mark.parametrize("frame", ["length", "chunk"])
@pytest.mark.parametrize("listener", ["front", "copied"])
def test_an_answer_that_ends_too_early_looks_cut(nginy: Nginy, listener: str, frame: str, n_bytes: int) -> None:
    before = cuts(nginy, listener)
    for version in ("1.1", "1.0"):  # where an end would be the end of a body in chunks
        with connect(nginy.address(listener)) as sock:
            ask(Stream(sock), f"/cut/{frame}/fin/{n_bytes}", version)
            said, end = read_to_end(sock)
        assert (end, len(said) < 2 * n_bytes + 300) == ("reset", True)
    wait_until(lambda: cuts(nginy, listener) == before + 2, "its reason says so")


@pytest.mark.parametrize("n_bytes", [SMALL, BULK])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("listener", ["front", "copied"])
def test_an_answer_that_is_reset_looks_cut_even_where_its_end_is_the_connections(
    nginy: Nginy, listener: str, frame: str, n_bytes: int
) -> None:
    may_reset.clear()
    with connect(nginy.address(listener)) as sock:
        stream = Stream(sock)
        ask(stream, f"/cut/{frame}/reset/{n_bytes}")
        assert stream.head().status == 200
        stream.take(n_bytes)
        may_reset.set()
        assert how_it_ends(sock) == "reset"


@pytest.mark.parametrize("listener", ["front", "copied"])
def test_an_answer_until_the_end_is_whole_when_the_end_is_orderly(nginy: Nginy, listener: str) -> None:
    with connect(nginy.address(listener)) as sock:
        stream = Stream(sock)
        ask(stream, f"/cut/end/fin/{BULK}")
        assert len(stream.message().body) == BULK
        assert how_it_ends(sock) == "eof"


def test_chunks_that_cannot_be_read_are_never_completed(nginy: Nginy) -> None:
    for nth, case in enumerate(BAD_CHUNKS):
        for version in ("1.1", "1.0"):
            with connect(nginy.address()) as sock:
                stream = Stream(sock)
                ask(stream, f"/chunks/{nth}", version)
                with suppress(ConnectionResetError):
                    if stream.head().status == 502:  # nothing of it had been passed on
                        continue
                said, end = read_to_end(sock)
            assert end == "reset", case
            assert not (stream.rest + said).endswith(b"0\r\n\r\n"), case


@pytest.mark.parametrize("kind", EXTRA)
def test_a_connection_with_more_in_it_than_was_asked_for_is_not_used_again(nginy: Nginy, kind: str) -> None:
    is_head = kind == "head"
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(3):
            ask(stream, f"/extra/{kind}", method="HEAD" if is_head else "GET")
            assert stream.message(of_head=is_head).start != "HTTP/1.1 200 Unasked"
            ask(stream, "/fine")
            assert stream.message().body == b"fine"


def test_bytes_that_come_while_a_connection_rests_end_it(nginy: Nginy) -> None:
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(3):
            ask(stream, "/late")
            assert stream.message().body == b"ok"
            ask(stream, "/more")
            assert stream.message().body == b"ok"
            wait_until(has_closed.is_set, "nginy has closed it")
            has_closed.clear()
            ask(stream, "/fine")
            assert stream.message().body == b"fine"
