"""What Prometheus and load balancers in front of us read."""

import os
import signal

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy, http_get
from tests.tools.peers import Peer, echo
from tests.tools.sockets import ask, connect, end_of, free_port, recv_exact
from tests.tools.waiting import wait_until

HTTP = {"http": {"bind": "127.0.0.1:0"}}
CHECK = {"kind": "tcp", "interval": "100ms", "rise": 1, "fall": 1}


def samples(nginy: Nginy) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of /metrics by name and labels."""
    code, text = http_get(nginy.http_address(), "/metrics")
    assert code == 200
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def total(found: dict, name: str, **labels: str) -> float:
    """The sum over all samples with these labels."""
    wanted = set(labels.items())
    return sum(value for (sample, has), value in found.items() if sample == name and wanted <= has)


def test_metrics_agree_with_what_was_done(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2, admin=HTTP))
    for _ in range(50):
        ask(nginy.address(), b"12345")
    with connect(nginy.address()) as sock:
        sock.sendall(b"1")
        recv_exact(sock, 1)
        wait_until(lambda: total(samples(nginy), "nginy_session_ends_total", reason="closed") == 50, "fifty ends")
        found = samples(nginy)
    assert total(found, "nginy_listener_sessions_total", listener="front") == 51
    assert total(found, "nginy_listener_sessions_live", listener="front") == 1
    assert total(found, "nginy_listener_bytes_total", direction="in") == 251
    assert total(found, "nginy_listener_bytes_total", direction="out") == 251
    assert total(found, "nginy_backend_sessions_total", pool="back") == 51
    assert total(found, "nginy_backend_attempts_total", outcome="connected") == 51
    assert total(found, "nginy_backend_connect_seconds_count") == 51
    assert total(found, "nginy_worker_sessions_live") == 1


def test_a_histogram_is_cumulative_and_complete(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], admin=HTTP))
    for _ in range(30):
        ask(nginy.address(), b"x")
    buckets = sorted(
        (float(dict(labels)["le"].replace("+Inf", "inf")), value)
        for (name, labels), value in samples(nginy).items()
        if name == "nginy_backend_connect_seconds_bucket"
    )
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert (buckets[-1][0], counts[-1]) == (float("inf"), 30)


def test_health_shows_in_metrics_and_readiness(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peer = start_peer(echo)
    nginy = start_nginy(tcp_config([peer.address], pool={"health": CHECK}, admin=HTTP))
    wait_until(lambda: http_get(nginy.http_address(), "/readyz")[0] == 200, "ready")
    assert http_get(nginy.http_address(), "/healthz")[0] == 200
    peer.stop_listening()
    wait_until(lambda: http_get(nginy.http_address(), "/readyz")[0] == 503, "not ready without a backend")
    assert http_get(nginy.http_address(), "/healthz")[0] == 200
    assert total(samples(nginy), "nginy_backend_verdict", verdict="down") == 1


def test_the_admin_page_only_answers_reads_by_a_loopback_name(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], admin=HTTP))
    address = nginy.http_address()
    for request in (
        f"POST /metrics HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        with connect(address) as sock:
            sock.sendall(request.encode())
            assert sock.recv(4096).split()[1][:1] == b"4", request


def test_counters_do_not_go_back_over_a_worker_death_or_a_reload(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2, admin=HTTP))
    for _ in range(40):
        ask(nginy.address(), b"x")
    wait_until(lambda: nginy.reasons() == {"closed": 40}, "forty ends")
    victim = nginy.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in nginy.worker_pids() and len(nginy.worker_pids()) == 2, "replaced")
    assert total(samples(nginy), "nginy_listener_sessions_total") == 40
    assert total(samples(nginy), "nginy_worker_deaths_total") == 1
    nginy.reload(tcp_config([backend.address, f"127.0.0.1:{free_port()}"], workers=2, admin=HTTP))
    assert total(samples(nginy), "nginy_listener_sessions_total") == 40
    nginy.is_same_at_end = False


def test_a_client_that_is_refused_is_counted_once(start_nginy: StartNginy) -> None:
    config = tcp_config([f"127.0.0.1:{free_port()}"], listener={"limits": {"retries": 0}}, admin=HTTP)
    nginy = start_nginy(config)
    for _ in range(5):
        assert end_of(nginy.address()) == "reset"
    found = samples(nginy)
    assert total(found, "nginy_listener_sessions_total") == total(found, "nginy_session_ends_total") == 5
