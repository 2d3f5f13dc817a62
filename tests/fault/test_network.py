"""A bad network on either side: slices, latency, resets and silence in the middle of a transfer."""

import asyncio
import contextlib
import random
import socket
import threading

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.chaos import Chaos, Weather
from tests.tools.configs import tcp_config
from tests.tools.duplex import Plan, run_sessions
from tests.tools.peers import echo, sink
from tests.tools.sockets import connect, how_it_ends, read_to_end
from tests.tools.waiting import wait_until

CLEAN_ENDINGS = ("client_first", "backend_first", "both_at_once")


@pytest.mark.parametrize("splice", ["auto", "off"])
@pytest.mark.parametrize("side", ["client", "backend"])
def test_bulk_in_slices_stays_equal_on_its_way_into_splicing_and_out_again(
    start_nginy: StartNginy, seed: int, side: str, splice: str
) -> None:
    weather = Weather(latency_s=0.0, jitter_s=0.001, slice_bytes=300_000, seed=seed)
    chance = random.Random(seed)
    plans = [Plan.draw(number, chance, 8_000_000) for number in range(60)]
    plans = [plan for plan in plans if plan.ending in CLEAN_ENDINGS]
    listener_keys = {"splice": splice}
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, contextlib.ExitStack() as stack:
        backend = f"127.0.0.1:{listener.getsockname()[1]}"
        if side == "backend":
            backend = stack.enter_context(Chaos(backend, weather)).address
        nginy = start_nginy(tcp_config([backend], workers=1, listener=listener_keys, runtime={"pipes": "4MiB"}))
        front = nginy.address()
        if side == "client":
            front = stack.enter_context(Chaos(front, weather)).address
        sheet = asyncio.run(run_sessions(front, [listener], plans, 12))
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all have ended")
    assert not sheet.wrong, "\n".join(sheet.wrong[:5])
    assert sheet.backend_done == len(plans)
    counters = nginy.workers()[0]["counters"]
    assert (counters["spliced_bytes"] > 0) == (splice == "auto")
    assert counters["pipes_lent"] == 0


@pytest.mark.parametrize("side", ["client", "backend"])
def test_slices_and_jitter_on_one_side_change_no_byte(start_nginy: StartNginy, seed: int, side: str) -> None:
    weather = Weather(latency_s=0.0, jitter_s=0.002, slice_bytes=1500, seed=seed)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        backend = f"127.0.0.1:{listener.getsockname()[1]}"
        chance = random.Random(seed)
        plans = [Plan.draw(number, chance, 60_000) for number in range(250)]
        plans = [plan for plan in plans if plan.ending in CLEAN_ENDINGS]
        if side == "backend":
            with Chaos(backend, weather) as chaos:
                nginy = start_nginy(tcp_config([chaos.address], workers=2))
                sheet = asyncio.run(run_sessions(nginy.address(), [listener], plans, 24))
                wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all have ended")
        else:
            nginy = start_nginy(tcp_config([backend], workers=2))
            with Chaos(nginy.address(), weather) as chaos:
                sheet = asyncio.run(run_sessions(chaos.address, [listener], plans, 24))
        assert not sheet.wrong, "\n".join(sheet.wrong[:5])
        assert sheet.backend_done == len(plans)


def send_until_cut(sock: socket.socket, n_bytes: int, felt: list[str]) -> None:
    """Send so many zeros; note when a reset stops it."""
    try:
        sock.sendall(bytes(n_bytes))
    except ConnectionError:
        felt.append("reset")


@pytest.mark.parametrize("after_bytes", [1, 1000, 100_000, 1_000_000])
def test_a_network_that_resets_within_an_answer_never_makes_it_look_whole(
    start_nginy: StartNginy, start_peer: StartPeer, after_bytes: int
) -> None:
    peer = start_peer(echo)
    with Chaos(peer.address, Weather(reset_after_bytes=after_bytes)) as chaos:
        nginy = start_nginy(tcp_config([chaos.address]))
        for _ in range(5):
            with connect(nginy.address()) as sock:
                felt: list[str] = []
                sender = threading.Thread(target=send_until_cut, args=(sock, after_bytes, felt))
                sender.start()
                answer, end = read_to_end(sock)
                sender.join()
                # the kernel tells of a reset once: to the sender or to the reader
                assert "reset" in (end, *felt), f"an end in order after {len(answer)} bytes"
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all have ended")
        assert set(nginy.reasons()) <= {"back_reset", "front_reset"}


def test_a_network_that_falls_silent_ends_in_the_idle_timeout(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peer = start_peer(sink)
    with Chaos(peer.address, Weather(silent_after_bytes=1000)) as chaos:
        nginy = start_nginy(tcp_config([chaos.address], listener={"timeouts": {"idle": "400ms"}}))
        with connect(nginy.address()) as sock:
            sock.sendall(bytes(5000))
            how_it_ends(sock)
        wait_until(lambda: nginy.reasons() == {"idle": 1}, "cut as idle")


def test_a_slow_first_byte_is_waited_for(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peer = start_peer(echo)
    with Chaos(peer.address, Weather(latency_s=0.6)) as chaos:
        listener = {"timeouts": {"connect": "200ms", "idle": "5s"}}
        nginy = start_nginy(tcp_config([chaos.address], listener=listener))
        with connect(nginy.address()) as sock:
            sock.sendall(b"slow")
            sock.shutdown(socket.SHUT_WR)
            assert read_to_end(sock) == (b"slow", "eof")
        wait_until(lambda: nginy.reasons() == {"closed": 1}, "a clean end")
