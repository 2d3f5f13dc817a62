"""The event log: one readable line per event on stderr.

Never blocks the caller: what a stuck reader leaves is counted.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TextIO

from nginy.observe.fields import Field, iso_time, json_line, logfmt_value
from nginy.observe.sink import StreamSink
from nginy.observe.writer import Writer

ITEMS_MAX = 4096
CLOSE_TIMEOUT_S = 1.0

LEVELS: Mapping[str, int] = MappingProxyType({"debug": 10, "info": 20, "warning": 30, "error": 40})
EVENT_LEVELS: Mapping[str, str] = MappingProxyType(
    {
        "accept_paused": "warning",
        "access_log_dropped": "warning",
        "access_log_unreadable": "warning",
        "generation_suspect": "error",
        "late_worker": "warning",
        "reload_refused": "error",
        "snapshot_rejected": "error",
        "worker_died": "warning",
        "worker_stalled": "warning",
    }
)
_COLOURS: Mapping[str, str] = MappingProxyType(
    {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}
)
_DIM, _BOLD, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"


class LogConfig(Protocol):
    """The part of the configuration model that this file reads."""

    @property
    def level(self) -> str: ...
    @property
    def format(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as the writing thread gets it."""

    wall_ms: int
    level: str
    kind: str
    fields: tuple[Field, ...]


def render_json(event: Event) -> str:
    """One JSON object: time, level, event, then the fields."""
    head: list[Field] = [("time", iso_time(event.wall_ms)), ("level", event.level), ("event", event.kind)]
    return json_line([*head, *event.fields])


def render_text(event: Event) -> str:
    """For files and journals: full UTC time, level, event, fields."""
    fields = "".join(f" {name}={logfmt_value(value)}" for name, value in event.fields)
    return f"{iso_time(event.wall_ms)} {event.level:<7} {event.kind.replace('_', ' ')}{fields}"


def render_terminal(event: Event) -> str:
    """For a person: local time of day, colours."""
    second, ms = divmod(event.wall_ms, 1000)
    clock = time.strftime("%H:%M:%S", time.localtime(second))
    fields = "".join(f" {_DIM}{name}={_PLAIN}{logfmt_value(value)}" for name, value in event.fields)
    colour = _COLOURS.get(event.level, "")
    kind = event.kind.replace("_", " ")
    return f"{_DIM}{clock}.{ms:03d}{_PLAIN} {colour}{event.level:<7}{_PLAIN} {_BOLD}{kind}{_PLAIN}{fields}"


class Log:
    """Events above a level, in one of three shapes, to a stream that may get stuck without harm.

    Any thread.
    """

    def __init__(self, fd: int, *, level: str = "info", render: Callable[[Event], str] = render_text) -> None:
        self._threshold = LEVELS[level]
        self._render = render
        self._writer: Writer[Event] = Writer(
            StreamSink(fd), self._render_event, items_max=ITEMS_MAX, name="nginy-log"
        )

    @property
    def dropped(self) -> int:
        """Events that found the queue full or could not be written."""
        return self._writer.queue_dropped + self._writer.write_dropped

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        """Log one event. Fields keep their order; those that are None are left out. Never waits."""
        name = level or EVENT_LEVELS.get(kind, "info")
        if LEVELS.get(name, LEVELS["info"]) < self._threshold:
            return
        kept = tuple((key, value) for key, value in fields.items() if value is not None)
        self._writer.push([Event(time.time_ns() // 1_000_000, name, kind, kept)])

    def configure(self, level: str, render: Callable[[Event], str]) -> None:
        """Change level and shape from the next event on."""
        self._threshold = LEVELS[level]
        self._render = render

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Write what is queued. False: the reader is stuck and the rest was dropped."""
        return self._writer.close(timeout_s)

    def _render_event(self, event: Event) -> str:
        return self._render(event)


class StandardLog:
    """The same call over `logging`, for programs that embed nginy and own their log."""

    def __init__(self, name: str = "nginy") -> None:
        self._logger = logging.getLogger(name)
        self.dropped = 0

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        """Log one event through the host program's handlers. Runs them, so it takes the time they take."""
        number = LEVELS.get(level or EVENT_LEVELS.get(kind, "info"), LEVELS["info"])
        if self._logger.isEnabledFor(number):
            text = "".join(
                f" {key}={logfmt_value(value)}" for key, value in fields.items() if value is not None
            )
            self._logger.log(number, "%s%s", kind.replace("_", " "), text)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Nothing is queued here."""
        return True


def setup(log: LogConfig, *, stream: TextIO | None = None, level: str | None = None) -> Log:
    """The log of a foreground nginy. `stream`: stderr unless told; `level`: wins over the configured one."""
    target = stream or sys.stderr
    return Log(target.fileno(), level=level or log.level, render=choose_render(log.format, target))


def choose_render(log_format: str, stream: TextIO) -> Callable[[Event], str]:
    """JSON when asked for; colours only where a terminal shows them and NO_COLOR is not set."""
    if log_format == "json":
        return render_json
    wants_colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return render_terminal if wants_colour and stream.isatty() else render_text
