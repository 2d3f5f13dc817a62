"""dig and dnsperf against name servers, over UDP and TCP at one address."""

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartNginy
from tests.tools import servers
from tests.tools.configs import Tree, udp_config, with_tcp
from tests.tools.nginy_process import Nginy
from tests.tools.sockets import free_port_of_both
from tests.tools.waiting import wait_until

NAMES = ("a", "b", "c")
SESSION = {"idle": "1s", "requests": 1, "responses": 1, "check": "dns", "reuse": "on"}
CHECK = {"kind": "dns", "name": "n1.test", "interval": "200ms", "timeout": "200ms", "fall": 2}
RATE = 1000  # queries per second while a server goes
RUN_S = 60.0
DETECTION_S = 1.2
"""`fall` checks, one each 220 ms at most, of 200 ms at most, find a server out; and there is some time to tell."""


@pytest.fixture(scope="module")
def name_servers() -> Iterator[list[str]]:
    """Three for the file, named by NAMES."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(servers.dns(name)).address for name in NAMES]


def config(backends: list[str], port: int, *, workers: int = 2, policy: str = "round_robin") -> Tree:
    """UDP and TCP listeners on the same port, one pool for both."""
    pool = {"policy": policy, "health": CHECK}
    return with_tcp(udp_config(backends, workers=workers, session=SESSION, pool=pool), port)


def dig(port: int, *words: str, source: str = "127.0.0.1") -> str:
    """What it prints; fails when no server answers."""
    options = ["@127.0.0.1", "-p", str(port), "-b", source, "+tries=2", "+timeout=5", "+nocookie"]
    return servers.run([servers.need("dig"), *options, *words])


def texts(said: str) -> set[str]:
    """Names of the servers in TXT records."""
    return set(re.findall(r'"(\w+)[^"]*"', said))


def queries(folder: Path) -> Path:
    """A file of names for dnsperf; all of them but one are unknown, which is an answer too."""
    file = folder / "queries"
    file.write_text("".join(f"n{number % 50}.test A\n" for number in range(1000)))
    return file


def dnsperf(port: int, *options: str) -> subprocess.Popen[str]:
    """Started."""
    command = [servers.need("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-t", "1", "-W", *options]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, **streams)


def outcome(run: subprocess.Popen[str]) -> dict[str, int]:
    """Queries of a run that has ended: sent, completed, lost, and what else it complained about."""
    try:
        said = run.communicate(timeout=RUN_S)[0]
    finally:
        run.kill()
    assert run.returncode == 0, said
    found = {word: int(n) for word, n in re.findall(r"Queries (sent|completed|lost): +(\d+)", said)}
    complaints = [line for line in said.splitlines() if "Warning" in line and "timed out" not in line]
    return found | {"complaints": len(complaints)}


def test_dig_meets_every_name_server_in_turn(start_nginy: StartNginy, name_servers: list[str]) -> None:
    port = free_port_of_both()
    start_nginy(config(name_servers, port, workers=1))
    turns = sorted(dig(port, "+short", "+ignore", "who.test", "TXT").strip() for _ in range(6))
    assert turns == [f'"{name}"' for name in NAMES for _ in range(2)]


def test_a_truncated_answer_is_passed_on_as_it_is(start_nginy: StartNginy, name_servers: list[str]) -> None:
    port = free_port_of_both()
    nginy = start_nginy(config(name_servers, port))
    said = dig(port, "+noedns", "+ignore", "long.test", "TXT")
    assert re.search(r"flags:[^;]* tc[ ;]", said), said
    assert nginy.listener("front-tcp")["sessions"] == 0


def test_the_retry_over_tcp_reaches_the_server_that_truncated(start_nginy: StartNginy, name_servers: list[str]) -> None:
    port = free_port_of_both()
    nginy = start_nginy(config(name_servers, port, policy="source_hash"))
    met = set()
    for number in range(1, 13):
        source = f"127.0.0.{number}"
        over_udp = texts(dig(port, "+short", "who.test", "TXT", source=source))
        retried = dig(port, "+noedns", "long.test", "TXT", source=source)
        assert "retrying in TCP mode" in retried
        assert retried.count("IN\tTXT\t") == 10, retried
        assert texts(retried) == over_udp
        met |= over_udp
    assert len(met) > 1, "clients are spread"
    assert nginy.listener("front-tcp")["sessions"] == 12


def test_dnsperf_loses_no_query(start_nginy: StartNginy, name_servers: list[str], tmp_path: Path) -> None:
    port = free_port_of_both()
    nginy = start_nginy(config(name_servers, port))
    result = outcome(dnsperf(port, "-d", str(queries(tmp_path)), "-n", "20", "-c", "20", "-q", "100"))
    assert result == {"sent": 20000, "completed": 20000, "lost": 0, "complaints": 0}
    assert nginy.listener("front")["datagrams"]["dropped"] == {}
    assert min(row["sessions"] for row in nginy.backends("back")) > 5000
    wait_until(lambda: nginy.reasons() == {"closed": 20000}, "each query was a flow, and was answered")


def workers_avoid(nginy: Nginy, nth: int) -> bool:
    """Whether the checks have found this backend down, and every worker knows."""
    verdict = nginy.backends("back")[nth]["verdict"]
    status = nginy.status()
    return verdict == "down" and {row["generation"] for row in status["workers"]} == {status["generation"]}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stuck"])
def test_queries_go_on_when_a_server_is(
    start_nginy: StartNginy, name_servers: list[str], tmp_path: Path, how: signal.Signals
) -> None:
    """A killed one refuses, and is avoided from the first refusal on; one that is stuck has to be found out."""
    port = free_port_of_both()
    with servers.dns("gone") as gone:
        nginy = start_nginy(config([*name_servers[:2], gone.address], port))
        run = dnsperf(port, "-d", str(queries(tmp_path)), "-l", "5", "-Q", str(RATE), "-c", "10")
        wait_until(lambda: nginy.backends("back")[2]["sessions"] > RATE // 10, "the run is under way")
        gone.child.send_signal(how)
        wait_until(lambda: workers_avoid(nginy, 2), "the check sees it")
        before = nginy.backends("back")[2]["sessions"]
        result = outcome(run)
        assert nginy.backends("back")[2]["sessions"] == before, "none after that"
        gone.child.kill()
    print(how.name, result)
    assert result["sent"] >= 4 * RATE
    assert result["sent"] == result["completed"] + result["lost"]
    assert result["lost"] <= (RATE * DETECTION_S / 3 if how is signal.SIGSTOP else 20)
    assert result["complaints"] == 0
