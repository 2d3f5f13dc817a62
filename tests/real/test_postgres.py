"""psql and pgbench against PostgreSQL, through nginy."""

import contextlib
import re
from collections.abc import Iterator

import pytest

from tests.conftest import StartNginy
from tests.tools import servers
from tests.tools.configs import tcp_config
from tests.tools.waiting import wait_until


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """One cluster for the file."""
    with servers.postgres() as address:
        yield address


def at(address: str) -> list[str]:
    """Options of PostgreSQL's clients for an address."""
    host, _, port = address.rpartition(":")
    return ["-h", host, "-p", port, "-U", "postgres"]


def psql(address: str, *statements: str) -> str:
    """Run the statements in one session."""
    command = [servers.need("psql"), *at(address), "-X", "-v", "ON_ERROR_STOP=1", "-At", "postgres"]
    for statement in statements:
        command += ["-c", statement]
    return servers.run(command, PGSSLMODE="disable")


def test_psql_talks_to_the_database(start_nginy: StartNginy, database: str) -> None:
    nginy = start_nginy(tcp_config([database], workers=2, pool={"health": "tcp"}))
    assert psql(nginy.address(), "select 6 * 7", "select current_user") == "42\npostgres\n"


def test_a_large_result_and_a_large_load_are_complete(start_nginy: StartNginy, database: str, tmp_path) -> None:
    nginy = start_nginy(tcp_config([database]))
    rows = 400_000
    said = psql(nginy.address(), f"select repeat(md5(i::text), 3) from generate_series(1, {rows}) i")
    assert len(said.splitlines()) == rows
    assert said.startswith("c4ca4238a0b923820dcc509a6f75849b" * 3)
    file = tmp_path / "rows"
    file.write_text(said)
    load = f"\\copy big from '{file}'"
    count = "select count(*), sum(length(t)) from big"
    answers = psql(nginy.address(), "create table big(t text)", load, count, "drop table big")
    assert f"{rows}|{rows * 96}" in answers


def test_pgbench_runs_without_a_failed_transaction(start_nginy: StartNginy, database: str) -> None:
    nginy = start_nginy(tcp_config([database], workers=2, pool={"policy": "least_conn", "health": "tcp"}))
    pgbench = servers.need("pgbench")
    servers.run([pgbench, *at(nginy.address()), "-i", "-q", "-s", "1", "postgres"])
    runs = {"kept connections": ["-T", "4", "-c", "16", "-j", "2"], "one each": ["-T", "3", "-c", "8", "-C"]}
    for name, options in runs.items():
        said = servers.run([pgbench, *at(nginy.address()), "-n", *options, "postgres"])
        done = re.search(r"number of transactions actually processed: (\d+)", said)
        failed = re.search(r"number of failed transactions: (\d+)", said)
        assert done and int(done[1]) > 50, (name, said)
        assert failed is None or int(failed[1]) == 0, (name, said)
    wait_until(lambda: set(nginy.reasons()) == {"closed"}, "only clean ends")


def test_sessions_of_psql_live_across_a_reload_to_another_database(start_nginy: StartNginy, database: str) -> None:
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(servers.postgres())
        nginy = start_nginy(tcp_config([database]))
        psql(nginy.address(), "create table which as select 'first' as name")
        psql(other, "create table which as select 'second' as name")
        import threading

        kept: list[str] = []
        question = "select pg_sleep(2) is not null, name from which"
        asking = threading.Thread(target=lambda: kept.append(psql(nginy.address(), question)))
        asking.start()
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 1, "the session stands")
        nginy.reload(tcp_config([other]))
        assert psql(nginy.address(), "select name from which") == "second\n"
        asking.join()
        assert kept == ["t|first\n"]
