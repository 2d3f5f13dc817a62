"""One direction may end while the other goes on, for as long as bytes move."""

import socket
import time

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.peers import echo, half_closing
from tests.tools.sockets import CHUNK_BYTES, connect, how_it_ends, read_to_end, recv_exact
from tests.tools.waiting import wait_until

SHORT = {"idle": "400ms", "half_close": "400ms"}
DRIPS = 20
DRIP_PAUSE_S = 0.1


def drip_after_end(sock: socket.socket) -> None:
    """Read to the end, then answer one byte at a time for five times longer than any timeout."""
    while sock.recv(CHUNK_BYTES):
        pass
    for number in range(DRIPS):
        sock.sendall(bytes([number]))
        time.sleep(DRIP_PAUSE_S)


def test_a_client_that_has_shut_down_writing_reads_for_longer_than_every_timeout(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    nginy = start_nginy(tcp_config([start_peer(drip_after_end).address], listener={"timeouts": SHORT}))
    with connect(nginy.address()) as sock:
        sock.sendall(b"go")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == (bytes(range(DRIPS)), "eof")
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "one clean end")


def test_a_backend_that_has_shut_down_writing_reads_for_longer_than_every_timeout(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    arrived: list[bytes] = []
    peer = start_peer(half_closing(b"all I say", arrived.append))
    nginy = start_nginy(tcp_config([peer.address], listener={"timeouts": SHORT}))
    with connect(nginy.address()) as sock:
        assert read_to_end(sock) == (b"all I say", "eof")
        for number in range(DRIPS):
            sock.sendall(bytes([number]))
            time.sleep(DRIP_PAUSE_S)
    wait_until(lambda: arrived == [bytes(range(DRIPS))], "every byte reached the backend")
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "one clean end")


def test_a_half_closed_session_without_a_byte_ends_with_half_close_timeout(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    def wait_for_nothing(sock: socket.socket) -> None:
        while sock.recv(CHUNK_BYTES):
            pass
        sock.recv(1)
        time.sleep(3)

    timeouts = {"idle": "60s", "half_close": "300ms"}
    nginy = start_nginy(tcp_config([start_peer(wait_for_nothing).address], listener={"timeouts": timeouts}))
    with connect(nginy.address()) as sock:
        sock.sendall(b"x")
        sock.shutdown(socket.SHUT_WR)
        how_it_ends(sock)
    wait_until(lambda: nginy.reasons() == {"half_close_timeout": 1}, "the half-closed session was cut")


def test_half_close_timeout_defaults_to_idle(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def hold(sock: socket.socket) -> None:
        while sock.recv(CHUNK_BYTES):
            pass
        time.sleep(3)

    nginy = start_nginy(tcp_config([start_peer(hold).address], listener={"timeouts": {"idle": "300ms"}}))
    with connect(nginy.address()) as sock:
        sock.shutdown(socket.SHUT_WR)
        how_it_ends(sock)
    wait_until(lambda: sum(nginy.reasons().values()) == 1, "the session ended")
    assert nginy.reasons() == {"half_close_timeout": 1}


@pytest.mark.parametrize("switch", [False, "off"])
def test_with_half_close_off_the_end_of_one_direction_ends_the_session(
    start_nginy: StartNginy, start_peer: StartPeer, switch: object
) -> None:
    ended: list[bool] = []

    def wait_for_end(sock: socket.socket) -> None:
        sock.sendall(b"hello")
        while sock.recv(CHUNK_BYTES):
            pass
        ended.append(True)
        time.sleep(2)

    nginy = start_nginy(tcp_config([start_peer(wait_for_end).address], listener={"half_close": switch}))
    with connect(nginy.address()) as sock:
        assert recv_exact(sock, 5) == b"hello"
        sock.shutdown(socket.SHUT_WR)
        how_it_ends(sock)
    wait_until(lambda: ended, "the backend saw the end")
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "one clean end while the backend still holds on")


def test_with_half_close_off_bytes_sent_before_the_end_still_arrive(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    arrived: list[bytes] = []

    def keep(sock: socket.socket) -> None:
        arrived.append(read_to_end(sock)[0])

    nginy = start_nginy(tcp_config([start_peer(keep).address], listener={"half_close": False}))
    payload = bytes(range(256)) * 4000
    with connect(nginy.address()) as sock:
        sock.sendall(payload)
    wait_until(lambda: arrived, "the backend saw the end")
    assert arrived == [payload]


def test_both_sides_shutting_down_at_once_is_one_clean_end(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(tcp_config([start_peer(echo).address]))
    for _ in range(50):
        with connect(nginy.address()) as sock:
            sock.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: sum(nginy.reasons().values()) == 50, "all have ended")
    assert set(nginy.reasons()) <= {"closed", "client_gone"}
