"""HTTP and memory: who finds no buffer goes on when there is one, and what a crowd has touched goes back."""

import threading
from contextlib import ExitStack
from pathlib import Path

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import http_config
from tests.tools.nginy_process import Nginy
from tests.tools.proc import cpu_s
from tests.tools.sockets import connect
from tests.tools.waiting import wait_until
from tests.tools.web import Seen, Stream, answering, text

N_BUFFERS, BUFFER_BYTES = 4, 65536
N_HEADS, HALF_HEAD_BYTES = 400, 12_000
N_SILENT, TOUCHED_BYTES = 1500, 380  # session and exchange
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
POST = b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"4\r\nlast\r\n0\r\n\r\n"


def worker_counter(nginy: Nginy, name: str) -> int:
    (worker,) = nginy.workers()
    return int(worker["counters"][name])


def test_chunks_that_find_no_buffer_go_on_when_there_is_one(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    """Their last bytes are there by then, so that no event comes to tell of them."""
    may_end, seen = threading.Event(), Seen()

    def serve(sock) -> None:
        stream = Stream(sock)
        request = stream.head()
        if "stuck" in request.start:
            sock.sendall(CHUNKED + b"1000000\r\n" + bytes(1 << 24))
        elif "up" in request.start:
            request.body = b"".join(stream.chunks())
            seen.requests.append(request)
            sock.sendall(text(b"taken"))
        else:
            sock.sendall(CHUNKED + b"5\r\nfirst\r\n")
            may_end.wait(10)
            sock.sendall(LAST_CHUNK)

    runtime = {"buffers": N_BUFFERS * BUFFER_BYTES}
    nginy = start_nginy(http_config([start_peer(serve).address], runtime=runtime))
    with ExitStack() as stack:
        down, up = (Stream(stack.enter_context(connect(nginy.address()))) for _ in range(2))
        down.sock.sendall(b"GET /down HTTP/1.1\r\nHost: a\r\n\r\n")
        assert down.take_until(b"first\r\n").startswith(CHUNKED[:12])
        up.sock.sendall(POST)
        wait_until(lambda: nginy.backends("back")[0]["sessions_live"] == 2, "both are under way")
        with ExitStack() as crowd:
            for _ in range(N_BUFFERS):
                crowd.enter_context(connect(nginy.address())).sendall(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: worker_counter(nginy, "buffers_used") == N_BUFFERS, "all buffers are lent")
            may_end.set()
            up.sock.sendall(LAST_CHUNK)
            wait_until(lambda: worker_counter(nginy, "unbuffered") > 2, "both have looked for a buffer")
            (pid,) = nginy.worker_pids()
            before_s, before = cpu_s(pid), worker_counter(nginy, "unbuffered")
            wait_until(lambda: worker_counter(nginy, "unbuffered") > before + 20, "and look again")
            assert cpu_s(pid) - before_s < 0.1
            assert not seen.requests
        assert down.take_until(b"0\r\n\r\n") == LAST_CHUNK
        assert up.message().body == b"taken"
    assert [request.body for request in seen.requests] == [b"last"]


def test_the_memory_of_a_crowd_goes_back_when_it_has_left(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    """Of half a head each, and of sessions and exchanges that hold nothing else."""
    nginy = start_nginy(http_config([start_peer(answering(text())).address]))
    (pid,) = nginy.worker_pids()
    held = N_HEADS * HALF_HEAD_BYTES + N_SILENT * TOUCHED_BYTES

    def own_bytes() -> int:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon"))

    before = own_bytes()
    with ExitStack() as stack:
        for _ in range(N_SILENT):
            stack.enter_context(connect(nginy.address()))
        for _ in range(N_HEADS):
            stack.enter_context(connect(nginy.address())).sendall(b"GET /" + b"x" * HALF_HEAD_BYTES)
        wait_until(lambda: own_bytes() > before + held, "all of it is held")
    wait_until(lambda: own_bytes() < before + N_SILENT * TOUCHED_BYTES // 4, "nothing of it is held")


def test_more_streams_than_head_buffers_are_served_at_once(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    """A request's head is given back when its response begins, and not when it ends."""
    may_end = threading.Event()

    def serve(sock) -> None:
        Stream(sock).message()
        sock.sendall(CHUNKED + b"5\r\nfirst\r\n")
        may_end.wait(10)
        sock.sendall(LAST_CHUNK)

    runtime = {"buffers": N_BUFFERS * BUFFER_BYTES}
    nginy = start_nginy(http_config([start_peer(serve).address], runtime=runtime))
    with ExitStack() as stack:
        streams = [Stream(stack.enter_context(connect(nginy.address()))) for _ in range(5 * N_BUFFERS)]
        for stream in streams:
            stream.sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert stream.take_until(b"first\r\n").startswith(CHUNKED[:12])
        may_end.set()
        for stream in streams:
            assert stream.take_until(b"0\r\n\r\n") == LAST_CHUNK
