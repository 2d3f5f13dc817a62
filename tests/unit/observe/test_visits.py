"""Requests as lines: parsed back they are what was recorded, whatever a client has said; and never two lines."""

import asyncio
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nginy._fast.door import OWN, REASONS
from nginy.observe.access import AccessDrain
from nginy.observe.lines import RENDERS
from nginy.observe.visits import CUT, RequestLine, render_combined, request_fields
from tests.unit.observe.pictures import Source, http_listener, listener, pool, view
from tests.unit.observe.rings import Rings, config, lines_of, record, write_all

COMBINED = re.compile(
    r'(?P<client>\S+) - - \[(?P<time>[^]]+)\] "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+) '
    r'"(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)
"""Of a reader that takes quotes for the ends of a text, as most do."""
PAIR = re.compile(r'([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^ "]*))(?: |$)')
HOSTILE = (
    b'" 200 0 "-" "-"', b"\n127.0.0.1 - - ", b"\r\n", b"\x00\x1b[2J\x7f", b"\\", b'\\"', b'a"b\\', b"\xff\xfe", b" = ",
    "\u2028\u202e\x85".encode(), b"\xe2\x80\xa6", b'","status":500,"x":"', b"x" * 300, b"%22%0a",
)  # fmt: skip


def request_record(
    number: int = 0, *, status: int = 200, own: int = -1, reason: str = "closed", cuts: int = 0, backend: int = 1,
    pool_id: int = 0, route: int = -1, client: str = "192.0.2.7:4000", first_us: int = 3104, connect_us: int = 0,
    texts: tuple[bytes, ...] = (b"GET", b"a.example", b"/x?y=1", b"curl/8", b""),
) -> tuple[Any, ...]:
    """One request, as the board hands it out."""
    return (
        1_700_000_000_000 + number, 2, backend, client, 10, number, connect_us, 3291, 1, REASONS.index(reason), pool_id,
        route, status, own, first_us, 1, True, cuts, *texts, "0123456789abcdef" * 2,
    )  # fmt: skip


def line(**given: Any) -> RequestLine:
    return RequestLine(request_record(**given), "site", "api", "10.0.0.1:80")


def source(rings: Rings) -> Source:
    return Source(view(listeners=(listener(), http_listener())), board=rings)


def test_a_request_tells_everything_by_name(tmp_path: Path) -> None:
    rings = Rings()
    rings.requests[0].append(request_record(250, route=3))
    write_all(source(rings), tmp_path / "log")
    assert lines_of(tmp_path / "log") == [
        {
            "time": "2023-11-14T22:13:20.250Z", "listener": "site", "protocol": "http", "client": "192.0.2.7:4000",
            "method": "GET", "host": "a.example", "path": "/x?y=1", "version": "1.1", "status": 200, "own": None,
            "route": "routes[3]", "pool": "api", "backend": "10.0.0.1:80", "bytes_in": 10, "bytes_out": 250,
            "connect_ms": None, "first_byte_ms": 3.104, "duration_ms": 3.291, "attempts": 1, "reused": True,
            "agent": "curl/8", "referer": None, "request_id": "0123456789abcdef0123456789abcdef", "reason": "closed",
        }
    ]  # fmt: skip


def test_sessions_and_requests_are_one_log_in_order_of_time(tmp_path: Path) -> None:
    rings = Rings(2)
    rings.rings[0].extend([record(1), record(4)])
    rings.requests[0].append(request_record(3))
    rings.requests[1].append(request_record(2))
    write_all(source(rings), tmp_path / "log")
    assert [line["bytes_out"] for line in lines_of(tmp_path / "log")] == [1, 2, 3, 4]


def test_combined_has_requests_alone_and_sessions_do_not_fill_their_ring(tmp_path: Path) -> None:
    rings = Rings()
    rings.rings[0].append(record(1))
    rings.requests[0].append(request_record(2))
    write_all(source(rings), tmp_path / "log", "combined")
    assert (tmp_path / "log").read_text() == (
        '192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] "GET /x?y=1 HTTP/1.1" 200 2 "-" "curl/8"\n'
    )
    assert not rings.rings[0]


def test_rings_of_requests_are_not_touched_where_nobody_speaks_http(tmp_path: Path) -> None:
    class Untouched(Rings):
        def read_requests(self, slot: int, max_n: int = 1024) -> list[tuple[Any, ...]]:
            raise AssertionError("touched")

    async def run() -> None:
        drain = AccessDrain(Source(board=Untouched()), config(tmp_path / "log"))
        await drain.start()
        drain.turn()
        await drain.stop()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"own": OWN.index("no_backend"), "backend": -1}, {"own": "no_backend"}),
        ({"status": 0, "reason": "client_gone", "first_us": -1}, {"status": None, "first_byte_ms": None}),
        ({"connect_us": 412}, {"connect_ms": 0.412}),
        ({"texts": (b"",) * 5}, {"method": None, "host": None, "path": None, "version": None, "agent": None}),
        ({"cuts": 4}, {"path": "/x?y=1" + CUT}),
        ({"cuts": 8, "texts": (b"GET", b"", b"/", b"abc\xe2\x80", b"")}, {"agent": "abc" + CUT}),
        ({"own": 200}, {"own": "own_200"}),
    ],
)
def test_what_is_missing_or_cut_is_told(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    fields = dict(request_fields(line(**given)))
    assert {name: fields[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"status": 0, "reason": "front_reset"}, '" 499 0 "'),
        ({"status": 0, "reason": "stopped"}, '" 000 0 "'),
        ({"texts": (b"",) * 5, "status": 400}, '"-" 400 0 "-" "-"'),
        ({"client": "[2001:db8::1]:4000"}, "2001:db8::1 - - ["),
        ({"client": "unix:"}, "unix: - - ["),
        ({"cuts": 4}, f'"GET /x?y=1{CUT} HTTP/1.1"'),
    ],
)
def test_combined_is_what_nginx_writes(given: dict[str, Any], wanted: str) -> None:
    assert wanted in render_combined(line(**given))


