"""httpx through nginy: a pool of kept connections, and bodies that are streamed either way."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.flow.test_http import http_config
from tests.tools import web_servers
from tests.tools.nginy_process import Nginy
from tests.tools.readings import Reading, reading_of

PART, N_PARTS = random.Random(3).randbytes(70_000), 60


@pytest.fixture(scope="module")
def nginy() -> Iterator[Nginy]:
    with web_servers.uvicorn("httptools", "websockets") as direct:
        nginy = Nginy(http_config([direct], workers=2))
        try:
            yield nginy.start()
        finally:
            nginy.clean_up()


def test_httpx_keeps_its_connections(nginy: Nginy) -> None:
    before = nginy.listener("front")
    with httpx.Client(base_url=f"http://{nginy.address()}") as client:
        for nth in range(30):
            answer = client.put(f"/a%20b/{nth}?c=d", content=b"body")
            assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
            host = nginy.address().encode()
            assert reading_of(answer.content) == Reading(b"PUT", b"/a%%20b/%d?c=d" % nth, host, b"body")
    after = nginy.listener("front")
    assert after["sessions"] - before["sessions"] == 1
    assert after["http"]["requests"] - before["http"]["requests"] == 30


def test_httpx_streams_up_and_down(nginy: Nginy) -> None:
    async def parts(n_parts: int) -> AsyncIterator[bytes]:
        for _ in range(n_parts):
            yield PART

    async def main() -> list[str]:
        """httpx reads no answer before all of its request is out, so that what comes back must fit on the way."""
        async with httpx.AsyncClient(base_url=f"http://{nginy.address()}") as client:
            said = (await client.post("/sum", content=parts(N_PARTS))).text
            sums = hashlib.sha256()
            async with client.stream("POST", "/back", content=parts(3)) as answer:
                assert answer.headers["transfer-encoding"] == "chunked"
                async for part in answer.aiter_bytes():
                    sums.update(part)
            return [said, sums.hexdigest()]

    assert asyncio.run(main()) == [hashlib.sha256(PART * n_parts).hexdigest() for n_parts in (N_PARTS, 3)]


def test_many_requests_at_once_share_the_pool(nginy: Nginy) -> None:
    async def main() -> list[str]:
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
        async with httpx.AsyncClient(base_url=f"http://{nginy.address()}", limits=limits) as client:
            asked = [client.post("/sum", content=b"%d" % nth * nth) for nth in range(300)]
            return [answer.text for answer in await asyncio.gather(*asked)]

    assert asyncio.run(main()) == [hashlib.sha256(b"%d" % nth * nth).hexdigest() for nth in range(300)]
