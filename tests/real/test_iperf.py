"""iperf3 through nginy: many streams, both directions, TCP and UDP; control and data meet one server."""

import json

import pytest

from tests.conftest import StartNginy
from tests.tools import servers
from tests.tools.configs import tcp_config, udp_config, with_tcp
from tests.tools.nginy_process import Nginy
from tests.tools.sockets import free_port_of_both

RUNS = 3
OPTIONS = {
    "one stream up": ["-P", "1"],
    "one stream down": ["-P", "1", "-R"],
    "sixteen streams up": ["-P", "16"],
    "sixteen streams down": ["-P", "16", "-R"],
    "both ways": ["-P", "4", "--bidir"],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_iperf3_moves_bytes_to_the_end(start_nginy: StartNginy, name: str) -> None:
    with servers.iperf3() as address:
        nginy = start_nginy(tcp_config([address], workers=2))
        host, _, port = nginy.address().rpartition(":")
        command = [servers.need("iperf3"), "-c", host, "-p", port, "-t", "2", "-J", *OPTIONS[name]]
        report = json.loads(servers.run(command))
        assert "error" not in report, report.get("error")
        sent, received = (report["end"][side]["bytes"] for side in ("sum_sent", "sum_received"))
        assert received > 50_000_000
        assert received <= sent
        row = nginy.listener("front")
        assert row["bytes_in"] + row["bytes_out"] >= received


def run_over_udp(nginy: Nginy, port: int, direction: list[str]) -> int:
    """Datagrams that one run lost. nginy has to have passed on all that it took."""
    before = nginy.listener("front")["datagrams"]
    command = [servers.need("iperf3"), "-u", "-c", "127.0.0.1", "-p", str(port), "-b", "20M", "-l", "1200"]
    report = json.loads(servers.run([*command, "-t", "2", "-J", *direction]))
    assert "error" not in report, report.get("error")
    streams = [stream["udp"] for stream in report["end"]["streams"]]
    assert len(streams) == (2 if direction == ["--bidir"] else 1)
    assert min(stream["packets"] for stream in streams) > 3500
    assert [stream["out_of_order"] for stream in streams] == [0] * len(streams)
    after = nginy.listener("front")["datagrams"]
    assert after["dropped"] == {}
    names = ("from_clients", "to_backends", "from_backends", "to_clients")
    passed = {name: after[name] - before[name] for name in names}
    assert passed["from_clients"] == passed["to_backends"]
    assert passed["from_backends"] == passed["to_clients"]
    lost = sum(stream["lost_packets"] for stream in streams)
    assert passed["to_backends"] + passed["to_clients"] >= sum(stream["packets"] for stream in streams) - lost
    return lost


@pytest.mark.parametrize("direction", [[], ["-R"], ["--bidir"]], ids=["up", "down", "both ways"])
def test_iperf3_over_udp_loses_nothing(start_nginy: StartNginy, direction: list[str]) -> None:
    """Its control connection and its datagrams have to meet the same server: one port, TCP and UDP.

    A machine that is busy elsewhere fills receive queues of iperf3; then another run shows it.
    """
    with servers.iperf3() as address:
        port = free_port_of_both()
        nginy = start_nginy(with_tcp(udp_config([address], workers=2), port))
        losses: list[int] = []
        while 0 not in losses and len(losses) < RUNS:
            losses.append(run_over_udp(nginy, port, direction))
        assert losses[-1] == 0, losses
