"""Nine thousand clients at once: at rest they cost next to nothing; slow ones are cut in time, others are served."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import GET, http_config
from tests.tools.nginy_process import Nginy
from tests.tools.proc import cpu_s
from tests.tools.sockets import connect
from tests.tools.waiting import wait_until
from tests.tools.web import Stream, answering, text

N_CLIENTS, N_UPLOADS = 9000, 200
N_HEADS = 1000  # that are begun: each holds a buffer
IDLE_S, IDLE_CPU_MAX, CLIENT_BYTES_MAX = 2.0, 0.01, 600
HEAD_S, BODY_S, LATE_S = 2.0, 2.0, 1.5
SERVED_S = 1.0
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"


def own_bytes(pid: int) -> int:
    """Of the program alone, in memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon"))


def crowd(nginy: Nginy, stack: ExitStack, n_clients: int) -> list[socket.socket]:
    """Each has had one response and is kept alive."""
    address = nginy.address()
    socks = []
    for _ in range(n_clients):
        socks.append(stack.enter_context(connect(address)))
        socks[-1].sendall(GET)  # at once: their time for a head runs already
    for sock in socks:
        assert Stream(sock).message().status == 200
    return socks


@contextmanager
def served_meanwhile(nginy: Nginy) -> Iterator[list[float]]:
    """Somebody else asks again and again, each time on a new connection; how long each took, in seconds."""
    took_s: list[float] = []
    wrong: list[BaseException] = []
    is_over = threading.Event()
    address = nginy.address()

    def ask() -> None:
        try:
            while not is_over.wait(0.02):
                begin_s = time.monotonic()
                with connect(address) as sock:
                    sock.sendall(GET)
                    assert Stream(sock).message().status == 200
                took_s.append(time.monotonic() - begin_s)
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took_s
    finally:
        is_over.set()
        thread.join()
    assert not wrong, wrong


def cut_times(socks: dict[socket.socket, bytes], pause_s: float) -> dict[socket.socket, float]:
    """Say one more byte to each at every pause, and tell when nginy answered it, in seconds from now."""
    poller = select.epoll()
    by_fd = {sock.fileno(): sock for sock in socks}
    at = dict.fromkeys(socks, 0)
    for fd in by_fd:
        poller.register(fd, select.EPOLLIN)
    begin_s = next_s = time.monotonic()
    answered_s: dict[socket.socket, float] = {}
    while len(answered_s) < len(socks):
        now_s = time.monotonic()
        assert now_s < begin_s + HEAD_S + BODY_S + 10, f"{len(socks) - len(answered_s)} were never cut"
        if now_s >= next_s:
            next_s = now_s + pause_s
            for sock, words in socks.items():
                if sock not in answered_s:
                    sock.send(words[at[sock] : at[sock] + 1])
                    at[sock] += 1
        for fd, _ in poller.poll(0.05):
            poller.unregister(fd)
            answered_s[by_fd[fd]] = time.monotonic() - begin_s
    poller.close()
    return answered_s


def test_nine_thousand_at_rest_cost_little_and_slow_ones_are_cut_in_time(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    timeouts = {"head": f"{HEAD_S:g}s", "body": f"{BODY_S:g}s", "keep_alive": "5m"}
    config = http_config([start_peer(answering(text())).address], listener={"timeouts": timeouts})
    nginy = start_nginy(config, before=["prlimit", "--nofile=20000:20000"])
    (pid,) = nginy.worker_pids()
    with ExitStack() as stack:
        crowd(nginy, stack, 1)
        before = own_bytes(pid)
        socks = crowd(nginy, stack, N_CLIENTS)
        wait_until(lambda: own_bytes(pid) < before + N_CLIENTS * CLIENT_BYTES_MAX, "each holds little")
        before_s = cpu_s(pid)
        threading.Event().wait(IDLE_S)
        assert cpu_s(pid) - before_s < IDLE_S * IDLE_CPU_MAX

        heads = dict.fromkeys(socks[:N_HEADS], GET * 10)
        for sock in socks[N_HEADS : N_HEADS + N_UPLOADS]:
            sock.sendall(UPLOAD)
        with served_meanwhile(nginy) as took_s:
            cut_s = cut_times(heads, 0.1)
            wait_until(lambda: len(took_s) > 20, "others are served")
        assert max(took_s) < SERVED_S
        assert min(cut_s.values()) > HEAD_S - 0.1
        assert max(cut_s.values()) < HEAD_S + LATE_S
        said = {Stream(sock).message().start for sock in heads}
        assert said == {"HTTP/1.1 408 Request Timeout"}
        stalled = {Stream(sock).message().status for sock in socks[N_HEADS : N_HEADS + N_UPLOADS]}
        assert stalled == {408}
        counts = nginy.listener("front")["http"]["own"]
        assert counts["head_timeout"] == N_HEADS
        assert sum(counts.values()) == N_HEADS + N_UPLOADS
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all have left")
