"""Whoever means ill gets an error or the end, and never the metrics."""

import contextlib
import random
import re
import socket
import time

import pytest

from nginy.admin import exchange
from nginy.admin.http import CLIENTS_MAX
from tests.tools.waiting import wait_until
from tests.unit.admin.rig import loop_thread
from tests.unit.admin.site import Site, split


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(site: Site, method: str) -> None:
    status, headers, _ = site.get("/metrics", method=method)
    assert (status, headers["allow"], headers["connection"]) == (405, "GET, HEAD", "close")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9901", "localhost.evil.example", "127.0.0.1.nip.example", "10.0.0.1",
     "0.0.0.0", "[::2]", "user@evil.example", "localhost@evil.example", "[::1", "127.1", "xn--lcalhost"],
)  # fmt: skip
def test_a_name_that_an_attacker_could_point_here_is_refused(site: Site, host: str) -> None:
    status, _, body = site.get("/metrics", host=host)
    assert status == 421
    assert b"nginy_" not in body


def test_the_host_of_an_absolute_target_counts(site: Site) -> None:
    assert site.get("http://localhost/healthz", host="localhost")[0] == 200
    assert site.get("http://evil.example/healthz", host="localhost")[0] == 421
    assert site.get("http://[::1/healthz", host="localhost")[0] == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://[::1"])
def test_pages_of_other_sites_are_refused(site: Site, origin: str) -> None:
    assert site.get("/metrics", f"Origin: {origin}")[0] == 403


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        b"GET /heal thz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_broken_requests_get_400_and_the_end(site: Site, request_: bytes) -> None:
    status, headers, _ = split(site.send(request_))
    assert (status, headers["connection"]) == (400, "close")


def test_random_bytes_get_an_answer_or_the_end_and_never_metrics_for_others(site: Site, seed: int) -> None:
    dice = random.Random(seed)
    whole = b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    evil = whole.index(b"evil")
    for _ in range(150):
        text = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            place = dice.choice([spot for spot in range(len(text)) if not evil <= spot < evil + 12])
            text[place] = dice.choice(b"\r\n :/\0\xff0aGPH")
        with site.connect() as sock:
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while part := sock.recv(65536):
                    received += part
        assert received == b"" or received.startswith(b"HTTP/1.1 ")
        assert b"nginy_config_generation 1" not in received or b"evil.example" not in hosts_of(text)
    assert site.get("/healthz")[0] == 200


def hosts_of(request: bytearray) -> bytes:
    """The value of the Host header, if there still is one."""
    found = re.search(rb"\r?\nHost:[ \t]*([^\r\n]*)", bytes(request), re.IGNORECASE)
    return found[1] if found else b""


@pytest.mark.parametrize("announced", ["Content-Length: 1000000000", "Transfer-Encoding: chunked"])
def test_a_body_is_refused_before_it_is_read(site: Site, announced: str) -> None:
    began_s = time.monotonic()
    assert site.get("/metrics", announced)[0] == 413
    assert time.monotonic() - began_s < 3


def test_a_refused_body_that_comes_all_the_same_does_not_reset_the_answer(site: Site) -> None:
    with site.connect() as sock:
        sock.sendall(b"PUT /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        answer = sock.recv(65536)
        for _ in range(10):
            sock.sendall(b"b" * 10_000)
        assert split(answer)[0] == 413
        assert sock.recv(100) == b""


def test_a_head_too_large_is_refused(site: Site) -> None:
    status = site.get("/healthz", f"X-Long: {'x' * exchange.HEAD_MAX_BYTES * 3}")[0]
    assert status == 431


def test_a_head_without_end_is_cut_off(site: Site) -> None:
    with site.connect() as sock:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(10_000):
                sock.sendall(b"x" * 1000)


def test_a_slow_head_is_cut_at_the_deadline_however_it_drips() -> None:
    with loop_thread() as rig, Site(rig, head_timeout_s=0.3).connect() as sock:
        began_s = time.monotonic()
        sock.settimeout(0.05)
        sock.sendall(b"GET /healthz HTTP/1.1\r\n")

        def is_closed() -> bool:
            try:
                sock.sendall(b"X: y\r\n")
                return sock.recv(100) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_until(is_closed, "the connection is cut", 5)
        assert 0.25 < time.monotonic() - began_s < 3


def test_clients_beyond_the_bound_are_turned_away(site: Site) -> None:
    crowd = [site.connect() for _ in range(CLIENTS_MAX)]
    for sock in crowd:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sock.recv(65536)
    assert site.send(b"GET /healthz HTTP/1.0\r\n\r\n") == b""
    crowd.pop().close()
    wait_until(lambda: site.send(b"GET /healthz HTTP/1.0\r\n\r\n"), "a place is free again")
    for sock in crowd:
        sock.close()
