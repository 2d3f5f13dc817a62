"""iperf3 through nginy: many streams, both directions, control and data connections to one server."""

import json

import pytest

from tests.conftest import StartNginy
from tests.tools import servers
from tests.tools.configs import tcp_config

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
