"""The HTTP exchange of a check: every kind of answer, and none."""

import time

import pytest

from nginy.backend import check as check_module
from nginy.backend.check import HEAD_BYTES, check

from .conftest import Run
from .peers import Talk, hang_up, http, listening, peer, says, silent, target, trickles

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (OK, "http 200 in "),
        (b"HTTP/1.0 204 No Content\r\n\r\n", "http 204 in "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "http 200 in "),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "http 200 in "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nshort", "http 200 in "),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, "http 200 in "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 8000 + b"\r\n\r\n", "http 200 in "),
    ],
    ids=["length", "http10", "chunked", "no-length", "body-cut", "informational", "large-head"],
)
def test_http_check_expected_status_passes(run: Run, answer: bytes, text: str) -> None:
    async def scenario() -> None:
        async with peer(says(answer)) as backend:
            result = await check(target(backend.address, http()))
            assert result.is_ok, result
            assert result.text.startswith(text)

    run(scenario)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "http 503, expected 200-299, 404"),
        (b"HTTP/1.1 300 Many\r\n\r\n", "http 300, expected 200-299, 404"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200", "closed inside the answer"),
        (b"HTTP/1.1 200 OK\r\nX: 1\r\n", "closed inside the answer"),
        (b"+PONG\r\n\r\n", "not http: "),
        (b"\x00" * 100 + b"\r\n\r\n", "not http: "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (2 * HEAD_BYTES), "not http: "),
        (b"HTTP/1.1 103 Early\r\n\r\n" * HEAD_BYTES, "not http: "),
    ],
    ids=["503", "300", "nothing", "half-line", "half-head", "redis", "zeros", "endless-head", "endless-103"],
)
def test_http_check_anything_else_fails_and_says_why(run: Run, answer: bytes, text: str) -> None:
    async def scenario() -> None:
        async with peer(says(answer)) as backend:
            result = await check(target(backend.address, http(("200-299", "404"))))
            assert (result.is_ok, result.is_void) == (False, False)
            assert result.text.startswith(text), result
            assert len(result.text) <= check_module.TEXT_MAX
            assert result.text.isprintable()

    run(scenario)


def test_http_check_status_beside_a_range_is_accepted(run: Run) -> None:
    async def scenario() -> None:
        async with peer(says(b"HTTP/1.1 404 No\r\n\r\n")) as backend:
            assert (await check(target(backend.address, http(("200-299", "404"))))).is_ok

    run(scenario)


def test_http_check_request_is_as_configured(run: Run) -> None:
    async def scenario() -> None:
        asked: list[bytes] = []
        async with peer(says(OK, asked)) as backend:
            await check(target(backend.address, http(path="/up?now=1")))
            await check(target(backend.address, http(), host="api.example:80"))
            await check(target(backend.address, http(method="HEAD", host="named"), host="api.example:80"))
        lines = [request.decode().split("\r\n") for request in asked]
        assert [line[0] for line in lines] == ["GET /up?now=1 HTTP/1.1", "GET / HTTP/1.1", "HEAD / HTTP/1.1"]
        hosts = [header for head in lines for header in head if header.lower().startswith("host:")]
        assert [host.partition(": ")[2] for host in hosts] == [backend.address, "api.example:80", "named"]
        assert all("connection: close" in request.decode().lower() for request in asked)

    run(scenario)


def test_http_check_head_answer_with_a_length_and_no_body_passes(run: Run) -> None:
    async def scenario() -> None:
        async with peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")) as backend:
            assert (await check(target(backend.address, http(method="HEAD")))).is_ok

    run(scenario)


@pytest.mark.parametrize("talk", [silent, trickles(OK, 0.02)], ids=["silent", "slow-bytes"])
def test_http_check_total_time_is_bounded(run: Run, talk: Talk) -> None:
    async def scenario() -> None:
        async with peer(talk) as backend:
            began_s = time.monotonic()
            result = await check(target(backend.address, http(timeout=0.15)))
            assert (result.is_ok, result.text) == (False, "timed out after 150 ms")
            assert 0.14 <= time.monotonic() - began_s < 5

    run(scenario)


def test_http_check_slow_bytes_within_the_timeout_pass(run: Run) -> None:
    async def scenario() -> None:
        async with peer(trickles(OK, 0.001)) as backend:
            result = await check(target(backend.address, http()))
            assert result.is_ok, result

    run(scenario)


def test_http_check_nobody_accepting_times_out(run: Run) -> None:
    async def scenario() -> None:
        with listening() as address:
            result = await check(target(address, http(timeout=0.1)))
            assert (result.is_ok, result.text) == (False, "timed out after 100 ms")

    run(scenario)


def test_http_check_backend_that_hangs_up_fails(run: Run) -> None:
    async def scenario() -> None:
        async with peer(hang_up) as backend:
            result = await check(target(backend.address, http()))
            assert not result.is_ok
            assert result.text in ("closed without an answer", "reset")

    run(scenario)
