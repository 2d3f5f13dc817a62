"""curl, wrk, aiohttp, WebSockets and server-sent events through nginy's HTTP to gunicorn, uvicorn and nginx."""

import asyncio
import hashlib
import random
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import aiohttp
import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed

from tests.conftest import check_end
from tests.tools import leaks, servers, web_servers
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.readings import Reading, reading_of
from tests.tools.sockets import connect
from tests.tools.web import Stream
from tests.tools.web_apps import N_EVENTS

BIG = random.Random(2).randbytes(10 << 20)
BIG_SUM = hashlib.sha256(BIG).hexdigest()
APPLICATIONS = ("gunicorn", "uvicorn")


@contextmanager
def house(backends: dict[str, str]) -> Iterator[dict[str, str]]:
    """One nginy with an HTTP listener for each backend; at the end it has to be at rest and to leave nothing."""
    tree = tcp_config([], workers=2)
    listener = tree["listeners"]["front"] | {"protocol": "http"}
    pool = tree["pools"]["back"] | {"http": {"idle": "300ms"}}
    tree["listeners"] = {name: listener | {"pool": name} for name in backends}
    tree["pools"] = {name: pool | {"backends": [address]} for name, address in backends.items()}
    nginy = Nginy(tree).start()
    try:
        rest = leaks.rest_of(nginy)
        yield {name: nginy.address(name) for name in backends}
        check_end(nginy, rest)
    finally:
        nginy.clean_up()


@pytest.fixture(scope="module")
def direct() -> Iterator[dict[str, str]]:
    """The backends' own addresses."""
    with ExitStack() as stack:
        found = {
            "gunicorn": stack.enter_context(web_servers.gunicorn()),
            "uvicorn": stack.enter_context(web_servers.uvicorn("httptools", "websockets")),
            "nginx": stack.enter_context(servers.http("n", {"big": BIG, "small": b"x" * 512})),
        }
        found["behind-nginx"] = stack.enter_context(web_servers.nginx_gateway(found["gunicorn"]))
        found["behind-haproxy"] = stack.enter_context(web_servers.haproxy_gateway(found["gunicorn"]))
        yield found


@pytest.fixture(scope="module")
def through(direct: dict[str, str]) -> Iterator[dict[str, str]]:
    """nginy's listeners in front of them."""
    with house(direct) as found:
        yield found


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("web") / "big"
    path.write_bytes(BIG)
    return str(path)


def curl(*words: str) -> str:
    """What it says; AssertionError for a response with an error."""
    return servers.run([servers.need("curl"), "-sS", "--fail", "--max-time", "60", *words])


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_reads_what_curl_asks(through: dict[str, str], name: str) -> None:
    address = through[name]
    said = curl("-X", "PATCH", "--data-binary", "some body", f"http://{address}/a%20b/?c=d&e")
    assert reading_of(said.encode()) == Reading(b"PATCH", b"/a%20b/?c=d&e", address.encode(), b"some body")


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("coding", [[], ["-H", "Transfer-Encoding: chunked"]], ids=["length", "chunked"])
def test_curl_uploads_ten_megabytes_after_100_continue(
    through: dict[str, str], big: str, name: str, coding: list[str]
) -> None:
    said = curl("-i", "--expect100-timeout", "30", "-H", "Expect: 100-continue", *coding, "-T", big,
                f"http://{through[name]}/sum")  # fmt: skip
    assert said.startswith("HTTP/1.1 100 Continue"), said
    assert said.endswith(BIG_SUM)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_curl_gets_back_what_it_uploads_chunk_by_chunk(
    through: dict[str, str], big: str, name: str, tmp_path: Path
) -> None:
    got = tmp_path / "got"
    curl("-H", "Transfer-Encoding: chunked", "-T", big, "-o", str(got), f"http://{through[name]}/back")
    assert got.read_bytes() == BIG


@pytest.mark.parametrize("name", [*APPLICATIONS, "nginx"])
def test_curl_of_http_1_0_is_answered_and_its_connection_ends(through: dict[str, str], name: str) -> None:
    said = curl("-i", "--http1.0", f"http://{through[name]}/name")
    assert said.split()[1] == "200"
    assert "connection: keep-alive" not in said.lower()


def test_curl_of_http_1_0_downloads_a_large_chunked_body_whole(
    through: dict[str, str], big: str, tmp_path: Path
) -> None:
    got = tmp_path / "got"
    curl("--http1.0", "--data-binary", f"@{big}", "-H", "Expect:", "-o", str(got), f"http://{through['gunicorn']}/back")
    assert got.read_bytes() == BIG


def test_curl_keeps_one_connection_for_several_requests(through: dict[str, str]) -> None:
    url = f"http://{through['nginx']}"
    said = curl("-w", "%{num_connects} ", *["-o", "/dev/null"] * 3, f"{url}/name", f"{url}/small", f"{url}/big")
    assert said.split() == ["1", "0", "0"]


def test_curl_asks_for_the_head_alone_and_goes_on(through: dict[str, str]) -> None:
    url = f"http://{through['nginx']}/big"
    said = curl("-I", "-w", "%{num_connects}", url, url)
    assert said.count(f"Content-Length: {len(BIG)}") == 2
    assert said.endswith("0")


