"""`reload`, `stop` and `status` against a control socket that answers."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nginy._fast.door import DROPS, REASONS
from nginy.admin.commands import Commands
from nginy.admin.socket import AdminSocket
from nginy.cli.main import run_cli
from nginy.errors import ConfigError, ConfigProblem, NginyError, StartError
from nginy.observe.status import status_tree
from tests.unit.admin.rig import LoopThread, loop_thread
from tests.unit.observe.pictures import (
    Source,
    backend,
    backend_counters,
    listener,
    listener_counters,
    pool,
    udp_counters,
    udp_listener,
    view,
    worker,
)

Capture = pytest.CaptureFixture[str]


class Running:
    """The control side of a nginy, without one."""

    def __init__(self, rig: LoopThread, path: Path) -> None:
        self.source = Source()
        self.report = SimpleNamespace(generation=2, changes=[], warnings=[], late_workers=[])
        self.failure: NginyError | None = None
        self.stops: list[bool] = []
        self.rig = rig
        commands = Commands(
            status=lambda: status_tree(self.source), reload=self.reload, route=self.route, stop=self.stop, version="9.9"
        )
        self.door = AdminSocket(commands, path)
        rig.run(self.door.start())

    async def reload(self) -> Any:
        if self.failure:
            raise self.failure
        return self.report

    async def route(self, **question: Any) -> Any:
        raise NotImplementedError

    def stop(self, now: bool) -> None:
        self.stops.append(now)
        self.rig.loop.call_later(0.05, lambda: asyncio.ensure_future(self.door.stop()))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with loop_thread() as rig:
        made = Running(rig, tmp_path / "c.sock")
        yield made
        rig.run(made.door.stop())


def on(running: Running, *arguments: str) -> int:
    """Run a verb on it."""
    return run_cli([*arguments, "--socket", str(running.door.path)])


def test_reload_prints_what_changed_and_warns(running: Running, capsys: Capture) -> None:
    running.report = SimpleNamespace(
        generation=7,
        changes=["pools.api added", "listeners.web changed"],
        warnings=["needs a restart"],
        late_workers=[1],
    )
    assert on(running, "reload") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["generation 7: 2 changes", "  pools.api added", "  listeners.web changed"]
    assert err.splitlines() == ["warning: needs a restart", "warning: not adopted yet by worker 1"]


def test_reload_without_a_change_says_so(running: Running, capsys: Capture) -> None:
    assert on(running, "reload") == 0
    assert capsys.readouterr().out == "generation 2: nothing changed\n"


def test_reload_of_a_bad_file_lists_its_problems_and_is_2(running: Running, capsys: Capture) -> None:
    running.failure = ConfigError(
        [ConfigProblem("w.yaml", 3, 5, "pools", "bad", "good"), ConfigProblem("w.yaml", 4, 1, "", "x")]
    )
    assert on(running, "reload") == 2
    assert capsys.readouterr().err.splitlines() == [
        "w.yaml:3:5: pools: bad (good)",
        "w.yaml:4:1: x",
        "nginy: 2 problems in w.yaml",
    ]


def test_reload_that_the_machine_refuses_is_1(running: Running, capsys: Capture) -> None:
    running.failure = StartError("port 80 is taken")
    assert on(running, "reload") == 1
    assert capsys.readouterr().err == "nginy: port 80 is taken\n"


@pytest.mark.parametrize(("option", "now"), [([], False), (["--now"], True)])
def test_stop_waits_for_the_end(running: Running, capsys: Capture, option: list[str], now: bool) -> None:
    assert on(running, "stop", *option) == 0
    assert running.stops == [now]
    assert capsys.readouterr().out.splitlines()[-1] == "stopped"
    assert not running.door.path.exists()


def test_stop_no_wait_returns_at_once(running: Running, capsys: Capture) -> None:
    assert on(running, "stop", "--no-wait") == 0
    assert capsys.readouterr().out == "stopping\n"


def test_stop_that_takes_too_long_is_1(running: Running, capsys: Capture) -> None:
    running.stop = lambda now: None  # type: ignore[method-assign]
    running.door._commands._stop = running.stop  # type: ignore[attr-defined]
    assert on(running, "stop", "--timeout", "0.1") == 1
    assert capsys.readouterr().err == "nginy: still running after 0.1 s\n"


@pytest.mark.parametrize("verb", ["reload", "stop", "status"])
def test_nobody_there_is_1_and_one_message(tmp_path: Path, capsys: Capture, verb: str) -> None:
    assert run_cli([verb, "--socket", str(tmp_path / "none.sock")]) == 1
    assert capsys.readouterr().err == f"nginy: no nginy answers at {tmp_path / 'none.sock'}\n"


def busy_view() -> Any:
    """One of everything worth seeing."""
    ends = tuple(3 if code == 5 else 2 if code in (0, 1) else 0 for code in range(len(REASONS)))
    web = listener(
        counters=listener_counters(accepted=1234567, live=5, bytes_in=2048, bytes_out=3 << 20, reasons=ends)
    )
    sick = backend(
        "10.0.0.2:80",
        verdict="down",
        last_check="refused",
        counters=backend_counters(outcomes=(1, 4) + (0,) * 6),
    )
    odd = backend("db.example:80", resolved="10.0.0.3:80", state="maint", verdict="unknown", tier=1)
    return view(listeners=(web,), pools=(pool("api", backend(), sick, odd),))


def test_status_shows_everything_a_person_looks_for(running: Running, capsys: Capture) -> None:
    running.source.picture = busy_view()
    assert on(running, "status") == 0
    lines = [re.split(r"\s{2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:4] == ["nginy 9.9", "serving", "generation 1", "up 3s"]
    assert ["web", "127.0.0.1:32768", "tcp", "api", "5", "1,234,567", "2.0 KiB", "3.0 MiB", "3"] in lines
    assert ["api round_robin"] in lines
    assert ["10.0.0.1:80", "ready", "up", "0", "0", "0 B", "0 B", "0"] in lines
    assert ["10.0.0.2:80", "ready", "down", "0", "0", "0 B", "0 B", "4"] in lines
    assert ["check: refused"] in lines
    assert ["db.example:80 (10.0.0.3:80) tier 1", "maint", "unknown", "0", "0", "0 B", "0 B", "0"] in lines
    assert not any(line[0] == "worker" for line in lines)


def test_status_shows_datagrams_and_why_some_were_dropped_where_udp_is_spoken(
    running: Running, capsys: Capture
) -> None:
    assert on(running, "status") == 0
    assert "udp listener" not in capsys.readouterr().out
    drops = tuple(7 if name == "no_backend" else 0 for name in DROPS)
    counters = udp_counters(
        from_clients=1000, to_backends=993, from_backends=900, to_clients=899, assured=3, kernel_drops=40, drops=drops
    )
    dns = udp_listener(datagrams=counters, receive_bytes=4 * 2**20)
    running.source.picture = view(listeners=(listener(), dns))
    assert on(running, "status") == 0
    lines = [re.split(r"\s{2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    place = lines.index(["dns", "1,000", "993", "900", "899", "3", "4.0 MiB", "47"])
    assert lines[place + 1 : place + 3] == [["dropped: kernel 40"], ["dropped: no_backend 7"]]


def test_status_shows_workers_when_one_is_odd(running: Running, capsys: Capture) -> None:
    running.source.picture = view(workers=(worker(0), worker(1, state="down", pid=0, deaths=3)))
    assert on(running, "status") == 0
    lines = [re.split(r"\s{2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert ["1", "down", "0", "1", "0", "3"] in lines


def test_status_has_no_colours_in_a_pipe(running: Running, capsys: Capture) -> None:
    assert on(running, "status") == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_name_cannot_become_markup(running: Running, capsys: Capture) -> None:
    running.source.picture = view(listeners=(listener("[red]web[/red]"),))
    assert on(running, "status") == 0
    assert "[red]web[/red]" in capsys.readouterr().out


def test_status_as_json_is_what_the_socket_answers(running: Running, capsys: Capture) -> None:
    assert on(running, "status", "-o", "json") == 0
    tree = json.loads(capsys.readouterr().out)
    assert {key: tree[key] for key in ("version", "state", "status_version")} == {
        "version": "9.9", "state": "serving", "status_version": 1,
    }  # fmt: skip
    assert tree["pools"][0]["backends"][0]["verdict"] == "up"
