"""wrk over nginy's HTTP while configurations change and backends die."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import http_config
from tests.real.test_http import check_clean, wrk
from tests.tools import servers
from tests.tools.web import answering, text

WORDS = {"kept": (), "closed": ("-H", "Connection: close")}


@pytest.fixture(scope="module")
def sites() -> Iterator[list[str]]:
    """Three servers for the file."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(servers.http(name, {"small": b"x" * 512})) for name in "abc"]


@pytest.mark.parametrize("kind", WORDS)
def test_a_reload_each_second_fails_no_request(start_nginy: StartNginy, sites: list[str], kind: str) -> None:
    trees = [http_config(sites[:n], workers=2) for n in (3, 2)]
    nginy = start_nginy(trees[0])
    trees = [tree | {"listeners": {"front": tree["listeners"]["front"] | {"bind": nginy.address()}}} for tree in trees]
    nginy.reload(trees[0])
    is_over = threading.Event()
    reloads = []

    def change() -> None:
        while not is_over.wait(1):
            nginy.reload(trees[len(reloads) % 2 ^ 1])
            reloads.append(time.monotonic())

    thread = threading.Thread(target=change)
    thread.start()
    try:
        result = wrk(nginy.address(), "-c32", "-d5s", *WORDS[kind])
    finally:
        is_over.set()
        thread.join()
    check_clean(result)
    assert len(reloads) >= 3


def test_backends_killed_in_turn_fail_no_request_while_one_lives(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    peers = [start_peer(answering(text())) for _ in range(3)]
    nginy = start_nginy(http_config([peer.address for peer in peers]))
    is_over = threading.Event()

    def kill() -> None:
        nth = 0
        while not is_over.wait(0.2):
            peer = peers[nth % len(peers)]
            peer.stop_listening()
            peer.drop_all()
            is_over.wait(0.3)
            peer.listen()
            nth += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        result = wrk(nginy.address(), "-c16", "-d5s")
    finally:
        is_over.set()
        thread.join()
    check_clean(result)
    assert nginy.listener("front")["http"]["retried"] > 0
