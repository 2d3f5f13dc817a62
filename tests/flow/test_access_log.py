"""One record per session, readable by programs; a stuck output costs records, never traffic."""

import json
import os
from pathlib import Path

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.peers import Peer, resetting
from tests.tools.sockets import ask, connect, end_of, how_it_ends
from tests.tools.waiting import wait_until


def lines_of(path: Path) -> list[str]:
    """Whole lines of the log so far."""
    return path.read_text().splitlines() if path.exists() else []


def test_each_session_leaves_one_json_record_with_what_it_did(
    start_nginy: StartNginy, backend: Peer, tmp_path: Path
) -> None:
    log = tmp_path / "access"
    runtime = {"access_log": {"output": str(log), "format": "json"}}
    nginy = start_nginy(tcp_config([backend.address], workers=2, runtime=runtime))
    for number in range(200):
        ask(nginy.address(), b"y" * number)
    wait_until(lambda: len(lines_of(log)) == 200, "two hundred records")
    records = [json.loads(line) for line in lines_of(log)]
    assert {record["listener"] for record in records} == {"front"}
    assert {record["reason"] for record in records} == {"closed"}
    assert sorted(record["bytes_in"] for record in records) == list(range(200))
    assert sorted(record["bytes_out"] for record in records) == list(range(200))
    assert all(record["client"].startswith("127.0.0.1:") for record in records)
    assert all(backend.address in str(record["backend"]) for record in records)
    assert {record["attempts"] for record in records} == {1}


def test_refused_and_reset_sessions_are_recorded_with_their_reason(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    log = tmp_path / "access"
    peer = start_peer(resetting(1))
    backends = [{"address": peer.address, "max_conns": 1}]
    nginy = start_nginy(tcp_config(backends, runtime={"access_log": {"output": str(log)}}))
    with connect(nginy.address()) as first:
        wait_until(lambda: nginy.backends("back")[0]["sessions_live"] == 1, "the only place is taken")
        assert end_of(nginy.address()) == "reset"
        first.sendall(b"x")
        assert how_it_ends(first) == "reset"
    wait_until(lambda: len(lines_of(log)) == 2, "two records")
    assert sorted(json.loads(line)["reason"] for line in lines_of(log)) == ["back_reset", "backends_full"]


def test_logfmt_is_one_line_of_pairs(start_nginy: StartNginy, backend: Peer, tmp_path: Path) -> None:
    log = tmp_path / "access"
    nginy = start_nginy(tcp_config([backend.address], runtime={"access_log": {"output": str(log), "format": "logfmt"}}))
    ask(nginy.address(), b"abc")
    wait_until(lambda: lines_of(log), "a record")
    pairs = dict(pair.split("=", 1) for pair in lines_of(log)[0].split(" "))
    assert (pairs["listener"], pairs["reason"], pairs["bytes_in"]) == ("front", "closed", "3")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_drops_records_and_counts_them(start_nginy: StartNginy, backend: Peer) -> None:
    config = tcp_config(
        [backend.address],
        runtime={"access_log": {"output": "/dev/full"}},
        admin={"http": {"bind": "127.0.0.1:0"}},
    )
    nginy = start_nginy(config)
    for _ in range(300):
        assert ask(nginy.address(), b"still works") == b"still works"
    wait_until(lambda: nginy.metric("nginy_access_log_dropped_total") >= 300, "all records are counted as dropped")


def test_a_stuck_pipe_drops_records_and_traffic_goes_on(start_nginy: StartNginy, backend: Peer, tmp_path: Path) -> None:
    """Refused sessions fill the queues: they leave records too, and cost least."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        config = tcp_config(
            [backend.address],
            runtime={"access_log": {"output": str(pipe)}},
            admin={"http": {"bind": "127.0.0.1:0"}},
        )
        limits = {"limits": {"sessions": 1}}
        config["listeners"]["full"] = {"bind": "127.0.0.1:0", "protocol": "tcp", "pool": "back"} | limits
        nginy = start_nginy(config)
        full = nginy.address("full")
        with connect(full) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"

            def is_dropping() -> bool:
                for _ in range(500):
                    end_of(full)
                assert ask(nginy.address(), b"still works") == b"still works"
                return nginy.metric("nginy_access_log_dropped_total") > 0

            wait_until(is_dropping, "records are dropped", 90)
        for _ in range(200):
            assert ask(nginy.address(), b"still works") == b"still works"
    finally:
        os.close(reader)


def test_without_an_access_log_nothing_is_written(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    ask(nginy.address(), b"x")
    assert "bytes_in" not in nginy.log()


def test_records_that_are_under_way_at_the_end_are_written(
    start_nginy: StartNginy, backend: Peer, tmp_path: Path
) -> None:
    log = tmp_path / "access"
    nginy = start_nginy(tcp_config([backend.address], workers=2, runtime={"access_log": {"output": str(log)}}))
    for _ in range(100):
        ask(nginy.address(), b"x")
    assert nginy.stop() == 0
    assert len(lines_of(log)) == 100
