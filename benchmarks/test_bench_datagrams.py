"""The load of UDP against real sockets: without a proxy, and through one that does harm on purpose."""

import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from benchmarks.build_load import UDP, load_module

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the load's receive buffers need root")
Address = tuple[str, int]
Way = Callable[[bytes, int], list[bytes]]
HEAD = struct.Struct("=IIQQ")


def unchanged(message: bytes, _number: int) -> list[bytes]:
    return [message]


class Relay(threading.Thread):
    """A proxy of few lines: a socket for each client, and what it does to what passes.

    there, back: from a message and its number, counted from 0, to the messages that go on.
    """

    def __init__(self, backend: int, there: Way = unchanged, back: Way = unchanged) -> None:
        super().__init__()
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        self.end_reader, self.end_writer = socket.socketpair()
        self.backend, self.there, self.back = ("127.0.0.1", backend), there, back
        self.clients: dict[socket.socket, Address] = {}
        self.upstream: dict[Address, socket.socket] = {}
        self.seen: list[bytes] = []
        self.answers: list[bytes] = []

    def run(self) -> None:
        while True:
            ready, _, _ = select.select([self.front, self.end_reader, *self.clients], [], [])
            if self.end_reader in ready:
                return
            for one in ready:
                if one is self.front:
                    self.pass_there()
                else:
                    self.pass_back(one)

    def pass_there(self) -> None:
        message, client = self.front.recvfrom(2048)
        if client not in self.upstream:
            self.upstream[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.upstream[client].connect(self.backend)
            self.clients[self.upstream[client]] = client
        self.seen.append(message)
        for each in self.there(message, len(self.seen) - 1):
            self.upstream[client].send(each)

    def pass_back(self, upstream: socket.socket) -> None:
        message = upstream.recv(2048)
        self.answers.append(message)
        for each in self.back(message, len(self.answers) - 1):
            self.front.sendto(each, self.clients[upstream])

    def close(self) -> None:
        self.end_writer.send(b"x")
        self.join()
        for one in (self.front, self.end_reader, self.end_writer, *self.clients):
            one.close()


@pytest.fixture(scope="module")
def modes() -> ModuleType:
    return load_module(UDP)


@pytest.fixture
def load(modes: ModuleType) -> Iterator[Any]:
    made = modes.Load()
    yield made
    made.close()


@pytest.fixture
def relays() -> Iterator[list[Relay]]:
    """Those that a test starts; they are ended for it."""
    started: list[Relay] = []
    yield started
    for relay in started:
        relay.close()


def relayed(relays: list[Relay], load: Any, there: Way = unchanged, back: Way = unchanged) -> Relay:
    relays.append(Relay(load.ports[0], there, back))
    relays[-1].start()
    return relays[-1]


def test_echo_without_a_proxy_answers_every_client_and_loses_nothing(load: Any, modes: ModuleType) -> None:
    load.start(load.ports[0], modes.Mode.ECHO, 50)
    assert load.settle(5.0) == 50
    load.reset()
    load.run(0.1)
    load.drain(1.0)
    counts = load.counts
    assert counts["units"] == sum(counts["per_backend"]) > 50
    assert {counts[name] for name in ("lost", "errors", "stale", "under_way")} == {0}
    assert counts["bytes"] == counts["units"] * 64
    assert 40 < counts["ports"] <= 50
    assert 0 < load.percentile_us(0.5) <= load.percentile_us(0.99)


@pytest.mark.parametrize(("is_segmented", "has_gro"), [(False, False), (True, False), (True, True)])
def test_runs_arrive_whole_and_in_order(load: Any, modes: ModuleType, is_segmented: bool, has_gro: bool) -> None:
    load.start(
        load.ports[1], modes.Mode.RUNS, 8, 1200, run=32, window=256, is_segmented=is_segmented, has_gro=has_gro
    )  # fmt: skip
    assert load.settle(5.0) == 8
    load.reset()
    load.run(0.1)
    load.drain(1.0)
    counts = load.counts
    assert counts["units"] >= 256 and counts["bytes"] == counts["units"] * 1200
    assert counts["per_backend"] == [0, counts["units"], 0]
    assert {counts[name] for name in ("lost", "errors", "misordered", "under_way")} == {0}


def test_paced_sends_what_is_due_and_no_more(load: Any, modes: ModuleType) -> None:
    load.start(load.ports[0], modes.Mode.PACED, 10, run=4, rate=20_000)
    assert load.settle(5.0) == 10
    load.reset()
    load.pace(20_000)
    took_s = load.run(0.25)
    sent = load.counts["sent"]
    assert sent % 4 == 0 and 0.9 * 20_000 * took_s <= sent <= 20_000 * took_s
    assert load.drain(1.0) == 0


def test_what_a_proxy_swallows_is_counted_one_by_one(load: Any, modes: ModuleType, relays: list[Relay]) -> None:
    relay = relayed(relays, load, lambda message, number: [] if number % 10 == 9 else [message])
    load.start(relay.port, modes.Mode.PACED, 4, run=4, rate=5_000)
    assert load.settle(5.0) == 4
    load.reset()
    before = len(relay.seen)
    load.run(0.2)
    load.drain(5.0)
    swallowed = sum(number % 10 == 9 for number in range(before, len(relay.seen)))
    assert load.counts["sent"] == len(relay.seen) - before
    assert load.counts["lost"] == swallowed > 0


def test_a_proxy_that_never_answers_does_not_hold_up_the_load(load: Any, modes: ModuleType) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        for mode in (modes.Mode.ECHO, modes.Mode.RUNS, modes.Mode.QUERY):
            load.start(silent.getsockname()[1], mode, 4)
            assert load.settle(0.3) == 0
            assert load.counts["lost"] > 0
            load.stop()


@pytest.mark.parametrize("name", ["ECHO", "RUNS", "QUERY"])
def test_a_proxy_that_falls_silent_loses_and_the_rest_goes_on(
    load: Any, modes: ModuleType, relays: list[Relay], name: str
) -> None:
    relay = relayed(relays, load, lambda message, number: [] if number % 50 == 49 else [message])
    load.start(relay.port, getattr(modes.Mode, name), 16, window=16)
    assert load.settle(5.0) == 16
    load.reset()
    load.run(1.0)
    assert load.counts["lost"] > 0
    before = load.counts["units"]
    load.run(0.5)
    assert load.counts["units"] > before


def test_an_answer_that_another_client_asked_for_is_counted_as_foreign(
    load: Any, modes: ModuleType, relays: list[Relay]
) -> None:
    kept: list[bytes] = []

    def swapped(message: bytes, number: int) -> list[bytes]:
        kept.append(message)
        return [] if number == 0 else [kept[number - 1]]

    for mode in (modes.Mode.ECHO, modes.Mode.QUERY):
        kept.clear()
        relay = relayed(relays, load, back=swapped)
        load.start(relay.port, mode, 2)
        load.settle(0.3)
        assert load.counts["foreign"] > 0 and load.counts["errors"] == 0
        load.stop()


def test_a_late_answer_is_stale_and_no_error(load: Any, modes: ModuleType, relays: list[Relay]) -> None:
    relay = relayed(relays, load, back=lambda message, _number: [message, message])
    for mode in (modes.Mode.ECHO, modes.Mode.QUERY):
        load.start(relay.port, mode, 4)
        assert load.settle(5.0) == 4
        load.run(0.2)
        load.drain(1.0)
        assert load.counts["stale"] > 0 and load.counts["foreign"] == 0
        load.stop()


def test_datagrams_behind_later_ones_are_counted(load: Any, modes: ModuleType, relays: list[Relay]) -> None:
    kept: list[bytes] = []

    def reversed_pairs(message: bytes, number: int) -> list[bytes]:
        if HEAD.unpack_from(message)[2] == 1:
            return [message]
        kept.append(message)
        return [] if len(kept) % 2 else [message, kept[-2]]

    relay = relayed(relays, load, reversed_pairs)
    load.start(relay.port, modes.Mode.PACED, 1, run=4, rate=2_000)
    assert load.settle(5.0) == 1
    load.reset()
    load.run(0.2)
    load.drain(1.0)
    assert load.counts["misordered"] == load.counts["units"] // 2 > 0


def name_in(message: bytes) -> str:
    """The first name of a DNS message."""
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels)


