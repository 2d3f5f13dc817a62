"""From the rings to the file: every record once, in order, and by name."""

import asyncio
from pathlib import Path

from nginy._fast.door import REASONS
from nginy.observe.access import AccessDrain
from nginy.observe.lines import Line, line_fields, render_logfmt
from tests.unit.observe.pictures import Source, backend, listener, pool, view
from tests.unit.observe.rings import Rings, config, lines_of, record, until, write_all


def test_a_record_tells_everything_by_name(tmp_path: Path) -> None:
    rings = Rings()
    rings.rings[0].append(record(250))
    write_all(Source(board=rings), tmp_path / "log")
    assert lines_of(tmp_path / "log") == [
        {
            "time": "2023-11-14T22:13:20.250Z",
            "listener": "web",
            "protocol": "tcp",
            "client": "192.0.2.7:4000",
            "pool": "api",
            "backend": "10.0.0.1:80",
            "bytes_in": 10,
            "bytes_out": 250,
            "connect_ms": 0.412,
            "duration_ms": 73,
            "attempts": 1,
            "reason": "closed",
        }
    ]


def test_a_session_without_a_backend_has_none() -> None:
    fields = dict(
        line_fields(Line(record(backend_id=-1, reason=REASONS.index("no_backend")), "web", None, None))
    )
    assert (fields["backend"], fields["connect_ms"], fields["reason"]) == (None, None, "no_backend")


def test_logfmt_says_the_same() -> None:
    assert render_logfmt(Line(record(1), "web", "api", "10.0.0.1:80", "udp")) == (
        "time=2023-11-14T22:13:20.001Z listener=web protocol=udp client=192.0.2.7:4000 pool=api backend=10.0.0.1:80 "
        "bytes_in=10 bytes_out=1 connect_ms=0.412 duration_ms=73 attempts=1 reason=closed"
    )


def test_all_slots_are_drained_while_it_runs(tmp_path: Path) -> None:
    rings = Rings(3)
    for slot, ring in enumerate(rings.rings):
        ring.extend(record(number) for number in range(slot * 3000, slot * 3000 + 3000))

    async def run() -> None:
        drain = AccessDrain(Source(board=rings), config(tmp_path / "log"))
        await drain.start()
        await until(
            lambda: drain._writer and drain._writer.flush(0) and not any(rings.rings), "rings are empty"
        )
        await until(lambda: len((tmp_path / "log").read_text().splitlines()) == 9000, "all is written")
        assert drain.dropped == {"queue": 0, "write": 0}
        await drain.stop()

    asyncio.run(run())
    assert sorted(line["bytes_out"] for line in lines_of(tmp_path / "log")) == list(range(9000))


def test_records_of_one_turn_are_in_order_of_time_over_all_workers(tmp_path: Path) -> None:
    rings = Rings(2)
    rings.rings[0].extend([record(3), record(5)])
    rings.rings[1].extend([record(1), record(4)])
    write_all(Source(board=rings), tmp_path / "log")
    assert [line["bytes_out"] for line in lines_of(tmp_path / "log")] == [1, 3, 4, 5]


def test_names_of_what_was_just_removed_are_still_known(tmp_path: Path) -> None:
    rings = Rings()
    source = Source(board=rings)

    async def run() -> None:
        drain = AccessDrain(source, config(tmp_path / "log"))
        await drain.start()
        drain.turn()
        source.picture = view(
            generation=2, listeners=(listener("new", id=5),), pools=(pool("api", backend(id=9)),)
        )
        rings.rings[0].extend([record(1), record(2, listener_id=5, backend_id=9)])
        drain.turn()
        await drain.stop()

    asyncio.run(run())
    found = [(line["listener"], line["backend"]) for line in lines_of(tmp_path / "log")]
    assert found == [("web", "10.0.0.1:80"), ("new", "10.0.0.1:80")]


def test_an_id_that_another_name_took_over_is_the_new_one(tmp_path: Path) -> None:
    rings = Rings()
    source = Source(board=rings)

    async def run() -> None:
        drain = AccessDrain(source, config(tmp_path / "log"))
        await drain.start()
        rings.rings[0].append(record(1))
        drain.turn()
        source.picture = view(generation=2, pools=(pool("api", backend("10.0.0.9:90")),))
        rings.rings[0].append(record(2))
        drain.turn()
        await drain.stop()

    asyncio.run(run())
    assert [line["backend"] for line in lines_of(tmp_path / "log")] == ["10.0.0.1:80", "10.0.0.9:90"]


def test_an_id_that_nobody_knows_is_a_number(tmp_path: Path) -> None:
    rings = Rings()
    rings.rings[0].append(record(listener_id=77, backend_id=88))
    write_all(Source(board=rings), tmp_path / "log")
    (line,) = lines_of(tmp_path / "log")
    assert (line["listener"], line["pool"], line["backend"]) == ("#77", None, "#88")
