"""Whoever pushes never waits, nothing is lost without being counted, and the order stays."""

import os
import time
from pathlib import Path

import pytest

from nginy.observe.sink import FileSink, StreamSink
from nginy.observe.writer import Writer
from tests.tools.waiting import wait_until

PIPE_BYTES = 4096


def small_pipe() -> tuple[int, int]:
    """A pipe that is full after a page."""
    import fcntl

    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reader, writer


def read_all(reader: int) -> list[str]:
    """Everything until the other end is closed."""
    parts = []
    while part := os.read(reader, 65536):
        parts.append(part)
    return b"".join(parts).decode().splitlines()


def test_items_are_written_in_order_and_close_writes_the_rest(tmp_path: Path) -> None:
    writer: Writer[int] = Writer(FileSink(tmp_path / "log"), str, items_max=10_000, name="test")
    for start in range(0, 5000, 50):
        assert writer.push(range(start, start + 50)) == 0
    assert writer.close(10)
    assert (tmp_path / "log").read_text().splitlines() == [str(number) for number in range(5000)]
    assert (writer.queue_dropped, writer.write_dropped) == (0, 0)


def test_push_to_a_stuck_reader_returns_at_once_and_counts() -> None:
    reader, stuck = small_pipe()
    writer: Writer[int] = Writer(
        StreamSink(stuck), lambda number: f"{number:0100}", items_max=1000, name="test"
    )
    began_s = time.monotonic()
    for start in range(0, 20_000, 100):
        writer.push(range(start, start + 100))
    took_s = time.monotonic() - began_s
    dropped = writer.queue_dropped
    assert took_s < 2
    assert 18_000 <= dropped < 20_000
    os.set_blocking(reader, False)
    lines = drain_until_settled(writer, reader)
    assert [int(line) for line in lines] == sorted(int(line) for line in lines)
    assert len(lines) == 20_000 - dropped
    assert writer.queue_dropped == dropped
    assert writer.push([1]) == 0
    assert writer.close(10)
    os.close(reader)
    os.close(stuck)


def test_what_is_in_hand_counts_for_the_bound() -> None:
    reader, stuck = small_pipe()
    writer: Writer[str] = Writer(StreamSink(stuck), str, items_max=700, name="test")
    writer.push(["w" * 100] * 600)
    wait_until(lambda: writer._in_hand, "the first batch is in hand")
    writer.push(["w" * 100] * 600)
    assert writer.queue_dropped == 500
    os.close(reader)
    assert writer.close(10)
    os.close(stuck)


def drain_until_settled(writer: "Writer[int]", reader: int) -> list[str]:
    """Play the reader that woke up."""
    parts: list[bytes] = []

    def is_settled() -> bool:
        try:
            parts.append(os.read(reader, 65536))
        except BlockingIOError:
            return writer.flush(0.01)
        return False

    wait_until(is_settled, "everything queued is written")
    return b"".join(parts).decode().splitlines()


def test_close_on_a_stuck_reader_gives_up_after_its_time() -> None:
    reader, stuck = small_pipe()
    writer: Writer[str] = Writer(StreamSink(stuck), str, items_max=1000, name="test")
    writer.push(["w" * 100] * 600)
    wait_until(lambda: writer._in_hand, "the first batch is in hand")
    began_s = time.monotonic()
    assert not writer.close(0.2)
    assert 0.15 < time.monotonic() - began_s < 5
    assert writer.write_dropped >= 600 - 512
    assert writer.push(["late"]) == 1
    os.set_blocking(reader, False)
    wait_until(lambda: ends(reader), "the thread ends once it is let go")
    os.close(reader)
    os.close(stuck)


def ends(reader: int) -> bool:
    """Empty the pipe; has everything come?"""
    try:
        return len(os.read(reader, 65536)) < PIPE_BYTES
    except BlockingIOError:
        return True


def test_a_failing_file_counts_what_it_lost() -> None:
    writer: Writer[str] = Writer(FileSink(Path("/dev/full")), str, items_max=1000, name="test")
    writer.push(["line"] * 700)
    assert writer.flush(10)
    assert writer.write_dropped == 700
    assert writer.last_error == "No space left on device"
    assert writer.close(10)


def test_an_item_that_cannot_be_rendered_is_lost_alone(tmp_path: Path) -> None:
    writer: Writer[int] = Writer(
        FileSink(tmp_path / "log"), lambda number: str(1 // number), items_max=9, name="test"
    )
    writer.push([1, 0, 1])
    assert writer.close(10)
    assert (tmp_path / "log").read_text() == "1\n1\n"
    assert writer.write_dropped == 1


def test_reopen_happens_without_waiting_for_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer: Writer[str] = Writer(FileSink(path), str, items_max=9, name="test")
    path.rename(tmp_path / "old")
    writer.reopen()
    wait_until(path.exists, "the file is there again")
    writer.push(["x"])
    assert writer.close(10)
    assert path.read_text() == "x\n"


@pytest.mark.parametrize("text", ["\ud800", "ü", "\x00"])
def test_any_text_can_be_written(tmp_path: Path, text: str) -> None:
    writer: Writer[str] = Writer(FileSink(tmp_path / "log"), str, items_max=9, name="test")
    writer.push([text])
    assert writer.close(10)
    assert (tmp_path / "log").read_bytes().endswith(b"\n")
