"""Idle and connect timeouts end what stands still, and only that."""

import socket
import time

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.peers import FullBacklog, echo, silent
from tests.tools.sockets import CHUNK_BYTES, ask, connect, how_it_ends, recv_exact
from tests.tools.waiting import wait_until


def test_a_session_without_a_byte_ends_as_idle(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(tcp_config([start_peer(silent).address], listener={"timeouts": {"idle": "300ms"}}))
    with connect(nginy.address()) as sock:
        began_s = time.monotonic()
        how_it_ends(sock)
        assert time.monotonic() - began_s > 0.25
    wait_until(lambda: nginy.reasons() == {"idle": 1}, "counted as idle")


def test_bytes_in_one_direction_keep_a_session_from_being_idle(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def drip(sock: socket.socket) -> None:
        for _ in range(20):
            sock.sendall(b".")
            time.sleep(0.1)

    nginy = start_nginy(tcp_config([start_peer(drip).address], listener={"timeouts": {"idle": "500ms"}}))
    with connect(nginy.address()) as sock:
        assert len(recv_exact(sock, 20)) == 20
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "a clean end")


def test_many_idle_sessions_all_end_while_a_busy_one_lives(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(tcp_config([start_peer(echo).address], listener={"timeouts": {"idle": "500ms"}}))
    idle = [connect(nginy.address()) for _ in range(100)]
    with connect(nginy.address()) as busy:

        def others_have_ended() -> bool:
            busy.sendall(b"x")
            assert busy.recv(1) == b"x"
            return nginy.reasons().get("idle") == 100

        wait_until(others_have_ended, "a hundred idle ends")
    for sock in idle:
        how_it_ends(sock)
        sock.close()


def test_a_backend_that_does_not_answer_is_left_at_the_connect_timeout_for_the_next(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    with FullBacklog() as hole:
        good = start_peer(echo)
        config = tcp_config([hole.address, good.address], listener={"timeouts": {"connect": "300ms"}})
        nginy = start_nginy(config)
        for _ in range(2):
            assert ask(nginy.address(), b"through") == b"through"
        attempts = {row["address"]: row["attempts"] for row in nginy.backends("back")}
        assert attempts[hole.address].get("timeout") == 1
        assert attempts[good.address].get("connected") == 2


def test_a_client_sees_a_reset_when_the_only_backend_does_not_answer(start_nginy: StartNginy) -> None:
    with FullBacklog() as hole:
        config = tcp_config([hole.address], listener={"timeouts": {"connect": "300ms"}, "limits": {"retries": 0}})
        nginy = start_nginy(config)
        with connect(nginy.address()) as sock:
            sock.sendall(b"?")
            assert how_it_ends(sock) == "reset"
        wait_until(lambda: nginy.reasons() == {"connect_timeout": 1}, "counted as a connect timeout")


def test_bytes_sent_while_connecting_arrive_after_a_retry(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    arrived: list[bytes] = []

    def keep(sock: socket.socket) -> None:
        content = b""
        while part := sock.recv(CHUNK_BYTES):
            content += part
        arrived.append(content)

    with FullBacklog() as hole:
        config = tcp_config([hole.address, start_peer(keep).address], listener={"timeouts": {"connect": "300ms"}})
        nginy = start_nginy(config)
        payload = bytes(range(256)) * 1000
        for _ in range(2):
            with connect(nginy.address()) as sock:
                sock.sendall(payload)
        wait_until(lambda: len(arrived) == 2, "both arrived")
        assert arrived == [payload, payload]
