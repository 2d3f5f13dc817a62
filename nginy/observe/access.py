"""The access log: one line per ended session, flow and request of HTTP, from the workers' rings to a file or stdout.

The workers never wait for it and neither does control: rings, queue and disk each drop what does not
fit, counted.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from nginy.errors import NginyError, StartError
from nginy.observe.lines import RENDERS, SESSIONLESS, Names, Written
from nginy.observe.sink import FileSink, Sink, StreamSink
from nginy.observe.source import Source
from nginy.observe.writer import Writer

DRAIN_INTERVAL_S = 0.05
RECORDS_PER_READ = 1024
READS_PER_TURN = 16
QUEUE_RECORDS = 16384
CLOSE_TIMEOUT_S = 2.0
COMPLAINT_PAUSE_S = 10.0
STAGES = ("worker", "queue", "write")


class AccessLog(Protocol):
    """The part of the configuration model that this file reads."""

    @property
    def output(self) -> str: ...
    @property
    def format(self) -> str: ...


class EventLog(Protocol):
    """Where trouble is told."""

    def event(self, kind: str, level: str | None = None, **fields: object) -> None: ...


class AccessDrain:
    """Reads the rings while it runs.

    Owns its task, its writing thread and the file. All calls on control's loop.
    """

    def __init__(
        self,
        source: Source,
        access_log: AccessLog,
        *,
        folder: Path | None = None,
        log: EventLog | None = None,
    ) -> None:
        """folder: what a relative output path starts at; the working directory unless told."""
        self._source = source
        self._access_log = access_log
        self._folder = folder
        self._log = log
        self._names = Names(source)
        self._writer: Writer[Written] | None = None
        self._task: asyncio.Task[None] | None = None
        self._retiring: list[Writer[Written]] = []
        self._past_dropped = {"queue": 0, "write": 0}
        self._is_on = asyncio.Event()
        self._last_failure = ""
        self._complained_drops = 0
        self._complained_at_s = -COMPLAINT_PAUSE_S

    @property
    def dropped(self) -> dict[str, int]:
        """Records lost after the rings, by stage: `queue` was full, `write` failed. Never goes back."""
        writers = [*self._retiring, *([self._writer] if self._writer else [])]
        return {
            "queue": self._past_dropped["queue"] + sum(writer.queue_dropped for writer in writers),
            "write": self._past_dropped["write"] + sum(writer.write_dropped for writer in writers),
        }

    async def start(self) -> None:
        """Open the output and begin to drain. Errors: StartError when the file cannot be opened."""
        self._use(self._open(self._access_log))
        self._task = asyncio.get_running_loop().create_task(self._run(), name="nginy-access")

    async def configure(self, access_log: AccessLog) -> None:
        """Switch to another output or format; the same one is opened anew, as after a rotation.

        Errors: StartError; the old output stays in use then.
        """
        same = (access_log.output, access_log.format) == (self._access_log.output, self._access_log.format)
        if same:
            self.reopen()
            return
        fresh = self._open(access_log)
        self._turn_safely()
        old, self._access_log = self._writer, access_log
        self._use(fresh)
        await self._retire(old)

    def reopen(self) -> None:
        """The file was rotated: go on in a new one of the same name."""
        if self._writer:
            self._writer.reopen()

    def turn(self) -> int:
        """Move what is in the rings to the queue. Returns records read. Never waits."""
        writer = self._writer
        if writer is None:
            return 0
        self._names.refresh()
        board, names = self._source.board, self._names
        lines: list[Written] = []
        for slot in range(board.slots):
            sessions = [names.line(record) for record in read_slot(board.read_access, slot)]
            if self._access_log.format not in SESSIONLESS:
                lines += sessions
            if names.speaks_http:
                lines += [names.request(record) for record in read_slot(board.read_requests, slot)]
        lines.sort(key=lambda line: line.record[0])  # by time, over all workers
        writer.push(lines)
        return len(lines)

    async def stop(self) -> None:
        """Write what is left, for as long as a healthy disk needs, and end."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._turn_safely()
        old, self._writer = self._writer, None
        await self._retire(old)

    async def _run(self) -> None:
        while True:
            await self._is_on.wait()
            await asyncio.sleep(DRAIN_INTERVAL_S)
            self._turn_safely()
            self._complain()

    def _use(self, writer: Writer[Written] | None) -> None:
        self._writer = writer
        if writer:
            self._is_on.set()
        else:
            self._is_on.clear()

    def _turn_safely(self) -> None:
        try:
            self.turn()
        except (NginyError, OSError, ValueError) as failure:
            if str(failure) != self._last_failure:
                self._last_failure = str(failure)
                self._tell("access_log_unreadable", error=str(failure))

    def _complain(self) -> None:
        drops = sum(self.dropped.values())
        now_s = time.monotonic()
        if drops == self._complained_drops or now_s - self._complained_at_s < COMPLAINT_PAUSE_S:
            return
        cause = (self._writer.last_error if self._writer else None) or "output stuck"
        self._tell("access_log_dropped", records=drops - self._complained_drops, cause=cause)
        self._complained_drops, self._complained_at_s = drops, now_s

    def _tell(self, kind: str, **fields: object) -> None:
        if self._log:
            self._log.event(kind, None, **fields)

    def _open(self, access_log: AccessLog) -> Writer[Written] | None:
        if access_log.output == "off":
            return None
        sink = open_sink(access_log.output, self._folder)
        return Writer(sink, RENDERS[access_log.format], items_max=QUEUE_RECORDS, name="nginy-access")

    async def _retire(self, writer: Writer[Written] | None) -> None:
        if writer is None:
            return
        self._retiring.append(writer)
        await asyncio.get_running_loop().run_in_executor(None, writer.close, CLOSE_TIMEOUT_S)
        self._retiring.remove(writer)
        self._past_dropped["queue"] += writer.queue_dropped
        self._past_dropped["write"] += writer.write_dropped


def read_slot(read: Callable[[int, int], list[tuple[Any, ...]]], slot: int) -> Iterator[tuple[Any, ...]]:
    """What one worker has recorded, up to twice its ring."""
    for _ in range(READS_PER_TURN):
        records = read(slot, RECORDS_PER_READ)
        yield from records
        if len(records) < RECORDS_PER_READ:
            return


def open_sink(output: str, folder: Path | None = None) -> Sink:
    """`stdout` or a file path. Errors: StartError with the path and the reason."""
    if output == "stdout":
        return StreamSink(sys.stdout.fileno())
    path = (folder or Path(os.curdir)) / output
    try:
        return FileSink(path)
    except OSError as failure:
        raise StartError(f"cannot open the access log {path}: {failure.strerror}") from failure
