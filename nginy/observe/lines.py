"""Records of the access log with their names, and how sessions and flows are written; visits.py has those of HTTP."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nginy._fast.door import REASONS
from nginy.observe.fields import Field, iso_time, json_line, logfmt_line
from nginy.observe.source import Source
from nginy.observe.visits import RequestLine, render_combined, request_fields, request_json


class Line(NamedTuple):
    """A session's or flow's record with its names already looked up: ids may be reused before the line is written."""

    record: tuple[Any, ...]
    listener: str
    pool: str | None
    backend: str | None
    protocol: str | None = None


Written = Line | RequestLine


def line_fields(line: Line) -> list[Field]:
    """The fields of one access record, in the order they are written."""
    ended_ms, _, _, client, bytes_in, bytes_out, connect_us, duration_ms, attempts, reason = line.record
    return [
        ("time", iso_time(ended_ms)),
        ("listener", line.listener),
        ("protocol", line.protocol),
        ("client", client),
        ("pool", line.pool),
        ("backend", line.backend),
        ("bytes_in", bytes_in),
        ("bytes_out", bytes_out),
        ("connect_ms", connect_us / 1000 if line.backend else None),
        ("duration_ms", duration_ms),
        ("attempts", attempts),
        ("reason", REASONS[reason] if reason < len(REASONS) else f"reason_{reason}"),
    ]


def render_json(line: Written) -> str:
    """JSON lines."""
    return request_json(line) if isinstance(line, RequestLine) else json_line(line_fields(line))


def render_logfmt(line: Written) -> str:
    """logfmt."""
    return logfmt_line(request_fields(line) if isinstance(line, RequestLine) else line_fields(line))


def render_request(line: Written) -> str:
    """The combined format, which knows requests alone."""
    assert isinstance(line, RequestLine)
    return render_combined(line)


RENDERS: Mapping[str, Callable[[Written], str]] = {
    "json": render_json, "logfmt": render_logfmt, "combined": render_request,
}  # fmt: skip
SESSIONLESS = frozenset({"combined"})
"""Formats that leave sessions and flows out."""


class Names:
    """Ids to names. Names of removed objects stay until their id is used again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._generation = -1
        self._listeners: dict[int, tuple[str, str]] = {}
        self._backends: dict[int, tuple[str, str]] = {}
        self._pools: dict[int, str] = {}
        self.speaks_http = False
        """Whether there is a listener for HTTP, or was one: else nobody has touched the rings of requests."""

    def refresh(self) -> None:
        """Look again if there is a new generation. Control's loop only."""
        if self._source.generation != self._generation:
            self.reload()

    def reload(self) -> None:
        """Look again in any case."""
        picture = self._source.view()
        self._generation = picture.generation
        self._listeners.update((one.id, (one.name, one.protocol)) for one in picture.listeners)
        self.speaks_http |= any(one.protocol == "http" for one in picture.listeners)
        for pool in picture.pools:
            self._pools[pool.id] = pool.name
            for backend in pool.backends:
                self._backends[backend.id] = (pool.name, backend.resolved or backend.address)

    def line(self, record: tuple[Any, ...]) -> Line:
        """The record with its names; an id nobody knows is written as a number."""
        listener, backend = record[1], record[2]
        pool_name, address = self._backends.get(backend, (None, None if backend < 0 else f"#{backend}"))
        name, protocol = self._listeners.get(listener, (f"#{listener}", None))
        return Line(record, name, pool_name, address, protocol)

    def request(self, record: tuple[Any, ...]) -> RequestLine:
        """The same for a request; its pool is the one that its route names, maybe a group."""
        line, pool = self.line(record), record[10]
        name = None if pool < 0 else self._pools.get(pool, f"#{pool}")
        return RequestLine(record, line.listener, name, line.backend)
