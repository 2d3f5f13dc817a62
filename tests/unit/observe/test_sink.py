"""A file that fills up, is rotated or loses its reader; whole lines or none."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nginy.observe.sink import FileSink, StreamSink

TINY_DISK_BYTES = 64 * 1024


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={TINY_DISK_BYTES}", "tmpfs", str(folder)], check=False
    )
    if made.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    sink = FileSink(path)
    assert sink.write(b"one\ntwo\n") == 0
    sink.close()
    assert path.read_text() == "old\none\ntwo\n"


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        FileSink(tmp_path / "log").close()
    finally:
        os.umask(mask)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640


@pytest.mark.root
def test_a_full_disk_loses_counted_lines_and_leaves_no_torn_one(tiny_disk: Path) -> None:
    sink = FileSink(tiny_disk / "log")
    line = b"x" * 99 + b"\n"
    lost = sum(sink.write(line * 10) for _ in range(100))
    written = (tiny_disk / "log").read_bytes()
    assert lost > 0
    assert sink.last_error == "No space left on device"
    assert set(written.splitlines(keepends=True)) == {line}
    assert written.count(b"\n") == 1000 - lost
    sink.close()


@pytest.mark.root
def test_lines_are_written_again_once_there_is_room(tiny_disk: Path) -> None:
    filler = tiny_disk / "filler"
    sink = FileSink(tiny_disk / "log")
    with filler.open("wb", buffering=0) as rest, pytest.raises(OSError, match="No space"):
        while True:
            rest.write(b"f" * 1000)
    while sink.write(b"y" * 999 + b"\n") == 0:
        pass
    filler.unlink()
    assert sink.write(b"after\n") == 0
    assert sink.last_error is None
    assert (tiny_disk / "log").read_bytes().endswith(b"\nafter\n") or (
        tiny_disk / "log"
    ).read_bytes() == b"after\n"
    sink.close()


def test_a_device_without_room_loses_every_line() -> None:
    sink = FileSink(Path("/dev/full"))
    assert sink.write(b"one\ntwo\n") == 2
    assert sink.write(b"three\n") == 1
    sink.close()


def test_reopen_goes_on_in_a_new_file_after_rotation(tmp_path: Path) -> None:
    path, rotated = tmp_path / "log", tmp_path / "log.1"
    sink = FileSink(path)
    sink.write(b"before\n")
    path.rename(rotated)
    sink.write(b"still the old one\n")
    sink.reopen()
    sink.write(b"after\n")
    sink.close()
    assert rotated.read_text() == "before\nstill the old one\n"
    assert path.read_text() == "after\n"


def test_reopen_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    sink = FileSink(folder / "log")
    moved = tmp_path / "moved"
    shutil.move(folder, moved)
    sink.reopen()
    assert sink.last_error == "No such file or directory"
    assert sink.write(b"kept\n") == 0
    sink.close()
    assert (moved / "log").read_text() == "kept\n"


def test_a_pipe_that_nobody_reads_refuses_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"):
        FileSink(tmp_path / "pipe")


def test_a_pipe_whose_reader_went_away_and_came_back_is_written_again(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sink = FileSink(pipe)
    os.close(reader)
    assert sink.write(b"lost\n") == 1
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert sink.write(b"back\n") == 0
    assert os.read(reader, 100) == b"back\n"
    sink.close()
    os.close(reader)


def test_a_stream_that_does_not_block_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    text = b"z" * 999 + b"\n"
    received = bytearray()

    def read_all() -> None:
        while part := os.read(reader, 65536):
            received.extend(part)

    thread = threading.Thread(target=read_all)
    thread.start()
    assert StreamSink(writer).write(text * 1000) == 0
    os.close(writer)
    thread.join()
    os.close(reader)
    assert bytes(received) == text * 1000