def texts_of(chance: random.Random) -> tuple[bytes, ...]:
    """A method is a token always, a host and a target have no controls and spaces; all else may be anything."""
    odd = [b"".join(chance.choices(HOSTILE, k=chance.randrange(1, 4))) for _ in range(3)]
    target = b"/" + bytes(c for c in odd[0] if 32 < c < 127)
    return (b"GET", b"a", target, odd[1], odd[2])


def test_hostile_texts_are_parsed_back_from_each_format(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(500):
        texts = texts_of(chance)
        made = line(texts=texts)
        fields = dict(request_fields(made))
        rendered = {shape: render(made) for shape, render in RENDERS.items()}
        for shape, text in rendered.items():
            assert not re.search(r"[\x00-\x1f\x7f]", text) and len(text.splitlines()) == 1, (shape, text)
        assert json.loads(rendered["json"]) == fields and rendered["json"].isascii()
        found = PAIR.findall(rendered["logfmt"])
        assert "".join(match[0] for match in PAIR.finditer(rendered["logfmt"])) == rendered["logfmt"]
        said = {name: json.loads(f'"{quoted}"') if quoted else bare for name, quoted, bare in found}
        assert list(said) == list(fields)
        for name in ("path", "agent", "referer"):
            assert said[name] == fields[name] or (said[name] == "-" and fields[name] in (None, "-")), name
        parsed = COMBINED.fullmatch(rendered["combined"])
        assert parsed, rendered["combined"]
        assert unescaped(parsed["request"]) == b"GET " + texts[2] + b" HTTP/1.1"
        assert (parsed["status"], unescaped(parsed["agent"])) == ("200", texts[3])
        assert unescaped(parsed["referer"]) == texts[4]


def unescaped(text: str) -> bytes:
    return re.sub(rb"\\x([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())


def test_a_group_is_named_as_the_pool_of_a_request(tmp_path: Path) -> None:
    rings = Rings()
    rings.requests[0].extend(request_record(nth, pool_id=id) for nth, id in enumerate((7, -1, 9)))
    group = replace(pool("both"), id=7)
    shown = view(listeners=(listener(), http_listener()), pools=(pool(), group))
    write_all(Source(shown, board=rings), tmp_path / "log")
    assert [line["pool"] for line in lines_of(tmp_path / "log")] == ["both", None, "#9"]

