"""A flood from made-up addresses: the table stays at its cap, and whoever was answered before notices nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend, client_of, clients_of, exchange, is_silent
from tests.tools.flood_house import CAP, FLOWS
from tests.tools.nginy_process import ROOT
from tests.tools.waiting import wait_until

RATE = 10_000
SECONDS = 2.0


def run_house(*words: str) -> dict[str, Any]:
    """What the program found; AssertionError with what it said."""
    command = ["unshare", "--net", sys.executable, "-m", "tests.tools.flood_house", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.netns
def test_flood_of_made_up_sources_costs_answered_flows_nothing() -> None:
    seen = run_house(str(RATE), str(SECONDS))
    print(seen)
    assert seen["flood"] > RATE * SECONDS / 3
    assert seen["sent_during"] > 1000
    assert not seen["wrong"]
    assert seen["lost"] <= seen["sent_during"] * 0.001
    assert seen["moved"] == 0
    assert seen["most_live"] == CAP  # full, and not one beyond
    assert seen["assured"] == FLOWS
    # each datagram of the flood began a flow; all but those that still stand were evicted
    assert seen["ends"]["evicted"] == seen["flood"] - (CAP - FLOWS) - sum(seen["dropped"].values())


def evicted_clients(path: Path) -> list[int]:
    """Ports of the clients whose flows were evicted, in order."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [int(line["client"].rpartition(":")[2]) for line in lines if line["reason"] == "evicted"]


def test_oldest_flow_without_an_answer_goes_first(start_nginy: StartNginy, tmp_path: Path) -> None:
    log = tmp_path / "access"
    runtime = {"access_log": {"output": str(log), "format": "json"}}
    with DatagramBackend(answer=lambda payload, _: [payload] if payload == b"answer" else []) as peer:
        nginy = start_nginy(udp_config([peer.address], session={"max": 8, "idle": "1s"}, runtime=runtime))
        with clients_of(nginy.address(), 15) as clients:
            ports = [client.getsockname()[1] for client in clients]
            for nth, client in enumerate(clients[:8]):
                if nth in (0, 3):
                    assert exchange(client, b"answer") == b"answer"
                else:
                    client.send(b"?")
                wait_until(lambda nth=nth: len(peer.received) == nth + 1, "it arrived")
            for nth, client in enumerate(clients[8:12]):
                client.send(b"?")
                wait_until(lambda nth=nth: len(peer.received) == 9 + nth, "it arrived")
            wait_until(lambda: len(evicted_clients(log)) == 4, "four had to go")
            assert evicted_clients(log) == [ports[nth] for nth in (1, 2, 4, 5)]
            assert nginy.listener("front")["sessions_live"] == 8
            assert [exchange(clients[nth], b"answer") for nth in (0, 3)] == [b"answer", b"answer"]


def test_table_full_of_answered_flows_drops_and_counts_newcomers(start_nginy: StartNginy) -> None:
    with DatagramBackend() as peer:
        nginy = start_nginy(udp_config([peer.address], session={"max": 4, "idle": "1s"}))
        with clients_of(nginy.address(), 4) as clients, client_of(nginy.address()) as newcomer:
            for client in clients:
                exchange(client)
            newcomer.send(b"any room?")
            wait_until(lambda: nginy.listener("front")["datagrams"]["dropped"] == {"table_full": 1}, "counted")
            assert is_silent(newcomer, 0.05)
            for client in clients:
                exchange(client)
            wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all silent")
            assert exchange(newcomer) == b"hello"
