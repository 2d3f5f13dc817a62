"""Bytes are sacred: what went in comes out, and what was cut looks cut."""

import asyncio
import collections
import contextlib
import random
import socket

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.duplex import Plan, run_sessions
from tests.tools.nginy_process import Nginy
from tests.tools.peers import source
from tests.tools.sockets import ask, connect, read_to_end, sha256
from tests.tools.waiting import wait_until

SESSIONS = 10_000
AT_ONCE = 48
LARGE_BYTES = 200_000


def test_thousands_of_sessions_with_random_splits_half_closes_and_resets_keep_their_bytes(
    start_nginy: StartNginy, seed: int
) -> None:
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(3)]
    try:
        backends = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
        nginy = start_nginy(tcp_config(backends, workers=2))
        chance = random.Random(seed)
        plans = [Plan.draw(number, chance, LARGE_BYTES) for number in range(SESSIONS)]
        sheet = asyncio.run(run_sessions(nginy.address(), listeners, plans, AT_ONCE))
        assert not sheet.wrong, f"{len(sheet.wrong)} wrong, first ones:\n" + "\n".join(sheet.wrong[:10])
        assert sheet.client_done == sheet.backend_done == SESSIONS
        endings = collections.Counter(plan.ending for plan in plans)
        ends = nginy.reasons()
        assert ends["front_reset"] == endings["client_resets"]
        assert ends["back_reset"] == endings["backend_resets"]
        assert ends["closed"] == SESSIONS - endings["client_resets"] - endings["backend_resets"]
    finally:
        for listener in listeners:
            listener.close()


@pytest.mark.parametrize("pipes", ["0", "4MiB"])
def test_bytes_stay_equal_while_slow_readers_hold_every_buffer(
    start_nginy: StartNginy, start_peer: StartPeer, seed: int, pipes: str
) -> None:
    big = start_peer(source(bytes(16 << 20)))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, contextlib.ExitStack() as stack:
        config = tcp_config([big.address], runtime={"buffers": "1MiB", "pipes": pipes})
        config["pools"]["small"] = {"backends": [f"127.0.0.1:{listener.getsockname()[1]}"]}
        config["listeners"]["quick"] = {"bind": "127.0.0.1:0", "protocol": "tcp", "pool": "small"}
        nginy = start_nginy(config)
        for _ in range(20):
            stack.enter_context(connect(nginy.address()))
        counters = nginy.workers()[0]["counters"]
        wait_until(lambda: held(nginy) == counters["buffers_max"], "every buffer is held")
        chance = random.Random(seed)
        plans = [Plan.draw(number, chance, LARGE_BYTES) for number in range(500)]
        sheet = asyncio.run(run_sessions(nginy.address("quick"), [listener], plans, AT_ONCE))
        assert not sheet.wrong, f"{len(sheet.wrong)} wrong, first ones:\n" + "\n".join(sheet.wrong[:10])
        assert held(nginy) == counters["buffers_max"]


def held(nginy: Nginy) -> int:
    """Buffers lent out by the first worker."""
    return int(nginy.workers()[0]["counters"]["buffers_used"])


def test_a_large_transfer_both_ways_at_once_is_equal(start_nginy: StartNginy, backend, seed: int) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    payload = random.Random(seed).randbytes(48 << 20)
    with connect(nginy.address()) as sock:
        sender = asyncio.new_event_loop()
        try:
            future = sender.run_in_executor(None, lambda: (sock.sendall(payload), sock.shutdown(socket.SHUT_WR)))
            answer, end = read_to_end(sock)
            sender.run_until_complete(future)
        finally:
            sender.run_until_complete(sender.shutdown_default_executor())
            sender.close()
    assert (end, len(answer), sha256(answer)) == ("eof", len(payload), sha256(payload))
    row = nginy.listener("front")
    assert (row["bytes_in"], row["bytes_out"]) == (len(payload), len(payload))


def test_an_empty_session_ends_cleanly_on_both_sides(start_nginy: StartNginy, backend) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    assert ask(nginy.address(), b"") == b""
    assert backend.accepted == 1


def test_single_bytes_arrive_in_order_without_waiting_for_more(start_nginy: StartNginy, backend) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    with connect(nginy.address()) as sock:
        for value in range(300):
            sent = bytes([value % 256])
            sock.sendall(sent)
            assert sock.recv(16) == sent
