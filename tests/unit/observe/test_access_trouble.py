"""A stuck reader, a full disk, a changed or rotated file: counted, told, and nobody waits."""

import asyncio
import fcntl
import os
import time
from pathlib import Path

import pytest

from nginy.errors import StartError
from nginy.observe import access
from nginy.observe.access import AccessDrain
from tests.unit.observe.pictures import Source
from tests.unit.observe.rings import Complaints, Rings, config, lines_of, record, until


def test_a_stuck_reader_costs_records_and_the_loop_goes_on(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    rings, told = Rings(), Complaints()
    total = access.QUEUE_RECORDS * 2

    async def run() -> dict[str, int]:
        drain = AccessDrain(Source(board=rings), config(pipe), log=told)
        await drain.start()
        longest_s = 0.0
        for start in range(0, total, 1000):
            rings.rings[0].extend(record(number) for number in range(start, min(start + 1000, total)))
            began_s = time.monotonic()
            drain.turn()
            longest_s = max(longest_s, time.monotonic() - began_s)
        assert longest_s < 0.5
        await until(lambda: told.events, "it is told")
        await asyncio.wait_for(drain.stop(), 10)
        return drain.dropped

    dropped = asyncio.run(run())
    os.close(reader)
    assert total - access.QUEUE_RECORDS - 512 <= dropped["queue"] <= total - access.QUEUE_RECORDS
    assert dropped["write"] > access.QUEUE_RECORDS - 1024
    kind, fields = told.events[0]
    assert (kind, fields["cause"]) == ("access_log_dropped", "output stuck")


def test_a_full_disk_is_counted_and_told(tmp_path: Path) -> None:
    rings, told = Rings(), Complaints()
    rings.rings[0].extend(record(number) for number in range(700))

    async def run() -> dict[str, int]:
        drain = AccessDrain(Source(board=rings), config("/dev/full"), log=told)
        await drain.start()
        await until(lambda: drain.dropped["write"] == 700, "all are counted")
        await until(lambda: told.events, "it is told")
        await drain.stop()
        return drain.dropped

    assert asyncio.run(run()) == {"queue": 0, "write": 700}
    assert told.events[0][1]["cause"] == "No space left on device"


def test_an_output_that_cannot_be_opened_refuses_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"access log .*/missing/log: No such file or directory"):
        asyncio.run(AccessDrain(Source(board=Rings()), config(tmp_path / "missing" / "log")).start())


def test_configure_switches_and_keeps_the_old_output_when_it_cannot(tmp_path: Path) -> None:
    rings = Rings()

    async def run() -> None:
        drain = AccessDrain(Source(board=rings), config(tmp_path / "one"))
        await drain.start()
        rings.rings[0].append(record(1))
        await drain.configure(config(tmp_path / "two", "logfmt"))
        rings.rings[0].append(record(2))
        drain.turn()
        with pytest.raises(StartError):
            await drain.configure(config(tmp_path / "no" / "where"))
        rings.rings[0].append(record(3))
        await drain.configure(config("off"))
        rings.rings[0].append(record(4))
        assert drain.turn() == 0
        await drain.configure(config(tmp_path / "one"))
        await drain.stop()

    asyncio.run(run())
    assert [line["bytes_out"] for line in lines_of(tmp_path / "one")] == [1, 4]
    assert [line.split("bytes_out=")[1][0] for line in (tmp_path / "two").read_text().splitlines()] == [
        "2",
        "3",
    ]


def test_dropped_never_goes_back_over_a_change_of_output(tmp_path: Path) -> None:
    rings = Rings()
    rings.rings[0].extend(record(number) for number in range(10))

    async def run() -> list[int]:
        drain = AccessDrain(Source(board=rings), config("/dev/full"))
        await drain.start()
        await until(lambda: drain.dropped["write"] == 10, "all are counted")
        seen = []
        change = asyncio.ensure_future(drain.configure(config(tmp_path / "log")))
        while not change.done():
            seen.append(drain.dropped["write"])
            await asyncio.sleep(0)
        await drain.stop()
        return [*seen, drain.dropped["write"]]

    assert set(asyncio.run(run())) == {10}


@pytest.mark.parametrize("by", ["reopen", "configure"])
def test_a_rotation_is_followed(tmp_path: Path, by: str) -> None:
    rings = Rings()
    path = tmp_path / "log"

    async def run() -> None:
        drain = AccessDrain(Source(board=rings), config(path))
        await drain.start()
        rings.rings[0].append(record(1))
        drain.turn()
        await until(lambda: path.read_text(), "the first is written")
        path.rename(tmp_path / "log.1")
        if by == "reopen":
            drain.reopen()
        else:
            await drain.configure(config(path))
        await until(path.exists, "the new file is there")
        rings.rings[0].append(record(2))
        await drain.stop()

    asyncio.run(run())
    assert [line["bytes_out"] for line in lines_of(tmp_path / "log.1")] == [1]
    assert [line["bytes_out"] for line in lines_of(path)] == [2]
