"""What is counted of HTTP, pool by pool, is what clients got: also when a worker dies, and when nobody reads it."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import http_config
from tests.flow.test_metrics import samples, total
from tests.tools.nginy_process import Nginy, Tree, http_get
from tests.tools.sockets import connect, free_port, reset
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Stream, answering, text

ADMIN = {"http": {"bind": "127.0.0.1:0"}}
STATUSES = (200, 200, 200, 204, 302, 404, 404, 500)


def say(request: Message) -> bytes:
    """The status that the path asks for; `/slow` takes a moment, `/lost` gets nothing, `/part` half of it."""
    what = request.start.split()[1].strip("/")
    if what == "lost":
        return b""
    if what == "slow":
        time.sleep(0.06)
        return text(b"late")
    status = int(what)
    return text(b"" if status == 204 else b"x" * 100, f"HTTP/1.1 {status} Said")


def pool_counts(nginy: Nginy, name: str = "back") -> Tree:
    """What `status` says of requests to a pool."""
    return next(pool["http"] for pool in nginy.status()["pools"] if pool["name"] == name)


def ask_all(nginy: Nginy, paths: Iterator[str] | list[str], *, n_clients: int = 4) -> Counter[str]:
    """Ask for these paths by turns of some clients; responses by class, as they came."""
    got: Counter[str] = Counter()
    socks = [connect(nginy.address()) for _ in range(n_clients)]
    streams = [Stream(sock) for sock in socks]
    for nth, path in enumerate(paths):
        sock, stream = socks[nth % n_clients], streams[nth % n_clients]
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        got[f"{stream.message().status // 100}xx"] += 1
    for sock in socks:
        sock.close()
    return got


def test_counts_are_what_clients_got_also_across_the_death_of_a_worker(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    backends = [start_peer(answering(say)).address for _ in range(2)]
    nginy = start_nginy(http_config(backends, workers=2, admin=ADMIN))
    got = ask_all(nginy, [f"/{status}" for status in STATUSES * 10])

    def whole() -> int:
        return int(total(samples(nginy), "nginy_http_pool_request_seconds_count", pool="back"))

    wait_until(lambda: whole() == len(STATUSES) * 10, "all are counted")
    victim = nginy.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in nginy.worker_pids() and len(nginy.worker_pids()) == 2, "replaced")
    got += ask_all(nginy, [f"/{status}" for status in STATUSES * 5])
    wait_until(lambda: whole() == len(STATUSES) * 15, "all are counted, and none twice")
    found = samples(nginy)
    assert got == {"2xx": 60, "3xx": 15, "4xx": 30, "5xx": 15}
    for kind in ("1xx", "2xx", "3xx", "4xx", "5xx"):
        assert total(found, "nginy_http_pool_responses_total", **{"pool": "back", "class": kind}) == got[kind]
    assert total(found, "nginy_http_pool_first_byte_seconds_count") == len(STATUSES) * 15
    assert total(found, "nginy_http_pool_bytes_total", direction="out") == total(
        found, "nginy_listener_bytes_total", direction="out"
    )
    assert total(found, "nginy_http_pool_reuses_total") == total(found, "nginy_http_reuses_total") > 100
    counts = pool_counts(nginy)
    assert counts["responses"] == dict(got)
    assert (counts["unanswered"], counts["cut"], counts["own"]) == (0, 0, 0)
    nginy.is_same_at_end = False


def test_times_lie_in_the_bucket_that_they_took(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(http_config([start_peer(answering(say)).address], admin=ADMIN))
    begin_s = time.monotonic()
    ask_all(nginy, ["/slow"] * 3, n_clients=1)
    took_s = time.monotonic() - begin_s
    wait_until(lambda: nginy.metric("nginy_http_pool_request_seconds_count") == 3, "counted")
    found = samples(nginy)
    for family in ("nginy_http_pool_request_seconds", "nginy_http_pool_first_byte_seconds"):
        assert total(found, f"{family}_bucket", le="0.05") == 0
        assert total(found, f"{family}_bucket", le="60") == 3
        assert 3 * 0.06 <= total(found, f"{family}_sum") <= took_s


def test_responses_of_our_own_for_a_pool_are_told_apart(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    backends = [start_peer(answering(say)).address, f"127.0.0.1:{free_port()}"]
    config = http_config(backends, listener={"routes": ROUTES})
    del config["listeners"]["front"]["pool"]
    nginy = start_nginy(config)
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for method, path in (("POST", "/lost"), ("GET", "/200"), ("GET", "/200"), ("GET", "/fine"), ("GET", "/200")):
            sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
            stream.message()
    counts = pool_counts(nginy)
    assert counts["responses"] == {"2xx": 3, "5xx": 1}, "a response of a route is of no pool"
    assert (counts["own"], counts["unanswered"], counts["cut"]) == (1, 0, 0)
    assert counts["retried"] >= 1, "one of the two backends is not there"


ROUTES = [{"path": "/fine", "respond": {"body": "fine"}}, {"path": "/", "pool": "back"}]


@pytest.mark.parametrize("is_begun", [False, True], ids=["unanswered", "cut"])
def test_a_client_that_leaves_is_counted(start_nginy: StartNginy, start_peer: StartPeer, is_begun: bool) -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf" if is_begun else b""
    asked: list[Message] = []

    def serve(sock: object) -> None:
        stream = Stream(sock)  # type: ignore[arg-type]
        asked.append(stream.message())
        stream.sock.sendall(begun)
        while stream.more():
            pass

    nginy = start_nginy(http_config([start_peer(serve).address]))
    with connect(nginy.address()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if is_begun:
            assert Stream(sock).head().status == 200
        wait_until(lambda: len(asked) == 1, "the backend has it")
        reset(sock)
    wait_until(lambda: not nginy.listener("front")["sessions_live"], "it is gone")
    counts = pool_counts(nginy)
    wanted = ({"2xx": 1}, 0, 1) if is_begun else ({}, 1, 0)
    assert (counts["responses"], counts["unanswered"], counts["cut"]) == wanted


def test_a_change_of_protocol_is_counted_and_is_not_cut(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def serve(sock: object) -> None:
        stream = Stream(sock)  # type: ignore[arg-type]
        stream.message()
        stream.sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: mine\r\nConnection: upgrade\r\n\r\n")
        while stream.more():
            pass

    nginy = start_nginy(http_config([start_peer(serve).address], admin=ADMIN))
    with connect(nginy.address()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: mine\r\nConnection: upgrade\r\n\r\n")
        assert Stream(sock).head().status == 101
        reset(sock)
    wait_until(lambda: not nginy.listener("front")["sessions_live"], "it is gone")
    counts = pool_counts(nginy)
    assert (counts["responses"], counts["unanswered"], counts["cut"]) == ({"1xx": 1}, 0, 0)
    assert nginy.metric("nginy_http_pool_request_seconds_count") == 0


def test_the_last_seconds_of_a_pool_are_shown_in_status_and_on_the_page(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    nginy = start_nginy(http_config([start_peer(answering(say)).address], admin=ADMIN))
    paths = chain.from_iterable([f"/{status}"] * 5 for status in STATUSES)
    ask_all(nginy, paths)

    def recent() -> Tree:
        return pool_counts(nginy)["recent"] or {}

    wait_until(lambda: recent().get("requests_per_s", 0) > 0, "a second look")
    found = recent()
    assert found["error_share"] == pytest.approx(1 / 8, abs=0.001)
    assert 0 < found["p50_ms"] <= found["p99_ms"] < 1000
    page = http_get(nginy.http_address(), "/")[1]
    assert "HTTP by pool" in page and "2xx 20" in page and "12.5%" in page


def test_a_pool_that_only_tcp_leads_to_has_no_requests(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    config = http_config([start_peer(answering(say)).address])
    config["pools"]["other"] = {"backends": [f"127.0.0.1:{free_port()}"]}
    config["listeners"]["tcp"] = {"bind": "127.0.0.1:0", "pool": "other"}
    nginy = start_nginy(config)
    assert pool_counts(nginy, "other") is None
    assert pool_counts(nginy)["responses"] == {}
