"""logger sends messages to collectors, and waits for no answer."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartNginy
from tests.tools import servers
from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend
from tests.tools.waiting import wait_until

N_LINES = 100  # a usual receive queue holds them all, so that a slow machine loses none
N_RUNS = 9
LONG = 1000


@pytest.fixture
def collectors() -> Iterator[list[DatagramBackend]]:
    """Three that say nothing."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(DatagramBackend(answer=lambda *_: ())) for _ in range(3)]


def logger(address: str, file: Path) -> None:
    """Each line of the file as a message, all of them from one socket."""
    host, _, port = address.rpartition(":")
    command = [servers.need("logger"), "--udp", "--server", host, "--port", port, "--size", "8192"]
    servers.run([*command, "--rfc5424=notq", "--priority", "local3.notice", "--tag", "shop", "--file", str(file)])


def log_runs(address: str, folder: Path, collectors: list[DatagramBackend]) -> list[str]:
    """Several runs, each waited for; the lines that were sent. A line is short or long, by turns."""
    lines: list[str] = []

    def all_are_there() -> bool:
        return sum(len(c.received) for c in collectors) >= len(lines)

    for run in range(N_RUNS):
        some = [f"run {run} line {number} {'x' * (LONG * (number % 2))}." for number in range(N_LINES)]
        file = folder / "lines"
        file.write_text("".join(f"{line}\n" for line in some))
        logger(address, file)
        lines += some
        wait_until(all_are_there, f"all of run {run}")
    return lines


def messages(collectors: list[DatagramBackend]) -> Counter[str]:
    """What the collectors have, without the header; local3.notice is 19 * 8 + 5."""
    found: Counter[str] = Counter()
    for payload in (payload.decode() for collector in collectors for payload in collector.payloads):
        match = re.fullmatch(r"<157>1 \S+ \S+ shop - - (?:\[.*?\]|-) (.*)", payload, re.S)
        assert match, payload
        found[match[1]] += 1
    return found


def test_every_message_arrives_whole_and_once(
    start_nginy: StartNginy, collectors: list[DatagramBackend], tmp_path: Path
) -> None:
    tree = udp_config([c.address for c in collectors], workers=2, session={"responses": 0})
    nginy = start_nginy(tree)
    lines = log_runs(nginy.address(), tmp_path, collectors)
    assert messages(collectors) == Counter(lines)
    row = nginy.listener("front")["datagrams"]
    assert (row["from_clients"], row["to_backends"], row["dropped"]) == (len(lines), len(lines), {})


@pytest.mark.parametrize("reuse", ["on", "off"])
def test_messages_take_turns_per_datagram(
    start_nginy: StartNginy, collectors: list[DatagramBackend], tmp_path: Path, reuse: str
) -> None:
    session = {"per_datagram": "on", "responses": 0, "reuse": reuse}
    nginy = start_nginy(udp_config([c.address for c in collectors], session=session))
    lines = log_runs(nginy.address(), tmp_path, collectors)
    assert messages(collectors) == Counter(lines)
    assert [len(c.received) for c in collectors] == [len(lines) // 3] * 3
    n_sockets = sum(len(c.senders) for c in collectors)
    assert n_sockets <= 3 * 64 if reuse == "on" else n_sockets > len(lines) // 2, "sockets towards collectors"
    wait_until(lambda: nginy.reasons() == {"closed": len(lines)}, "each message was a flow")