def test_queries_are_dns_and_their_answers_belong_to_them(load: Any, modes: ModuleType, relays: list[Relay]) -> None:
    relay = relayed(relays, load)
    load.start(relay.port, modes.Mode.QUERY, 64, window=8)
    assert load.settle(5.0) == 8
    load.run(0.1)
    load.drain(1.0)
    assert len({name_in(query) for query in relay.seen}) == len(relay.seen) > 64
    for query in relay.seen:
        assert len(query) == 40
        assert struct.unpack("!6H", query[:12])[1:] == (0x0100, 1, 0, 0, 0)
        assert name_in(query).endswith(".bench.example") and query[36:] == b"\0\1\0\1"
    answers = {reply[:2] + reply[12:36]: reply for reply in relay.answers}
    assert answers.keys() == {query[:2] + query[12:36] for query in relay.seen}
    for reply in answers.values():
        assert len(reply) == 120
        assert struct.unpack("!6H", reply[:12])[1:] == (0x8180, 1, 5, 0, 0)
        records = [reply[at : at + 16] for at in range(40, 120, 16)]
        assert [struct.unpack("!HHHIH4s", each) for each in records] == [
            (0xC00C, 1, 1, 60, 4, bytes((10, 0, 0, number))) for number in range(1, 6)
        ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n_clients": 0}, "1 to 16384 clients"),
        ({"message_bytes": 20}, "24 to 1472 bytes"),
        ({"run": 65, "window": 99}, "a run has 1 to 64 datagrams"),
        ({"run": 8, "window": 4}, "no more than the window"),
        ({"run": 64, "window": 64, "message_bytes": 1200, "is_segmented": True}, "65507 bytes"),
        ({"rate": 5.0}, "a rate goes with PACED only"),
    ],
)
def test_what_makes_no_sense_is_refused(load: Any, modes: ModuleType, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load.start(load.ports[0], modes.Mode.RUNS, **({"n_clients": 1} | arguments))
