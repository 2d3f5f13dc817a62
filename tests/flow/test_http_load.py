"""Loads that backends tell in their responses: heard, averaged over all workers, and kept from clients."""

from collections.abc import Callable

import pytest

import nginy
from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http_routes import ask_on
from tests.tools.configs import tcp_config
from tests.tools.sockets import connect
from tests.tools.web import Message, Stream, answering, text

SAID = [
    ("X-Load: 250", 250), ("x-LOAD:250", 250), ("X-Load: 12.75", 12), ("X-Load: 0", 0),
    ("X-Load: 999999999", 999999999), ("X-Load: 7\r\nX-Load: 9", 7),
]  # fmt: skip
HEARING = {"load_header": "X-Load", "http": {"idle": "300ms"}}
REFUSED = ["", "-1", "+1", "1e3", "1.", ".5", "1,5", "1 ms", "0x10", "NaN", "1000000000", "9" * 40, "1.5.5", "1.x"]


@pytest.fixture
def say(start_peer: StartPeer) -> tuple[str, list[str]]:
    """A backend's address, and the field lines of its next responses."""
    lines: list[str] = []

    def answer(_request: Message) -> bytes:
        return text(b"ok", "HTTP/1.1 200 OK", *([lines.pop(0)] if lines else []))

    return start_peer(answering(answer)).address, lines


def heard(server: nginy.Server, address: str) -> Callable[[], int]:
    """The average that workers go by."""
    control = server._control()  # nobody else is told
    number = control._running().generations.world.ids.backend("back", address)
    return lambda: control.board.load_ms(number)


@pytest.mark.parametrize("said, ms", SAID)
def test_a_load_is_heard_and_does_not_reach_the_client(say: tuple[str, list[str]], said: str, ms: int) -> None:
    address, lines = say
    lines[:] = [said, "X-Other: 1"]
    with nginy.Server(tcp_config([address], listener={"protocol": "http"}, pool=HEARING)) as server:
        with connect(server.addresses["front"][0]) as sock:
            stream = Stream(sock)
            first = ask_on(stream, "/")
            assert (first.status, first.get("x-load"), first.body) == (200, None, b"ok")
            assert heard(server, address)() == ms
            assert ask_on(stream, "/").get("x-other") == "1"
            assert heard(server, address)() == ms  # a response without one changes nothing


def test_loads_are_averaged_as_reports_of_programs_are(say: tuple[str, list[str]]) -> None:
    address, lines = say
    lines[:] = ["X-Load: 1000", "X-Load: 2000"]
    with nginy.Server(tcp_config([address], listener={"protocol": "http"}, pool=HEARING)) as server:
        with connect(server.addresses["front"][0]) as sock:
            for _turn in range(2):
                ask_on(Stream(sock), "/")
        assert heard(server, address)() == 1100
        server.report_load("back", address, 2.1)
        assert heard(server, address)() == 1200


def test_what_is_no_load_is_counted_and_changes_nothing(start_nginy: StartNginy, say: tuple[str, list[str]]) -> None:
    address, lines = say
    lines[:] = [f"X-Load: {value}" for value in REFUSED]
    nginy = start_nginy(tcp_config([address], listener={"protocol": "http"}, pool=HEARING))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for value in REFUSED:
            answer = ask_on(stream, "/")
            assert (answer.status, answer.get("x-load")) == (200, None), value
    (pool,) = nginy.status()["pools"]
    assert pool["http"]["loads_refused"] == len(REFUSED)


def test_a_pool_that_hears_of_no_load_passes_the_header_on(start_nginy: StartNginy, say: tuple[str, list[str]]) -> None:
    address, lines = say
    lines[:] = ["X-Load: 7"]
    nginy = start_nginy(tcp_config([address], listener={"protocol": "http"}, pool={"http": HEARING["http"]}))
    with connect(nginy.address()) as sock:
        assert ask_on(Stream(sock), "/").get("x-load") == "7"


def test_jump_load_leaves_a_backend_that_tells_of_much(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    loads = {"a": "5000", "b": "1"}
    peers = [
        start_peer(answering(text(name.encode(), "HTTP/1.1 200 OK", f"X-Load: {load}"))) for name, load in loads.items()
    ]
    policy = {"kind": "jump_load", "low": "100ms", "high": "200ms", "key": {"kind": "header", "name": "X-User"}}
    pool = {"policy": policy, **HEARING}
    addresses = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(addresses, workers=2, listener={"protocol": "http"}, pool=pool))
    met = []
    for number in range(200):
        with connect(nginy.address()) as sock:
            met.append(ask_on(Stream(sock), "/", "a.org", f"X-User: {number}").body)
    assert 1 <= met.count(b"a") < 40  # one choice in ten of about a hundred
