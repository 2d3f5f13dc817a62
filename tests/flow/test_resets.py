"""A reset is passed on as a reset, either way; nothing that was cut looks whole."""

import random
import socket
import threading
from contextlib import suppress

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.peers import echo, resetting
from tests.tools.sockets import connect, how_it_ends, read_to_end, recv_exact, reset
from tests.tools.waiting import wait_until


def test_a_client_that_resets_makes_the_backend_see_a_reset(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    ends: list[str] = []

    def note_end(sock) -> None:
        sock.sendall(b"!")
        ends.append(how_it_ends(sock))

    nginy = start_nginy(tcp_config([start_peer(note_end).address]))
    sock = connect(nginy.address())
    recv_exact(sock, 1)
    reset(sock)
    wait_until(lambda: ends, "the backend saw the end")
    assert ends == ["reset"]
    wait_until(lambda: nginy.reasons() == {"front_reset": 1}, "counted as the client's reset")


def test_a_backend_that_resets_makes_the_client_see_a_reset(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(tcp_config([start_peer(resetting(after_bytes=3)).address]))
    with connect(nginy.address()) as sock:
        sock.sendall(b"abc")
        assert read_to_end(sock) == (b"", "reset")
    wait_until(lambda: nginy.reasons() == {"back_reset": 1}, "counted as the backend's reset")


def test_an_answer_cut_by_a_reset_never_ends_in_order(
    start_nginy: StartNginy, start_peer: StartPeer, seed: int
) -> None:
    chance = random.Random(seed)
    nginy = start_nginy(tcp_config([start_peer(resetting(1, bytes(300_000))).address]))
    for _ in range(50):
        with connect(nginy.address()) as sock:
            sock.sendall(b"?" * chance.randint(1, 3))
            assert how_it_ends(sock) == "reset"
    wait_until(lambda: nginy.reasons() == {"back_reset": 50}, "all counted")


def test_a_reset_while_the_other_side_is_not_reading_ends_the_session(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    """The buffers towards the client are full; the backend's reset must still be noticed."""
    is_stuck, may_reset = threading.Event(), threading.Event()

    def fill_and_reset(sock: socket.socket) -> None:
        sock.recv(1)
        sock.settimeout(0.3)
        with suppress(TimeoutError):
            while True:
                sock.send(bytes(1 << 16))
        is_stuck.set()
        may_reset.wait(10)
        reset(sock)

    nginy = start_nginy(tcp_config([start_peer(fill_and_reset).address]))
    with connect(nginy.address()) as sock:
        sock.sendall(b"?")
        assert is_stuck.wait(10)
        may_reset.set()
        wait_until(lambda: nginy.listener("front")["bytes_out"] > 100_000, "much is under way")
        assert read_to_end(sock)[1] == "reset"


@pytest.mark.parametrize("fastopen", ["off", "on"])  # on: the client's bytes are looked at before the backend is chosen
def test_a_client_reset_while_connecting_is_counted_and_leaves_nothing(
    start_nginy: StartNginy, start_peer: StartPeer, fastopen: str
) -> None:
    nginy = start_nginy(tcp_config([start_peer(echo).address], pool={"tcp": {"fastopen": fastopen}}))
    for _ in range(200):
        reset(connect(nginy.address()))
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all have ended")
    # the kernel may drop a connection that was reset before it was accepted
    assert set(nginy.reasons()) <= {"front_reset", "client_gone"}
