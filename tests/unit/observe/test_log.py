"""Events as lines: for programs, for files and for a person; a stuck reader costs lines and nothing else."""

import fcntl
import io
import json
import logging
import os
import re
import time
from types import SimpleNamespace

import pytest

from nginy.observe.log import (
    Event,
    Log,
    StandardLog,
    choose_render,
    render_json,
    render_terminal,
    render_text,
    setup,
)

DIED = Event(
    1_700_000_000_250, "warning", "worker_died", (("slot", 1), ("status", "SIGKILL"), ("note", "a b"))
)


def logged(log: Log, reader: int, writer: int) -> list[str]:
    """All lines once the log is closed."""
    assert log.close(10)
    os.close(writer)
    with open(reader) as lines:
        return lines.read().splitlines()


def test_json_has_time_level_event_and_the_fields() -> None:
    assert json.loads(render_json(DIED)) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "event": "worker_died",
        "slot": 1,
        "status": "SIGKILL",
        "note": "a b",
    }


def test_text_is_one_readable_line() -> None:
    line = '2023-11-14T22:13:20.250Z warning worker died slot=1 status=SIGKILL note="a b"'
    assert render_text(DIED) == line


def test_terminal_line_says_the_same_in_colours() -> None:
    plain = re.sub(r"\x1b\[\d*m", "", render_terminal(DIED))
    assert plain.endswith(' warning worker died slot=1 status=SIGKILL note="a b"')
    assert "\x1b[33m" in render_terminal(DIED)


def test_a_field_cannot_forge_a_line_or_colours() -> None:
    event = Event(0, "info", "serving", (("name", "x\n2023 error forged\x1b[2J"),))
    for render in (render_text, render_terminal, render_json):
        assert "\n" not in render(event)
        assert "\x1b[2J" not in render(event)


def test_events_below_the_level_are_left_out() -> None:
    reader, writer = os.pipe()
    log = Log(writer, level="warning")
    log.event("serving")
    log.event("worker_died", slot=0)
    log.event("worker_started", level="debug")
    log.event("odd", "error", cause=None)
    lines = logged(log, reader, writer)
    assert [line.split(" ", 1)[1].split() for line in lines] == [
        ["warning", "worker", "died", "slot=0"],
        ["error", "odd"],
    ]


def test_level_and_format_come_from_the_configuration_unless_told() -> None:
    reader, writer = os.pipe()
    with open(writer, "w", closefd=False) as stream:
        log = setup(SimpleNamespace(level="error", format="json"), stream=stream, level="debug")
    log.event("tiny", "debug")
    assert json.loads(logged(log, reader, writer)[0])["event"] == "tiny"


def test_a_stuck_reader_costs_lines_and_no_time() -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    log = Log(writer)
    began_s = time.monotonic()
    for number in range(20_000):
        log.event("resolved", number=number)
    assert time.monotonic() - began_s < 5
    assert log.dropped > 10_000
    assert not log.close(0.1)
    os.close(reader)  # lets the writing thread go


def test_colours_only_where_a_terminal_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    leader, terminal = os.openpty()
    with open(terminal, "w") as stream:
        assert choose_render("text", stream) is render_terminal
        assert choose_render("json", stream) is render_json
        monkeypatch.setenv("NO_COLOR", "1")
        assert choose_render("text", stream) is render_text
        monkeypatch.delenv("NO_COLOR")
        monkeypatch.setenv("TERM", "dumb")
        assert choose_render("text", stream) is render_text
    os.close(leader)
    assert choose_render("text", io.StringIO()) is render_text


def test_standard_log_speaks_through_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="nginy"):
        log = StandardLog()
        log.event("worker_died", slot=2)
        log.event("chatter", level="debug")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "worker died slot=2")
    ]
