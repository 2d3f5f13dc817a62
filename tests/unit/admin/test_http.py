"""The HTTP door: read-only, loopback only, and its answers are those of control."""

import re
import socket
from http import HTTPStatus
from typing import Any

import pytest

from nginy.admin.http import is_local_name
from nginy.errors import ControlError, StartError
from tests.unit.admin.rig import loop_thread
from tests.unit.admin.site import Site, split
from tests.unit.observe.pictures import view


def test_metrics_come_as_prometheus_text(site: Site) -> None:
    status, headers, body = site.get("/metrics")
    assert status == HTTPStatus.OK
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert int(headers["content-length"]) == len(body)
    assert b'nginy_listener_sessions_total{listener="web"} 0.0\n' in body
    assert re.search(rb"^process_open_fds ", body, re.MULTILINE)


def test_healthz_and_readyz_follow_control(site: Site) -> None:
    assert site.get("/healthz")[::2] == (200, b"ok\n")
    assert site.get("/readyz")[::2] == (200, b"ready\n")
    site.source.picture = view(state="draining")
    assert site.get("/healthz")[0] == 200
    assert site.get("/readyz")[::2] == (503, b"nginy is draining\n")


def test_page_shows_the_names_and_runs_no_script(site: Site) -> None:
    status, headers, body = site.get("/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert b"10.0.0.1:80" in body
    assert b"<script" not in body


def test_head_has_the_headers_and_no_body(site: Site) -> None:
    _, headers, body = site.get("/healthz", method="HEAD")
    assert (headers["content-length"], body) == ("3", b"")


def test_a_query_does_not_change_the_place(site: Site) -> None:
    assert site.get("/healthz?x=1")[0] == 200
    assert site.get("/readyz?strict")[0] == 200


@pytest.mark.parametrize(
    "path", ["/metrics/", "//metrics", "/../metrics", "/%6detrics", "/config", "/metrics%00"]
)
def test_other_paths_are_not_there(site: Site, path: str) -> None:
    assert site.get(path)[0] == 404


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9901", "localhost.", "127.0.0.1", "127.8.9.1:1", "[::1]", "[::1]:9901"]
)
def test_loopback_names_are_served(site: Site, host: str) -> None:
    assert site.get("/healthz", host=host)[0] == 200


def test_a_page_of_this_machine_may_ask(site: Site) -> None:
    assert site.get("/metrics", "Origin: http://localhost:3000")[0] == 200


def test_http_1_0_without_host_is_answered_and_closed(site: Site) -> None:
    assert split(site.send(b"GET /healthz HTTP/1.0\r\n\r\n"))[::2] == (200, b"ok\n")


def test_one_connection_serves_many_requests_also_pipelined(site: Site) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with site.connect() as sock:
        for _ in range(5):
            sock.sendall(request)
            assert split(sock.recv(65536))[::2] == (200, b"ok\n")
        sock.sendall(request * 3)
        text = b""
        while text.count(b"\r\n\r\nok\n") < 3:
            text += sock.recv(65536)


def test_not_ready_and_not_found_keep_the_connection(site: Site) -> None:
    site.source.picture = view(state="starting")
    with site.connect() as sock:
        for path, status in (("/readyz", 503), ("/nothing", 404), ("/healthz", 200)):
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert split(sock.recv(65536))[0] == status


def test_before_the_start_the_answer_is_503_with_the_reason(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Any:
        raise ControlError("nginy is starting")

    monkeypatch.setattr(site.source, "view", refuse)
    assert site.get("/metrics")[::2] == (503, b"nginy is starting\n")
    assert site.get("/")[0] == 503
    assert site.get("/readyz")[::2] == (503, b"nginy is starting\n")
    assert site.get("/healthz")[0] == 200


def test_an_error_inside_is_500_and_the_door_stays_open(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.source, "picture", None)
    assert site.get("/metrics")[0] == 500
    assert site.get("/healthz")[0] == 200


def test_ipv6_loopback_is_served() -> None:
    with loop_thread() as rig:
        site = Site(rig, "[::1]:0")
        assert re.fullmatch(r"\[::1\]:\d+", site.http.address)
        assert site.get("/healthz", host=site.http.address)[0] == 200
        rig.run(site.http.stop())


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "example.org:1", "127.0.0.1", ":1", "127.0.0.1:x"]
)
def test_no_other_address_than_loopback_is_opened(bind: str) -> None:
    with loop_thread() as rig, pytest.raises(StartError, match=r"is not a loopback address"):
        Site(rig, bind)


def test_a_taken_port_is_one_clear_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, loop_thread() as rig:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(StartError, match=f"admin.http: cannot listen on {bind}: already in use"):
            Site(rig, bind)


def test_stop_closes_clients_and_the_port() -> None:
    with loop_thread() as rig:
        site = Site(rig)
        with site.connect() as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            sock.recv(65536)
            rig.run(site.http.stop())
            assert sock.recv(100) == b""
        with pytest.raises(ConnectionRefusedError):
            site.connect()


def test_is_local_name_needs_no_host_at_all() -> None:
    assert is_local_name("")
