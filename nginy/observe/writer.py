"""A bounded queue in front of one writing thread: pushing never waits, what does not fit is counted."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from nginy.observe.sink import Sink

Item = TypeVar("Item")

BATCH_ITEMS = 512


class Writer(Generic[Item]):
    """Renders items to lines and writes them to a sink, in order, in its own thread.

    Owns the sink: only the thread uses and closes it. push() and reopen() may be called from any thread.
    """

    def __init__(self, sink: Sink, render: Callable[[Item], str], *, items_max: int, name: str) -> None:
        self._sink = sink
        self._render = render
        self._items_max = items_max
        self._queue: deque[Item] = deque()
        self._in_hand = 0
        self._is_closing = False
        self._must_reopen = False
        self._changed = threading.Condition()
        self.queue_dropped = 0
        self.write_dropped = 0
        self.last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def push(self, items: Sequence[Item]) -> int:
        """Queue what fits, count the rest as dropped.

        Returns how many were dropped. Never waits for the sink.
        """
        with self._changed:
            room = self._items_max - len(self._queue) - self._in_hand
            if self._is_closing:
                room = 0
            taken = max(0, min(room, len(items)))
            self._queue.extend(islice(items, taken))
            self.queue_dropped += len(items) - taken
            if taken:
                self._changed.notify_all()
        return len(items) - taken

    def reopen(self) -> None:
        """Ask the thread to open its file again before the next line."""
        with self._changed:
            self._must_reopen = True
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything pushed so far was written or dropped. False: the sink is still stuck."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            return self._changed.wait_for(self._is_settled, max(0.0, deadline_s - time.monotonic()))

    def close(self, timeout_s: float = 1.0) -> bool:
        """Write what is queued, then end the thread.

        False: the sink is stuck; what is left counts as dropped.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return True
        with self._changed:
            self.write_dropped += len(self._queue)
            self._queue.clear()
        return False

    def _is_settled(self) -> bool:
        return not self._queue and not self._in_hand and not self._must_reopen

    def _run(self) -> None:
        while self._wait_for_work():
            batch = self._take()
            if batch:
                self._write(batch)
        self._sink.close()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._must_reopen or self._is_closing)
            must_reopen, self._must_reopen = self._must_reopen, False
            is_over = self._is_closing and not self._queue
        if must_reopen:
            self._sink.reopen()
            self.last_error = self._sink.last_error
        with self._changed:
            self._changed.notify_all()
        return not is_over

    def _take(self) -> list[Item]:
        with self._changed:
            batch = [self._queue.popleft() for _ in range(min(BATCH_ITEMS, len(self._queue)))]
            self._in_hand = len(batch)
        return batch

    def _write(self, batch: list[Item]) -> None:
        lines = self._render_all(batch)
        lost = len(batch) - len(lines)
        if lines:
            lost += self._sink.write("".join(lines).encode("utf-8", "backslashreplace"))
        with self._changed:
            self._in_hand = 0
            self.write_dropped += lost
            self.last_error = self._sink.last_error
            self._changed.notify_all()

    def _render_all(self, batch: list[Item]) -> list[str]:
        lines = []
        for item in batch:
            try:
                lines.append(f"{self._render(item)}\n")
            except Exception as failure:  # an odd item must not end the thread, and every other line with it
                self.last_error = repr(failure)
        return lines
