"""Who does not read is not read for; memory stays where it is."""

import socket
import threading

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.peers import echo, slow_reader, source
from tests.tools.proc import cpu_s, resident_bytes
from tests.tools.sockets import connect, recv_exact
from tests.tools.waiting import stays_true, wait_until

MIB = 1 << 20


def worker_memory(nginy) -> int:
    """Resident bytes of all workers."""
    return sum(resident_bytes(pid) for pid in nginy.worker_pids())


def test_a_client_that_does_not_read_holds_the_backend_back_and_memory_is_flat(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    nginy = start_nginy(tcp_config([start_peer(source(bytes(64 * MIB))).address]))
    with connect(nginy.address()) as first:
        recv_exact(first, 64 * MIB)
    before = worker_memory(nginy)
    socks = [connect(nginy.address()) for _ in range(8)]
    try:
        last = [-1]

        def stands_still() -> bool:
            moved, last[0] = (
                nginy.listener("front")["bytes_out"] == last[0],
                nginy.listener("front")["bytes_out"],
            )
            return moved and last[0] > 64 * MIB

        wait_until(stands_still, "the kernel's buffers are full")
        assert nginy.listener("front")["bytes_out"] < (64 + 8 * 32) * MIB
        assert worker_memory(nginy) - before < 8 * MIB
        for sock in socks:
            assert recv_exact(sock, 64 * MIB) == bytes(64 * MIB)
    finally:
        for sock in socks:
            sock.close()
    assert worker_memory(nginy) - before < 8 * MIB


def test_a_backend_that_reads_slowly_holds_the_client_back(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peer = start_peer(slow_reader(0.05, 4096))
    nginy = start_nginy(tcp_config([peer.address]))
    with connect(nginy.address()) as sock:
        sock.setblocking(False)
        sent = 0

        def is_full() -> bool:
            nonlocal sent
            try:
                sent += sock.send(bytes(MIB))
            except BlockingIOError:
                return True
            return False

        wait_until(is_full, "the client cannot send any more", 30)
        assert sent < 128 * MIB
        stays_true(lambda: nginy.workers()[0]["counters"]["buffers_used"] <= 2, "one session holds few buffers", 0.5)
        peer.drop_all()


def test_a_stuck_session_does_not_make_the_worker_spin(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(tcp_config([start_peer(source(bytes(64 * MIB))).address]))
    with connect(nginy.address()):
        wait_until(lambda: nginy.listener("front")["bytes_out"] > 0, "the transfer began")
        last = [0]

        def stands_still() -> bool:
            now = nginy.listener("front")["bytes_out"]
            last[0], was = now, last[0]
            return now == was

        wait_until(stands_still, "stuck")
        pid = nginy.worker_pids()[0]
        before_s = cpu_s(pid)
        threading.Event().wait(1.0)
        assert cpu_s(pid) - before_s < 0.2


def test_stuck_sessions_do_not_delay_others(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    """More stuck transfers than there are buffers: whoever moves must still get one."""
    big, small = start_peer(source(bytes(16 * MIB))), start_peer(echo)
    config = tcp_config([big.address], runtime={"buffers": "1MiB"})
    config["pools"]["small"] = {"backends": [small.address]}
    config["listeners"]["quick"] = {"bind": "127.0.0.1:0", "protocol": "tcp", "pool": "small"}
    nginy = start_nginy(config)
    stuck = [connect(nginy.address()) for _ in range(40)]
    try:
        wait_until(lambda: big.live == 40, "all transfers began")
        with connect(nginy.address("quick")) as sock:
            for _ in range(50):
                sock.sendall(b"ping")
                assert recv_exact(sock, 4) == b"ping"
    finally:
        for sock in stuck:
            sock.close()


@pytest.mark.parametrize("inline", [False, True])
def test_urgent_data_neither_breaks_nor_spins(start_nginy: StartNginy, backend, inline: bool) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    with connect(nginy.address()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, int(inline))
        sock.sendall(b"before")
        assert recv_exact(sock, 6) == b"before"
        sock.send(b"!", socket.MSG_OOB)
        pid = nginy.worker_pids()[0]
        before_s = cpu_s(pid)
        threading.Event().wait(0.5)
        assert cpu_s(pid) - before_s < 0.15
        sock.sendall(b"after")
        answer = b""
        while not answer.endswith(b"after"):
            answer += sock.recv(100)
        assert answer in (b"after", b"!after")
