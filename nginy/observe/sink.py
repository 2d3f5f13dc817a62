"""Where lines go: a file that can be opened anew, or a stream of this program.

May block: writer threads only.
"""

import contextlib
import errno
import os
import select
import stat
from pathlib import Path

FILE_MODE = 0o640


class StreamSink:
    """Borrowed descriptor such as stderr; never closed, never opened anew."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.last_error: str | None = None

    def write(self, text: bytes) -> int:
        """Write whole lines, waiting as long as it takes. Returns how many lines were not written."""
        written, failure = write_fully(self._fd, text)
        self.last_error = failure.strerror if failure else None
        return text.count(b"\n", written)

    def reopen(self) -> None:
        """Nothing to do: the stream belongs to whoever started us."""

    def close(self) -> None:
        """Nothing to do either."""


class FileSink:
    """An append-only file. Owns its descriptor. A write that failed half way leaves no torn line behind."""

    def __init__(self, path: Path) -> None:
        """Errors: OSError when the file cannot be opened for writing."""
        self.path = path
        self.last_error: str | None = None
        self._is_torn = False
        self._fd = _open_file(path)

    def write(self, text: bytes) -> int:
        """Append whole lines. Returns how many of them are not in the file."""
        start = 0
        if self._is_torn:
            text, start = b"\n" + text, 1
        written, failure = write_fully(self._fd, text)
        if failure is None:
            self._is_torn = False
            self.last_error = None
            return 0
        self.last_error = failure.strerror
        self._mend(text[:written])
        return text.count(b"\n", max(written, start))

    def reopen(self) -> None:
        """Open the path again (it was rotated); the old file stays in use when that fails."""
        try:
            fresh = _open_file(self.path)
        except OSError as failure:
            self.last_error = failure.strerror
            return
        self._drop_descriptor()
        self._fd = fresh
        self._is_torn = False

    def close(self) -> None:
        """Idempotent."""
        self._drop_descriptor()

    def _mend(self, written: bytes) -> None:
        tail_bytes = len(written) - written.rfind(b"\n") - 1
        if not tail_bytes:
            return
        self._is_torn = True
        with contextlib.suppress(OSError):
            size_bytes = os.fstat(self._fd).st_size
            os.ftruncate(self._fd, size_bytes - tail_bytes)
            self._is_torn = False

    def _drop_descriptor(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


Sink = StreamSink | FileSink


def write_fully(fd: int, text: bytes) -> tuple[int, OSError | None]:
    """Write all of `text`, waiting while the reader is slow.

    Returns bytes written and what stopped it, if anything.
    """
    view = memoryview(text)
    written = 0
    while written < len(view):
        try:
            written += os.write(fd, view[written:])
        except BlockingIOError:
            _wait_writable(fd)
        except OSError as failure:
            return written, failure
    return written, None


def _wait_writable(fd: int) -> None:
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    poller.poll()


def _open_file(path: Path) -> int:
    # O_NONBLOCK: a FIFO that nobody reads refuses at once instead of holding the caller.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    fd = os.open(path, flags, FILE_MODE)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return fd
