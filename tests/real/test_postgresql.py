"""PostgreSQL: psql and pgbench through nginy."""

import hashlib
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartNginy
from tests.real.server import Server, plain_environment, run_client
from tests.tools import programs
from tests.tools.configs import tcp_config
from tests.tools.sockets import parse_address
from tests.tools.waiting import wait_until

ROWS = 200_000
ROW_BYTES = 100


def initialise(server: Server) -> Path:
    """Make the cluster, once."""
    cluster = server.folder / "cluster"
    if not cluster.exists():
        server.run_inside(
            [programs.need("initdb"), "-D", cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-locale", "--no-sync"]
        )  # fmt: skip
    return cluster


def command(server: Server) -> list[str | Path]:
    cluster = initialise(server)
    return [
        programs.need("postgres"), "-D", cluster, "-p", str(server.port), "-k", "", "-h", "127.0.0.1",
        "-c", "fsync=off",
    ]  # fmt: skip


def words_for(address: str) -> list[str]:
    """Where and who, for every PostgreSQL client."""
    host, port = parse_address(address)[1]
    return ["-h", str(host), "-p", str(port), "-U", "postgres"]


def psql_words(address: str, statement: str) -> list[str]:
    quiet = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    return ["psql", *words_for(address), *quiet, "-d", "postgres", "-c", statement]


def psql(address: str, statement: str) -> str:
    return run_client(psql_words(address, statement)).strip()


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    for program in ("psql", "pgbench"):
        programs.need(program)
    with Server(command) as server:
        ready = ["pg_isready", *words_for(server.address), "-q"]
        wait_until(
            lambda: subprocess.run([programs.need(ready[0]), *ready[1:]], check=False).returncode == 0,
            f"PostgreSQL takes clients; log:\n{server.log()}",
        )
        yield server


@pytest.fixture
def front(start_nginy: StartNginy, database: Server) -> str:
    """nginy's address in front of the database."""
    return start_nginy(tcp_config([database.address], workers=2)).address()


def test_a_query_gives_the_same_answer_as_without_nginy(front: str, database: Server) -> None:
    statement = "select n, md5(n::text) from generate_series(1, 20000) as n"
    answer = psql(front, statement)
    assert answer.count("\n") == 19_999
    assert answer == psql(database.address, statement)


def test_pgbench_has_no_failed_transaction(front: str) -> None:
    run_client(["pgbench", "-i", "-q", "-s", "2", *words_for(front), "postgres"])
    said = run_client(["pgbench", "-c", "8", "-j", "2", "-T", "2", *words_for(front), "postgres"])
    done = re.search(r"number of transactions actually processed: (\d+)", said)
    assert done and int(done[1]) > 100, said
    failed = re.search(r"number of failed transactions: (\d+)", said)
    assert failed is None or failed[1] == "0", said


def test_pgbench_with_a_connection_per_transaction(front: str) -> None:
    said = run_client(["pgbench", "-n", "-C", "-S", "-c", "8", "-j", "2", "-t", "50", *words_for(front), "postgres"])
    assert "number of transactions actually processed: 400/400" in said


def test_a_long_copy_is_the_same_both_ways(front: str, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    content = b"".join(b"%d\t%s\n" % (n, chance.randbytes(ROW_BYTES // 2).hex().encode()) for n in range(ROWS))
    (tmp_path / "in").write_bytes(content)
    psql(front, "create table lines (n int, line text)")
    try:
        psql(front, f"\\copy lines from '{tmp_path / 'in'}'")
        psql(front, f"\\copy (select * from lines order by n) to '{tmp_path / 'out'}'")
    finally:
        psql(front, "drop table lines")
    assert hashlib.md5((tmp_path / "out").read_bytes()).hexdigest() == hashlib.md5(content).hexdigest()


def test_a_cancelled_query_ends_and_the_session_lives_on(front: str, database: Server) -> None:
    """psql asks for the cancellation over a second connection of its own, also through nginy."""
    name = "cancelled_by_the_client"
    asleep = f"select count(*) from pg_stat_activity where application_name = '{name}' and state = 'active'"
    words = ["psql", *words_for(front), "-X", "-A", "-t", "-d", "postgres"]
    with subprocess.Popen(
        [programs.need(words[0]), *words[1:], "-c", "select pg_sleep(60)", "-c", "select 'still here'"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=plain_environment(PGAPPNAME=name),
    ) as child:  # fmt: skip
        try:
            wait_until(lambda: psql(database.address, asleep) == "1", "the query runs")
            child.send_signal(signal.SIGINT)
            said = child.communicate(timeout=15)[0].decode()
        finally:
            child.kill()
    assert "canceling statement due to user request" in said
    assert "still here" in said
