"""session.requests and session.responses beside nginx' proxy_requests and proxy_responses: the same scripts, run
against both. Same backends asked, same upstream sockets, same answers delivered."""

import socket
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import address_of, client_of, datagram_socket, is_silent
from tests.tools.nginx_stream import nginx_stream
from tests.tools.waiting import wait_until

SILENCE_S = 0.06
BACKENDS = 3

Step = tuple[str, int] | tuple[str, int, int]
"""`send n`: so many datagrams at once.   `answer d k`: the backend of datagram d answers k times, where it came from.
`ask n`: so many times one datagram and, once it is there, one answer."""

SCRIPTS: dict[str, Sequence[Step]] = {
    "one after the other": [("ask", 4)],
    "a burst": [("send", 4)],
    "answers to a burst": [("send", 3), ("answer", 0, 1), ("answer", 1, 1), ("answer", 2, 1), ("send", 2)],
    "answered twice": [("send", 1), ("answer", 0, 2), ("send", 1), ("answer", 1, 2), ("send", 1)],
    "answered three times": [("send", 2), ("answer", 0, 3), ("send", 2), ("answer", 2, 3)],
    "a second answer later": [("send", 1), ("answer", 0, 1), ("answer", 0, 1), ("send", 1), ("answer", 1, 1)],
    "late answers": [("send", 1), ("send", 1), ("send", 1), ("answer", 0, 1), ("answer", 2, 1), ("ask", 2)],
}
RULES = [(requests, responses) for requests in (None, 1, 2, 3) for responses in (None, 0, 1, 2)]


class Seen(NamedTuple):
    """asked: for each datagram the backend and the upstream socket, each numbered as it first appeared.

    delivered: what the client got in each step of answers.   owed: how many of each its flow still waited for.
    """

    asked: list[tuple[int, int]]
    delivered: list[list[bytes]]
    owed: list[int]

    def is_like(self, other: "Seen") -> bool:
        """Answers beyond those that a flow waits for may pass or not: both proxies take what is there already."""
        steps = zip(self.delivered, other.delivered, self.owed, strict=True)
        return self.asked == other.asked and all(
            mine == theirs or min(len(mine), len(theirs)) >= owed for mine, theirs, owed in steps
        )


class Stage:
    """A client on one side, silent backends on the other; runs a script through whatever stands between."""

    def __init__(self, client: socket.socket, backends: Sequence[socket.socket], responses: int | None) -> None:
        self.responses = responses
        self.client = client
        self.backends = backends
        self.arrivals: dict[int, tuple[int, tuple[str, int]]] = {}
        self.delivered: list[list[bytes]] = []
        self.owed: list[int] = []
        self.n_answers: Counter[tuple[str, int]] = Counter()
        self.n_sent = 0

    def play(self, script: Sequence[Step]) -> Seen:
        for word, *numbers in script:
            if word == "send":
                self.send(numbers[0])
            elif word == "answer":
                self.answer(*numbers)
            else:
                for _ in range(numbers[0]):
                    self.send(1)
                    self.answer(self.n_sent - 1, 1)
        return Seen(self.numbered(), self.delivered, self.owed)

    def send(self, count: int) -> None:
        for number in range(self.n_sent, self.n_sent + count):
            self.client.send(b"%d" % number)
        self.n_sent += count
        wait_until(self.have_all_arrived, f"{self.n_sent} datagrams at the backends")

    def have_all_arrived(self) -> bool:
        for nth, sock in enumerate(self.backends):
            while not is_silent(sock, 0):
                payload, sender = sock.recvfrom(100)
                self.arrivals[int(payload)] = (nth, sender)
        return len(self.arrivals) == self.n_sent

    def answer(self, datagram: int, count: int) -> None:
        nth, sender = self.arrivals[datagram]
        self.owed.append(self.waited_for(sender, count))
        self.n_answers[sender] += count
        for number in range(count):
            self.backends[nth].sendto(b"answer %d to %d" % (number, datagram), sender)
        got: list[bytes] = []
        while len(got) < count and not is_silent(self.client, SILENCE_S):
            got.append(self.client.recv(100))
        self.delivered.append(got)

    def waited_for(self, sender: tuple[str, int], count: int) -> int:
        """How many of so many answers to this upstream socket belong to requests that have not had theirs."""
        if self.responses is None:
            return count
        n_requests = sum(place[1] == sender for place in self.arrivals.values())
        return min(count, max(0, n_requests * self.responses - self.n_answers[sender]))

    def numbered(self) -> list[tuple[int, int]]:
        places = [self.arrivals[number] for number in range(self.n_sent)]
        backends = list(dict.fromkeys(nth for nth, _ in places))
        sockets = list(dict.fromkeys(sender for _, sender in places))
        return [(backends.index(nth), sockets.index(sender)) for nth, sender in places]


def keys_of(requests: int | None, responses: int | None) -> tuple[str, dict[str, int]]:
    """The same rule in both languages."""
    words = {"requests": requests, "responses": responses}
    given = {name: value for name, value in words.items() if value is not None}
    return " ".join(f"proxy_{name} {value};" for name, value in given.items()), given


def nginy_config(addresses: list[str]) -> dict[str, Any]:
    """A listener for each rule."""
    config = udp_config(addresses)
    front = config["listeners"].pop("front")
    for nth, rule in enumerate(RULES):
        config["listeners"][f"rule-{nth}"] = front | {"session": keys_of(*rule)[1] | {"idle": "20s"}}
    return config


def test_rules_mean_what_they_mean_to_nginx(start_nginy: StartNginy) -> None:
    with ExitStack() as stack:
        sides = [[stack.enter_context(datagram_socket()) for _ in range(BACKENDS)] for _ in ("nginx", "nginy")]
        places = [[address_of(sock) for sock in backends] for backends in sides]
        theirs = stack.enter_context(nginx_stream(places[0], [keys_of(*rule)[0] for rule in RULES]))
        nginy = start_nginy(nginy_config(places[1]), checked=False)
        ours = [nginy.address(f"rule-{nth}") for nth in range(len(RULES))]
        with ThreadPoolExecutor() as pool:  # most of the time is waiting for answers that must not come
            seen = list(pool.map(play_all, (theirs, ours), sides))
    differ = [
        f"{case}\n  nginx {seen[0][case]}\n  nginy {seen[1][case]}"
        for case in seen[0]
        if not seen[0][case].is_like(seen[1][case])
    ]
    assert len(seen[0]) == len(RULES) * len(SCRIPTS)
    assert not differ, "\n".join(differ)


def play_all(addresses: Sequence[str], backends: Sequence[socket.socket]) -> dict[str, Seen]:
    """Every script against the listener of every rule."""
    seen = {}
    for rule, address in zip(RULES, addresses, strict=True):
        for name, script in SCRIPTS.items():
            with client_of(address) as client:
                seen[f"{rule}, {name}"] = Stage(client, backends, rule[1]).play(script)
    return seen
