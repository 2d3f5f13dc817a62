"""Where datagrams come in, which of them go no further, and what is told about them."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import (
    DatagramBackend,
    client_of,
    clients_of,
    datagram_socket,
    exchange,
    listening_inodes,
    tells_sender,
)
from tests.tools.nginy_process import PYTHON_PATH, ROOT, Nginy, http_get
from tests.tools.proc import is_alive
from tests.tools.waiting import wait_until

HTTP = {"http": {"bind": "127.0.0.1:0"}}


@pytest.fixture
def peer() -> Iterator[DatagramBackend]:
    with DatagramBackend() as started:
        yield started


def free_range(count: int) -> int:
    """The first of so many neighbouring ports that nobody is bound to now, below those that the kernel hands out."""
    for first in random.sample(range(10_000, 30_000), 200):
        with ExitStack() as stack:
            with suppress(OSError):
                for port in range(first, first + count):
                    stack.enter_context(datagram_socket(port=port))
                return first
    raise AssertionError("no neighbouring free ports")


# ---- addresses ----


@pytest.mark.parametrize(
    ("bind", "hosts"),
    [(":0", ["127.0.0.1", "127.0.0.2", "127.9.9.9"]), ("[::]:0", ["::1"])],
    ids=["IPv4", "IPv6"],
)
def test_wildcard_answers_from_the_address_that_was_asked(
    start_nginy: StartNginy, peer: DatagramBackend, bind: str, hosts: list[str]
) -> None:
    nginy = start_nginy(udp_config([peer.address], workers=2, listener={"bind": bind}))
    port = int(nginy.address().rpartition(":")[2])
    with datagram_socket(hosts[0]) as client:
        for host in hosts:
            client.sendto(b"who?", (host, port))
            answer, sender = client.recvfrom(100)
            assert (answer, sender[:2]) == (b"who?", (host, port))
    assert nginy.listener("front")["sessions"] == len(hosts)  # an address that was asked is part of what a flow is


@pytest.mark.netns
def test_ipv6_wildcard_with_several_addresses_answers_from_the_one_that_was_asked() -> None:
    script = (
        "import subprocess; from tests.tools.fastopen_house import enter_own_network; enter_own_network()\n"
        "from tests.tools.configs import udp_config; from tests.tools.nginy_process import Nginy\n"
        "from tests.tools.datagrams import DatagramBackend, datagram_socket\n"
        "hosts = ['fd00::1', 'fd00::2', 'fd00::3']\n"
        "for host in hosts:\n"
        "    subprocess.run(['ip', '-6', 'address', 'add', host + '/128', 'dev', 'lo', 'nodad'], check=True)\n"
        "with DatagramBackend(host='::1') as peer:\n"
        "    nginy = Nginy(udp_config([peer.address], listener={'bind': '[::]:30053'}))\n"
        "    try:\n"
        "        nginy.start()\n"
        "        with datagram_socket('fd00::1') as client:\n"
        "            for host in hosts:\n"
        "                client.sendto(host.encode(), (host, 30053))\n"
        "                answer, sender = client.recvfrom(100)\n"
        "                assert (answer, sender[0]) == (host.encode(), host), (answer, sender)\n"
        "        assert nginy.stop() == 0\n"
        "    finally:\n"
        "        nginy.clean_up()\n"
    )
    command = ["unshare", "--net", sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_port_of_a_range_is_served_and_answers_as_itself(start_nginy: StartNginy, peer: DatagramBackend) -> None:
    first = free_range(20)
    nginy = start_nginy(udp_config([peer.address], workers=2, listener={"bind": f"127.0.0.1:{first}-{first + 19}"}))
    with datagram_socket() as client:
        for port in range(first, first + 20):
            client.sendto(b"%d" % port, ("127.0.0.1", port))
            assert client.recvfrom(100) == (b"%d" % port, ("127.0.0.1", port))
    assert nginy.listener("front")["sessions"] == 20
    assert all(len(listening_inodes(nginy.pid, port)) == 2 for port in (first, first + 19))


# ---- limits, and what is told ----


LIMITS = {
    "source_flows": {"limits": {"flows_per_source": 2}},
    "source_rate": {"limits": {"flow_rate_per_source": "2/s"}},
    "flow_rate": {"limits": {"flow_rate": "2/s"}},
    "session_limit": {"limits": {"sessions": 2}},
}


def metric_of(nginy: Nginy, line: str) -> float:
    """The value of one sample, given as it stands in front of it; 0 when it is not there."""
    lines = http_get(nginy.http_address(), "/metrics")[1].splitlines()
    return sum(float(found.rpartition(" ")[2]) for found in lines if found.startswith(line + " "))


def test_limits_drop_and_are_told_in_status_and_metrics(start_nginy: StartNginy, peer: DatagramBackend) -> None:
    """Each limit on a listener of its own; ten clients send one datagram each."""
    config = udp_config([peer.address], admin=HTTP)
    front = config["listeners"]["front"]
    config["listeners"] |= {name.replace("_", "-"): front | keys for name, keys in LIMITS.items()}
    config["listeners"]["bandwidth"] = front | {"limits": {"bandwidth": 70_000}}
    config["listeners"]["datagram-rate"] = front | {"limits": {"datagram_rate": "1/s"}}
    nginy = start_nginy(config)
    for reason in LIMITS:
        name = reason.replace("_", "-")
        with clients_of(nginy.address(name), 10) as clients:
            for client in clients:
                client.send(b"?")
            wait_until(lambda name=name: all_judged(nginy, name, 10), "all are judged")
        check_told(nginy, name, reason)
    for name, payload, count in (("bandwidth", bytes(30_000), 8), ("datagram-rate", b"?", 80)):
        with client_of(nginy.address(name)) as client:
            for _ in range(count):
                client.send(payload)
            wait_until(lambda name=name, count=count: all_judged(nginy, name, count), "all are judged")
        check_told(nginy, name, name.replace("-", "_"))
    assert metric_of(nginy, 'nginy_datagrams_total{direction="from_clients",listener="bandwidth"}') == 8


def all_judged(nginy: Nginy, name: str, count: int) -> bool:
    seen = nginy.listener(name)["datagrams"]
    return seen["to_backends"] + sum(seen["dropped"].values()) == count


def check_told(nginy: Nginy, name: str, reason: str) -> None:
    seen = nginy.listener(name)["datagrams"]
    assert set(seen["dropped"]) == {reason}
    assert seen["dropped"][reason] >= 5
    sample = f'nginy_datagrams_dropped_total{{listener="{name}",reason="{reason}"}}'
    assert metric_of(nginy, sample) == seen["dropped"][reason]
    assert f"{reason}" in status_text(nginy)


def status_text(nginy: Nginy) -> str:
    """What `nginy status` prints."""
    python = nginy.python
    command = [python, "-m", "nginy", "status", "--socket", str(nginy.control_path), "-o", "json"]
    environment = {"PYTHONPATH": PYTHON_PATH, "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


# ---- access log ----


def records_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_flow_leaves_one_record(start_nginy: StartNginy, peer: DatagramBackend, tmp_path: Path) -> None:
    log = tmp_path / "access"
    runtime = {"access_log": {"output": str(log), "format": "json"}}
    nginy = start_nginy(udp_config([peer.address], workers=2, runtime=runtime, session={"idle": "200ms"}))
    with clients_of(nginy.address(), 50) as clients:
        names = {f"127.0.0.1:{client.getsockname()[1]}": nth for nth, client in enumerate(clients)}
        for nth, client in enumerate(clients):
            for _ in range(2):
                exchange(client, b"y" * nth)
        wait_until(lambda: len(records_of(log)) == 50, "fifty records")
    records = records_of(log)
    assert {record["client"] for record in records} == set(names)
    for record in records:
        assert record["bytes_in"] == record["bytes_out"] == 2 * names[record["client"]]
        assert (record["listener"], record["protocol"], record["reason"]) == ("front", "udp", "idle")
        assert peer.address in str(record["backend"])
        assert record["connect_ms"] >= 0


# ---- ends ----


def test_drain_lets_flows_finish_and_ends_at_its_deadline(start_nginy: StartNginy, peer: DatagramBackend) -> None:
    config = udp_config([peer.address], session={"idle": "30s"}, runtime={"drain": "1s"})
    nginy = start_nginy(config, checked=False)
    with client_of(nginy.address()) as client, client_of(nginy.address()) as newcomer:
        exchange(client)
        nginy.running.terminate()
        wait_until(lambda: nginy.status()["state"] == "draining", "it drains")
        assert exchange(client, b"not yet") == b"not yet"
        newcomer.send(b"too late")
        wait_until(lambda: nginy.listener("front")["datagrams"]["dropped"] == {"draining": 1}, "counted")
        assert nginy.wait_exit(5.0) == 0
    assert b"too late" not in peer.payloads


def test_while_one_worker_drains_the_clients_of_the_other_stay_where_they_are(start_nginy: StartNginy) -> None:
    """A worker without flows ends at once; its sockets keep their places in the group until all have ended."""
    with DatagramBackend(answer=tells_sender(b"a")) as peer:
        config = udp_config([peer.address], workers=2, session={"idle": "400ms"}, runtime={"drain": "10s"})
        nginy = start_nginy(config, checked=False)
        with clients_of(nginy.address(), 16) as clients:
            ways = {}
            for client in clients:
                before = nginy.workers()[0]["counters"]["accepted"]
                way = exchange(client).partition(b"|")[0]
                if nginy.workers()[0]["counters"]["accepted"] > before:
                    ways[client] = way
                for kept in ways:
                    exchange(kept)
            assert 0 < len(ways) < 16

            def others_are_silent() -> bool:
                for kept in ways:
                    exchange(kept)
                return nginy.workers()[1]["sessions_live"] == 0

            wait_until(others_are_silent, "the second worker has no flows")
            gone = nginy.workers()[1]["pid"]
            nginy.running.terminate()
            wait_until(lambda: not is_alive(gone), "the second worker has ended")
            for _ in range(10):
                assert {client: exchange(client).partition(b"|")[0] for client in ways} == ways
        assert nginy.wait_exit(5.0) == 0


def test_stop_waits_for_no_flow(start_nginy: StartNginy, peer: DatagramBackend) -> None:
    nginy = start_nginy(udp_config([peer.address], session={"idle": "30s"}, runtime={"drain": "30s"}), checked=False)
    with clients_of(nginy.address(), 20) as clients:
        for client in clients:
            exchange(client)
        nginy.send(signal.SIGINT)
        assert nginy.wait_exit(5.0) == 0
        with pytest.raises(ConnectionRefusedError):
            for _ in range(2):
                exchange(clients[0])


def test_drain_ends_as_soon_as_the_last_flow_is_silent(start_nginy: StartNginy, peer: DatagramBackend) -> None:
    config = udp_config([peer.address], session={"idle": "300ms"}, runtime={"drain": "30s"})
    nginy = start_nginy(config, checked=False)
    with client_of(nginy.address()) as client:
        exchange(client)
        nginy.running.terminate()
        assert nginy.wait_exit(5.0) == 0
