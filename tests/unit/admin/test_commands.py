"""The command table: right answers, clear refusals, one change at a time."""

import asyncio
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nginy.admin.commands import Commands
from nginy.errors import ConfigError, ConfigProblem, StartError

PAGE = Path(__file__).parents[3] / "docs" / "admin.md"
REPORT = SimpleNamespace(generation=4, changes=["pools.api: new"], warnings=["w"], late_workers=[1])


class Desk:
    """What a server would plug into the table."""

    def __init__(self) -> None:
        self.stops: list[bool] = []
        self.reloads = 0
        self.running = 0
        self.most_running = 0
        self.failure: Exception | None = None

    async def reload(self) -> Any:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.reloads += 1
        self.running -= 1
        if self.failure:
            raise self.failure
        return REPORT

    def commands(self) -> Commands:
        return Commands(
            status=lambda: {"state": "serving"},
            reload=self.reload,
            route=self.route,
            stop=self.stops.append,
            version="1.2.3",
        )

    async def route(self, **question: Any) -> dict[str, Any]:
        """Says back what it was asked."""
        return question


def run(request: object, desk: Desk | None = None) -> dict[str, Any]:
    """One request."""
    return asyncio.run((desk or Desk()).commands().run(request))


def test_ping_version_and_status_answer() -> None:
    assert run({"cmd": "ping"}) == {"ok": True, "result": "pong"}
    assert run({"cmd": "version"}) == {"ok": True, "result": {"version": "1.2.3", "pid": os.getpid()}}
    assert run({"cmd": "status"})["result"] == {"version": "1.2.3", "pid": os.getpid(), "state": "serving"}


def test_route_hands_the_question_on_and_needs_a_listener() -> None:
    question = {"listener": "web", "source": "192.0.2.1", "count": 2, "distribution": True}
    assert run({"cmd": "route", **question}) == {"ok": True, "result": question}
    assert run({"cmd": "route"})["error"] == "route: `listener` is missing"
    assert run({"cmd": "route", "listener": "web", "count": "2"})["error"] == "route: count must be a int"


def test_reload_reports_what_changed() -> None:
    expected = {"generation": 4, "changes": ["pools.api: new"], "warnings": ["w"], "late_workers": [1]}
    assert run({"cmd": "reload"}) == {"ok": True, "result": expected}


def test_a_refused_configuration_comes_back_with_every_problem() -> None:
    desk = Desk()
    desk.failure = ConfigError(
        [ConfigProblem("f.yaml", 3, 4, "pools.api", "wrong", "do right"), ConfigProblem("g", 0, 0, "", "x")]
    )
    answer = run({"cmd": "reload"}, desk)
    assert (answer["ok"], answer["kind"]) == (False, "config")
    assert answer["problems"] == [
        {
            "file": "f.yaml",
            "line": 3,
            "column": 4,
            "path": "pools.api",
            "message": "wrong",
            "hint": "do right",
        },
        {"file": "g", "line": 0, "column": 0, "path": "", "message": "x", "hint": ""},
    ]


def test_a_reload_that_the_machine_refuses_says_why() -> None:
    desk = Desk()
    desk.failure = StartError("port 80 is taken")
    assert run({"cmd": "reload"}, desk) == {"ok": False, "kind": "refused", "error": "port 80 is taken"}


def test_reloads_run_one_after_the_other() -> None:
    desk = Desk()

    async def storm() -> None:
        commands = desk.commands()
        await asyncio.gather(*(commands.run({"cmd": "reload"}) for _ in range(20)))

    asyncio.run(storm())
    assert (desk.reloads, desk.most_running) == (20, 1)


@pytest.mark.parametrize(("request_", "now"), [({}, False), ({"now": True}, True), ({"now": False}, False)])
def test_stop_passes_on_whether_now(request_: dict[str, Any], now: bool) -> None:
    desk = Desk()
    assert run({"cmd": "stop", **request_}, desk)["ok"]
    assert desk.stops == [now]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"cmd": "reboot"}, "unknown command 'reboot'; known: ping, reload, route, status, stop, version"),
        ({}, "unknown command None"),
        ({"cmd": ["stop"]}, "unknown command ['stop']"),
        ([], "a request is a JSON object"),
        ("stop", "a request is a JSON object"),
        (None, "a request is a JSON object"),
        ({"cmd": "stop", "now": 1}, "stop: now must be a bool"),
        ({"cmd": "stop", "now": "yes"}, "stop: now must be a bool"),
        ({"cmd": "stop", "soon": True}, "stop: unknown argument 'soon'"),
        ({"cmd": "ping", "now": True}, "ping: unknown argument 'now'"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(request_: object, message: str) -> None:
    desk = Desk()
    answer = run(request_, desk)
    assert (answer["ok"], answer["kind"]) == (False, "request")
    assert answer["error"].startswith(message)
    assert (desk.stops, desk.reloads) == ([], 0)


def test_every_command_is_documented_with_its_arguments() -> None:
    text = PAGE.read_text()
    section = text[text.index("### Protocol") : text.index("### What `status`")]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*)\|", section, re.MULTILINE))
    table = Desk().commands().table
    assert set(rows) == set(table)
    for name, command in table.items():
        assert set(re.findall(r"`(\w+)`", rows[name])) == set(command.arguments)