def test_curl_gets_a_large_file_and_a_part_of_it(through: dict[str, str], tmp_path: Path) -> None:
    got = tmp_path / "got"
    curl("-o", str(got), f"http://{through['nginx']}/big")
    assert got.read_bytes() == BIG
    curl("-r", "1000000-4999999", "-o", str(got), f"http://{through['nginx']}/big")
    assert got.read_bytes() == BIG[1_000_000:5_000_000]


@pytest.mark.parametrize("words", [[], ["-H", "Connection: close"]], ids=["kept", "closed"])
def test_wrk_sees_no_error(through: dict[str, str], words: list[str]) -> None:
    said = servers.run([servers.need("wrk"), "-t2", "-c64", "-d2s", *words, f"http://{through['nginx']}/small"])
    done = re.search(r"(\d+) requests in", said)
    assert done and int(done[1]) > 500, said
    assert "Socket errors" not in said and "Non-2xx" not in said, said


@pytest.mark.parametrize("name", APPLICATIONS)
def test_aiohttp_makes_many_requests_at_once(through: dict[str, str], name: str, seed: int) -> None:
    chance = random.Random(seed)
    bodies = [chance.randbytes(chance.choice((0, 1, 5000, 100_000))) for _ in range(200)]

    async def ask(client: aiohttp.ClientSession, body: bytes, *, is_chunked: bool) -> str:
        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 7000):
                yield body[start : start + 7000]

        url = f"http://{through[name]}/sum"
        async with client.post(url, data=parts() if is_chunked else body) as answer:
            assert answer.status == 200
            return await answer.text()

    async def ask_all() -> list[str]:
        connector = aiohttp.TCPConnector(limit=20)
        async with aiohttp.ClientSession(connector=connector) as client:
            asked = [ask(client, body, is_chunked=bool(number % 2)) for number, body in enumerate(bodies)]
            return await asyncio.gather(*asked)

    assert asyncio.run(ask_all()) == [hashlib.sha256(body).hexdigest() for body in bodies]


def conversation(address: str) -> list[object]:
    """What a WebSocket hears, up to the code and reason of its end."""
    heard: list[object] = []
    with websockets.sync.client.connect(f"ws://{address}/talk", max_size=None) as ws:
        heard.append(ws.response.status_code)
        for said in ("a", "ü" * 1000, b"", BIG[: 1 << 20], BIG[:70_000]):
            ws.send(said)
            heard.append(ws.recv(timeout=15))
        ws.send(iter(["in ", "three ", "parts"]))
        heard.append(ws.recv(timeout=15))
        heard.append(ws.ping(b"there?").wait(15))
        ws.send("bye")
        try:
            heard.append(ws.recv(timeout=15))
        except ConnectionClosed as end:
            heard += [end.rcvd and end.rcvd.code, end.rcvd and end.rcvd.reason]
    return heard


def test_a_websocket_hears_the_same_as_without_nginy(through: dict[str, str], direct: dict[str, str]) -> None:
    heard = conversation(through["uvicorn"])
    assert heard == conversation(direct["uvicorn"])
    assert heard[0] == 101 and heard[-3:] == [True, 4001, "as asked"]


def test_server_sent_events_arrive_before_the_next_is_made(through: dict[str, str]) -> None:
    address = through["uvicorn"]
    with connect(address) as sock, connect(address) as other:
        sock.sendall(b"GET /events?one HTTP/1.1\r\nHost: a\r\n\r\n")
        stream, asking = Stream(sock), Stream(other)
        assert stream.head().get("content-type") == "text/event-stream"
        chunks = stream.chunks()
        for number in range(N_EVENTS):
            assert next(chunks) == b"data: %d\n\n" % number
            other.sendall(b"POST /next?one HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            assert asking.message().status == 200
        assert list(chunks) == []


@pytest.mark.parametrize("gateway", [web_servers.nginx_gateway, web_servers.haproxy_gateway])
def test_a_gateway_in_front_is_the_client_that_the_application_sees(
    through: dict[str, str], big: str, gateway: Callable[[str], AbstractContextManager[str]]
) -> None:
    with gateway(through["gunicorn"]) as front:
        url = f"http://{front}"
        said = curl("--interface", "127.0.0.7", "-w", " %{num_connects} ", f"{url}/via", f"{url}/via")
        assert said.split() == ["127.0.0.1", "1", "127.0.0.1", "0"]
        assert curl("-T", big, f"{url}/sum") == BIG_SUM


@pytest.mark.parametrize("name", ["behind-nginx", "behind-haproxy"])
def test_a_gateway_behind_sees_the_client_and_adds_nginy(through: dict[str, str], big: str, name: str) -> None:
    said = curl("--interface", "127.0.0.7", f"http://{through[name]}/via")
    assert re.split(r", ?", said) == ["127.0.0.7", "127.0.0.1"]
    assert curl("-T", big, f"http://{through[name]}/sum") == BIG_SUM


def test_a_client_that_goes_away_is_no_error_for_others(through: dict[str, str]) -> None:
    with connect(through["nginx"]) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        assert Stream(sock).head().status == 200
    assert curl(f"http://{through['nginx']}/name") == "n\n"
