"""curl and wrk against HTTP servers, through nginy as plain TCP."""

import collections
import contextlib
import hashlib
import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartNginy
from tests.tools import servers
from tests.tools.configs import tcp_config
from tests.tools.sockets import free_port
from tests.tools.waiting import wait_until

BIG = random.Random(1).randbytes(64 << 20)
CHECK = {"kind": "http", "path": "/name", "interval": "200ms", "rise": 1, "fall": 1}


@pytest.fixture(scope="module")
def sites() -> Iterator[list[str]]:
    """Three servers for the file; each has the same large file."""
    with contextlib.ExitStack() as stack:
        files = {"big": BIG, "small": b"x" * 512}
        yield [stack.enter_context(servers.http(name, files)) for name in "abc"]


def curl(*words: str) -> str:
    """Its output."""
    return servers.run([servers.need("curl"), "-sS", "--fail", "--max-time", "60", *words])


def wrk(address: str, *options: str) -> dict[str, int]:
    """Requests done and socket errors of a run."""
    said = servers.run([servers.need("wrk"), "-t2", *options, f"http://{address}/small"])
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    non_2xx = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    done = re.search(r"(\d+) requests in", said)
    assert done, said
    names = ("connect", "read", "write", "timeout")
    found = dict(zip(names, map(int, errors.groups()), strict=True)) if errors else dict.fromkeys(names, 0)
    return found | {"done": int(done[1]), "status": int(non_2xx[1]) if non_2xx else 0}


def check_clean(result: dict[str, int]) -> None:
    """Many requests, none failed."""
    assert result.pop("done") > 500
    assert set(result.values()) == {0}, result


def test_curl_meets_every_backend_in_turn(start_nginy: StartNginy, sites: list[str]) -> None:
    nginy = start_nginy(tcp_config(sites))
    turns = collections.Counter(curl(f"http://{nginy.address()}/name").strip() for _ in range(9))
    assert turns == {"a": 3, "b": 3, "c": 3}


def test_curl_downloads_a_large_file_whole(start_nginy: StartNginy, sites: list[str], tmp_path: Path) -> None:
    nginy = start_nginy(tcp_config(sites, workers=2))
    target = tmp_path / "got"
    for _ in range(3):
        curl("-o", str(target), f"http://{nginy.address()}/big")
        assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(BIG).digest()


def test_curl_slowly_downloads_with_a_small_window(start_nginy: StartNginy, sites: list[str], tmp_path: Path) -> None:
    nginy = start_nginy(tcp_config(sites))
    target = tmp_path / "got"
    curl("--limit-rate", "32m", "-o", str(target), f"http://{nginy.address()}/big")
    assert target.read_bytes() == BIG


def test_wrk_on_kept_connections_sees_no_error(start_nginy: StartNginy, sites: list[str]) -> None:
    nginy = start_nginy(tcp_config(sites, workers=2, pool={"health": CHECK}))
    check_clean(wrk(nginy.address(), "-c64", "-d3s"))


def test_wrk_with_a_connection_for_each_request_sees_no_error(start_nginy: StartNginy, sites: list[str]) -> None:
    nginy = start_nginy(tcp_config(sites, workers=2, pool={"policy": "least_conn"}))
    check_clean(wrk(nginy.address(), "-c64", "-d3s", "-H", "Connection: close"))


def test_wrk_sees_no_error_while_reloads_change_the_pool(start_nginy: StartNginy, sites: list[str]) -> None:
    nginy = start_nginy(tcp_config(sites, workers=2))
    results: list[dict[str, int]] = []
    address = nginy.address()
    running = threading.Thread(target=lambda: results.append(wrk(address, "-c32", "-d5s", "-H", "Connection: close")))
    running.start()
    turn = 0
    while running.is_alive():
        turn += 1
        nginy.reload(tcp_config([*sites[turn % 3 :], *sites[: turn % 3]][: 2 + turn % 2], workers=2))
        running.join(0.2)
    assert turn > 10
    check_clean(results[0])
    nginy.reload(tcp_config(sites, workers=2))


def test_wrk_sees_no_error_while_one_of_three_backends_is_gone(start_nginy: StartNginy, sites: list[str]) -> None:
    gone = f"127.0.0.1:{free_port()}"
    nginy = start_nginy(tcp_config([gone, *sites], workers=2, pool={"health": CHECK}))
    check_clean(wrk(nginy.address(), "-c32", "-d2s", "-H", "Connection: close"))
    wait_until(lambda: nginy.backends("back")[0]["verdict"] == "down", "the missing one is down")
    assert [row["verdict"] for row in nginy.backends("back")[1:]] == ["up"] * 3


def test_the_demo_answers_curl_and_its_backends_take_turns() -> None:
    import sys

    from tests.tools.nginy_process import PYTHON_PATH

    said = servers.run([sys.executable, "-m", "nginy", "demo", "--requests", "6"], PYTHONPATH=PYTHON_PATH)
    assert len(said.splitlines()) >= 6
