"""redis-cli and redis-benchmark against Redis, through nginy."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import StartNginy
from tests.tools import servers
from tests.tools.configs import tcp_config
from tests.tools.sockets import connect
from tests.tools.waiting import wait_until


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """One server for the file."""
    with servers.redis() as address:
        yield address


def redis_cli(address: str, *words: str) -> str:
    """One command."""
    host, _, port = address.rpartition(":")
    return servers.run([servers.need("redis-cli"), "-h", host, "-p", port, *words])


def test_redis_cli_sets_and_gets(start_nginy: StartNginy, store: str) -> None:
    nginy = start_nginy(tcp_config([store], workers=2, pool={"health": "tcp"}))
    assert redis_cli(nginy.address(), "set", "answer", "42") == "OK\n"
    assert redis_cli(nginy.address(), "get", "answer") == "42\n"


def test_a_value_of_many_megabytes_goes_both_ways(start_nginy: StartNginy, store: str) -> None:
    nginy = start_nginy(tcp_config([store]))
    script = "redis.call('set', 'big', string.rep('0123456789abcdef', 2000000)) return #redis.call('get', 'big')"
    assert redis_cli(nginy.address(), "eval", script, "0") == "32000000\n"
    assert redis_cli(nginy.address(), "get", "big") == "0123456789abcdef" * 2_000_000 + "\n"
    redis_cli(nginy.address(), "del", "big")


@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_redis_benchmark_runs_without_an_error(start_nginy: StartNginy, store: str, pipeline: str) -> None:
    nginy = start_nginy(tcp_config([store], workers=2))
    host, _, port = nginy.address().rpartition(":")
    before = int(redis_cli(store, "info", "stats").split("total_commands_processed:")[1].split()[0])
    command = [servers.need("redis-benchmark"), "-h", host, "-p", port, "-c", "50", "-n", "40000"]
    said = servers.run([*command, "-P", pipeline, "-t", "ping,set,get,lpush", "-d", "200", "--csv"])
    assert "error" not in said.lower()
    assert len(said.strip().splitlines()) >= 5, said
    after = int(redis_cli(store, "info", "stats").split("total_commands_processed:")[1].split()[0])
    assert after - before >= 5 * 40000


def test_a_subscriber_is_served_while_others_publish(start_nginy: StartNginy, store: str) -> None:
    nginy = start_nginy(tcp_config([store], workers=2))
    with connect(nginy.address()) as sock:
        sock.sendall(b"SUBSCRIBE news\r\n")
        heard = b""
        while b":1\r\n" not in heard:
            heard += sock.recv(4096)
        for number in range(20):
            assert redis_cli(nginy.address(), "publish", "news", f"item-{number}") == "1\n"
        while b"item-19" not in heard:
            heard += sock.recv(4096)
        assert all(b"item-%d\r\n" % number in heard for number in range(20))


def test_when_one_of_two_redis_ends_every_client_gets_the_other(start_nginy: StartNginy, store: str) -> None:
    def ports() -> set[str]:
        return {redis_cli(nginy.address(), "config", "get", "port").split()[-1] for _ in range(6)}

    with ExitStack() as second:
        other = second.enter_context(servers.redis())
        health = {"kind": "tcp", "interval": "200ms", "fall": 1}
        nginy = start_nginy(tcp_config([store, other], workers=2, pool={"health": health}))
        wait_until(lambda: ports() == {store.rpartition(":")[2], other.rpartition(":")[2]}, "both take turns")
        second.close()
        assert ports() == {store.rpartition(":")[2]}
        wait_until(lambda: [row["verdict"] for row in nginy.backends("back")] == ["up", "down"], "seen by the checks")
