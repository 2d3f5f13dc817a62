"""What is sent arrives, whole, in order, and at nobody else."""

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import (
    MOST_BYTES,
    DatagramBackend,
    all_waiting,
    client_of,
    clients_of,
    dns_answer,
    dns_message,
    exchange,
    tells_sender,
)  # fmt: skip
from tests.tools.flows import LiveFlows
from tests.tools.nginy_process import ROOT, Nginy
from tests.tools.proc import resident_bytes
from tests.tools.waiting import wait_until

CLIENTS = 300
QUERIES = 600
AT_ONCE = 20
COMING_AND_GOING = 20_000


@pytest.fixture
def peers() -> Iterator[list[DatagramBackend]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(DatagramBackend(answer=tells_sender(name))) for name in (b"a", b"b", b"c")]


def with_runs(config: dict[str, Any]) -> dict[str, Any]:
    """With a second listener, `runs`, that receives several datagrams as one where it can."""
    config["listeners"]["runs"] = config["listeners"]["front"] | {"udp": {"gro": True}}
    return config


def test_many_clients_with_random_payloads_never_meet(
    start_nginy: StartNginy, peers: list[DatagramBackend], seed: int
) -> None:
    addresses = [peer.address for peer in peers]
    nginy = start_nginy(with_runs(udp_config(addresses, workers=2, session={"idle": "2s"})))
    for listener in ("front", "runs"):
        with LiveFlows(nginy.address(listener), CLIENTS, rate=4000, seed=seed) as flows:
            wait_until(lambda: flows.tally.answered >= CLIENTS * 10, "ten rounds")  # noqa: B023
            tally = flows.stop()
        assert not tally.wrong, tally.wrong[:5]
        assert (tally.lost, tally.late, tally.refused) == (0, 0, 0)
        assert not tally.flows_that_moved()
        assert len({ways[0] for ways in tally.ways.values()}) == CLIENTS  # an upstream socket each


class Troublesome:
    """A name server that answers twice, and each time also a query of before: late, on a socket that serves again."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.before: list[bytes] = []

    def __call__(self, query: bytes, sender: Any) -> list[bytes]:
        [right] = dns_answer(query, sender)
        answers = [right + b"first", right + b"again"]
        if self.before:
            answers.insert(self.chance.randrange(3), self.chance.choice(self.before))
        self.before = [*self.before[-50:], right + b"late"]
        return answers


def test_late_and_doubled_answers_on_reused_sockets_reach_nobody_else(start_nginy: StartNginy, seed: int) -> None:
    """Ids are drawn from few, so that only the question tells many queries apart."""
    session = {"requests": 1, "responses": 1, "check": "dns", "reuse": True}
    chance = random.Random(seed)
    with DatagramBackend(answer=Troublesome(seed)) as peer:
        nginy = start_nginy(udp_config([peer.address], session=session))
        with clients_of(nginy.address(), AT_ONCE) as clients:
            for turn in range(QUERIES // AT_ONCE):
                queries = [
                    dns_message(chance.randrange(4), b"n%d-%d.example" % (turn, nth)) for nth in range(AT_ONCE)
                ]
                for client, query in zip(clients, queries, strict=True):
                    client.send(query)
                for client, query in zip(clients, queries, strict=True):
                    [right] = dns_answer(query, None)
                    assert client.recv(512) == right + b"first"
            assert not [answer for client in clients for answer in all_waiting(client, 0.01)]
        assert len(peer.senders) <= QUERIES // 4  # sockets are used again
        seen = nginy.listener("front")["datagrams"]
        assert seen["to_clients"] == QUERIES


@pytest.mark.parametrize("listener", ["front", "runs"])
def test_datagrams_of_every_length_pass_both_ways(start_nginy: StartNginy, seed: int, listener: str) -> None:
    chance = random.Random(seed)
    with DatagramBackend() as peer:
        nginy = start_nginy(with_runs(udp_config([peer.address])))
        with client_of(nginy.address(listener)) as client:
            lengths = [0, 1, 1471, 1472, 1473, 8191, 9000, 65000, 65001, MOST_BYTES - 1, MOST_BYTES]
            lengths += [chance.randint(0, MOST_BYTES) for _ in range(20)]
            for length in lengths:
                payload = chance.randbytes(length)
                assert exchange(client, payload) == payload, length
            run = [chance.randbytes(size) for size in (100, 100, 100, 0, 0, 99, 100, 100, 1, 5000, 5000)]
            for payload in run:
                client.send(payload)
            assert [client.recv(65535) for _ in run] == run
        assert nginy.listener(listener)["datagrams"]["dropped"] == {}


@pytest.mark.netns
def test_fragmented_datagrams_pass_both_ways() -> None:
    """Through links of 1,500 and of 1,280 bytes, runs of them too."""
    command = ["unshare", "--net", sys.executable, "-m", "tests.tools.fragment_house"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["fragments"] > 100
    assert seen["wrong"] == []
    assert seen["dropped"] == {}


def test_after_twenty_thousand_flows_nothing_is_left(start_nginy: StartNginy) -> None:
    """Flows of one question, with and without reuse; descriptors are compared at the end of the test by the house."""
    session = {"requests": 1, "responses": 1}
    with DatagramBackend() as peer:
        config = udp_config([peer.address], session=session)
        front = config["listeners"]["front"]
        reusing = {"requests": 1, "check": "dns", "reuse": True, "idle": "1s"}
        config["listeners"]["reusing"] = front | {"session": reusing}
        nginy = start_nginy(config)
        peer.answer = dns_answer
        for name in ("front", "reusing"):
            come_and_go(nginy.address(name), COMING_AND_GOING // 4)
        before = memory_of(nginy)
        for name in ("front", "reusing"):
            come_and_go(nginy.address(name), COMING_AND_GOING // 4)
        assert memory_of(nginy) - before < 1 << 20
        for name in ("front", "reusing"):
            assert nginy.reasons(name) == {"closed": COMING_AND_GOING // 2}


def come_and_go(address: str, count: int) -> None:
    """So many flows, each of one question and one answer, some at a time."""
    with clients_of(address, AT_ONCE) as clients:
        for number in range(0, count, AT_ONCE):
            queries = [dns_message((number + nth) % 65536, b"x.example") for nth in range(AT_ONCE)]
            for client, query in zip(clients, queries, strict=True):
                client.send(query)
            for client, query in zip(clients, queries, strict=True):
                assert client.recv(512) == dns_answer(query, None)[0]


def memory_of(nginy: Nginy) -> int:
    """Resident bytes of its worker."""
    return resident_bytes(nginy.worker_pids()[0])
