"""UDP for the soak: flows that last, flows that come and go, and questions on reused sockets; every answer checked."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from tests.tools.datagrams import DatagramBackend, client_of, dns_answer, dns_message, tells_sender
from tests.tools.flows import LiveFlows

LASTING = 100
LASTING_RATE = 200.0
PAUSE_S = 0.01
ROUNDS = 3
WAIT_S = 1.0
BEFORE_DEATH_S, AFTER_DEATH_S = 1.5, 2.5
"""When a loss may be put down to a worker's death: it is noted a little late, and a client waits before it notices."""

Listeners = dict[str, Any]


class DatagramTraffic:
    """A context manager around backends and clients; `config` goes into nginy's, `begin` starts the clients."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.deaths_s: list[float] = []
        self.losses_s: list[float] = []
        self.wrong: list[str] = []
        self.done = 0
        self.lasting: LiveFlows | None = None
        self._stack = contextlib.ExitStack()
        self._is_ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        names = (b"a", b"b", b"c")
        self._peers = [self._stack.enter_context(DatagramBackend(answer=tells_sender(name))) for name in names]
        self._servers = [self._stack.enter_context(DatagramBackend(answer=dns_answer)) for _ in range(2)]
        for peer in (*self._peers, *self._servers):
            peer.is_forgetful = True
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
        self._stack.close()

    def config(self, turn: int, tree: dict[str, Any]) -> dict[str, Any]:
        """The tree with two UDP listeners; weights change with every turn, backends stay."""
        weights = [{"address": peer.address, "weight": 1 + (turn + nth) % 3} for nth, peer in enumerate(self._peers)]
        pools = {"flows": {"backends": weights}, "names": {"backends": [server.address for server in self._servers]}}
        front = {"bind": "127.0.0.1:0", "protocol": "udp"}
        listeners = {
            "flows": front | {"pool": "flows", "session": {"idle": "3s", "max": 5000}},
            "names": front | {"pool": "names", "session": {"requests": 1, "check": "dns", "reuse": True, "idle": "3s"}},
        }
        return tree | {"pools": tree["pools"] | pools, "listeners": tree["listeners"] | listeners}

    def begin(self, flows: str, names: str) -> None:
        """flows, names: where the two listeners are."""
        self.lasting = self._stack.enter_context(LiveFlows(flows, LASTING, LASTING_RATE, self.seed))
        for nth, work in enumerate((self._come_and_go, self._come_and_go, self._question, self._question)):
            address = flows if work == self._come_and_go else names
            self._threads.append(threading.Thread(target=self._repeat, args=(work, address, nth), daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Let everything come to its end. Idempotent."""
        self._is_ending.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        if self.lasting:
            self.lasting.stop()

    def complaints(self) -> list[str]:
        """What must not have been. Losses are allowed around the death of a worker."""
        tally = self.lasting.tally if self.lasting else None
        losses_s = self.losses_s + (tally.lost_s if tally else [])
        blameless = [at_s for at_s in losses_s if not self._is_near_death(at_s)]
        wrong = [*self.wrong, *(tally.wrong if tally else [])]
        found = [f"{len(blameless)} datagrams lost while no worker died"] if blameless else []
        found += [f"{len(wrong)} wrong answers, first: {wrong[0]}"] if wrong else []
        return found

    def summary(self) -> str:
        """One line for people."""
        assert self.lasting is not None
        tally = self.lasting.tally
        lost = tally.lost + len(self.losses_s)
        return f"UDP: {self.done} short flows, {tally.answered} rounds of lasting ones, {lost} lost around deaths"

    def _is_near_death(self, at_s: float) -> bool:
        return any(death_s - BEFORE_DEATH_S <= at_s <= death_s + AFTER_DEATH_S for death_s in self.deaths_s)

    def _repeat(self, work: Callable[[socket.socket, random.Random], None], address: str, nth: int) -> None:
        chance = random.Random(f"{self.seed} {nth}")
        while not self._is_ending.is_set():
            with client_of(address) as client:
                client.settimeout(WAIT_S)
                began_s = time.monotonic()
                try:
                    work(client, chance)
                    self.done += 1
                except (TimeoutError, ConnectionRefusedError):
                    self.losses_s.append(began_s)
            self._is_ending.wait(PAUSE_S)

    def _come_and_go(self, client: socket.socket, chance: random.Random) -> None:
        for _ in range(ROUNDS):
            payload = chance.randbytes(chance.choice((0, 1, 100, 1400, 9000)))
            client.send(payload)
            answer = client.recv(65535)
            if answer.partition(b"|")[2] != payload:
                self.wrong.append(f"{answer[:60]!r} for {payload[:40]!r}")

    def _question(self, client: socket.socket, chance: random.Random) -> None:
        query = dns_message(chance.randrange(4), b"n%d.example" % chance.randrange(10**9))
        client.send(query)
        answer = client.recv(65535)
        if answer != dns_answer(query, None)[0]:
            self.wrong.append(f"{answer!r} for {query!r}")
