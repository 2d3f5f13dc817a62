"""Odd requests through nginy, and what everybody reads in the bytes that it sends. `tests.long` runs many more.

Each is sent to a recorder behind nginy. The recorder's bytes go to every reader, with a mark behind them: all have to
find the requests that the recorder found, then the mark, or refuse. Then the same odd request goes through nginy to the
readers themselves, in turn.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.tools import web_servers
from tests.tools.configs import Tree, tcp_config
from tests.tools.odd_requests import odd_request
from tests.tools.readings import (
    MARK_READING,
    Reader,
    Reading,
    Recorder,
    answers_in,
    last_status,
    reading_of,
    send_through,
    without_body,
)  # fmt: skip

SHORT_TIMES = {"head": "500ms", "body": "2s", "response": "2s", "keep_alive": "5s"}


@contextmanager
def readers() -> Iterator[list[Reader]]:
    """gunicorn, uvicorn with both of its parsers, http.server, HAProxy, and nginx in front of an uvicorn."""
    with ExitStack() as stack:
        servers = {
            "gunicorn": web_servers.gunicorn(),
            "h11": web_servers.uvicorn("h11"),
            "httptools": web_servers.uvicorn("httptools"),
            "http.server": web_servers.http_server(),
            "haproxy": web_servers.haproxy_reader(),
        }
        found = [Reader(name, stack.enter_context(server)) for name, server in servers.items()]
        found.append(Reader("nginx", stack.enter_context(web_servers.nginx_gateway(found[1].address))))
        yield found
        for reader in found:
            reader.close()


def config_of(recorder: str, real: Sequence[Reader]) -> Tree:
    """`front` leads to the recorder, `real` to the readers in turn."""
    listener, pool = {"protocol": "http", "timeouts": SHORT_TIMES}, {"http": {"idle": "300ms"}}
    tree = tcp_config([recorder], listener=listener, pool=pool)
    tree["listeners"]["real"] = tree["listeners"]["front"] | {"pool": "real"}
    tree["pools"]["real"] = tree["pools"]["back"] | {"backends": [reader.address for reader in real]}
    return tree


@dataclass
class Differential:
    """One run. front, real: nginy's listeners as config_of() has them."""

    front: str
    real: str
    recorder: Recorder
    readers: list[Reader]
    differences: list[str] = field(default_factory=list)
    n: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def run(self, count: int, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(count):
            names, raw = odd_request(chance)
            before = len(self.differences)
            is_passed = self.compare(raw)
            (self.passed if is_passed else self.refused).update(names or ["plain"])
            if len(self.differences) > before:
                self.differences[-1] += f"\n    tricks {names}, sent {raw!r}"

    def compare(self, raw: bytes) -> bool:
        """Whether nginy took at least one request out of these bytes."""
        status = last_status(send_through(self.front, raw))
        taken = self.recorder.take()
        self.differences += self.recorder.complaints()
        is_whole = bool(taken) and taken[-1][0] == MARK_READING
        self.n["requests"] += 1
        if status is None or status == 502 or (status == 200 and not taken):
            self.differences.append(f"nginy: status {status}, {len(taken)} requests behind it")
        if is_whole:
            taken.pop()
        if not taken:
            return False
        self.n["passed"] += 1
        found = [reading for reading, _ in taken]
        sent = b"".join(part for _, part in taken)
        for reader in self.readers:
            self.ask(reader, sent, found)
        self.pass_through(raw, [*found, MARK_READING] if is_whole else found)
        return True

    def ask(self, reader: Reader, sent: bytes, found: list[Reading]) -> None:
        try:
            said = reader.ask(sent, [reading.method for reading in found])
        except (OSError, EOFError, AssertionError) as error:
            reader.close()
            said = [repr(error)]
        wanted = [without_body(reading) for reading in found] + [MARK_READING]
        if isinstance(said[-1], int) and 400 <= said[-1] < 500:
            self.n[f"refused by {reader.name}"] += 1
            wanted[len(said) - 1 :] = [said[-1]]
        if said != wanted:
            self.differences.append(f"{reader.name} reads {said}, not {wanted}, in {sent!r}")

    def pass_through(self, raw: bytes, found: list[Reading]) -> None:
        """The same through nginy to one of the readers, and the answers back."""
        answers = answers_in(send_through(self.real, raw), [reading.method for reading in found])
        for answer, reading in zip(answers, found, strict=False):
            if answer.status != 200:
                self.n["refused in turn"] += 1
                return
            if reading.method != b"HEAD" and reading_of(answer.body) != reading:
                self.differences.append(f"through nginy: {answer.body!r}, not {reading}")
        if len([answer for answer in answers if answer.status == 200]) != len(found):
            self.differences.append(f"through nginy: {len(answers)} answers to {found}")
