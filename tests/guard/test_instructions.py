"""What a session and a round trip cost in instructions, against the record; and whether the guard would bark."""

import json
import warnings

import pytest

from tests.guard import record
from tests.guard.callgrind import Counts, difference, plain_name, read

KEY = "x86_64 gcc 12"
RECORDS = {
    KEY: {"date": "2026-01-02", "session": {"instructions": 1000, "functions": {"a.one": 600.0, "b.two": 400.0}}},
}
CALLGRIND = """\
version: 1
positions: line
events: Ir

ob=(1) /somewhere/nginy/_fast/engine/relay.cpython-311-x86_64-linux-gnu.so
fl=(1) relay.c
fn=(1) __pyx_f_5nginy_5_fast_6engine_5relay_relay_step
10 100
+3 20
cob=(2) /lib/libc.so.6
cfn=(2) recv
calls=7 0
+1 5000
* 5
17

fn=(3) __pyx_f_5nginy_5_fast_3mem_4slab_slab_take.isra.0
-4 30

ob=(2)
fn=(2)
1 999

ob=(4) /somewhere/nginy/_fast/door.cpython-311-x86_64-linux-gnu.so
fn=(5) __pyx_pw_6Worker_run
1 999

ob=(1)
fn=(1)
11 1
"""


@pytest.fixture(scope="module")
def measured() -> dict[str, Counts]:
    """One run for the file."""
    return record.measure()


@pytest.mark.parametrize("play", record.PLAYS)
def test_a_play_takes_no_more_instructions_than_recorded(measured: dict[str, Counts], play: str) -> None:
    records, key = record.load(), record.key()
    worst = record.complaint(play, measured[play], records, key)
    if worst:
        pytest.fail(worst)
    if key not in records:
        warnings.warn(f"no record for {key}, only a loose bound was held: {record.COMMAND}", stacklevel=1)
    elif record.total(measured[play]) < records[key][play]["instructions"] * record.SHRUNK:
        warnings.warn(f"one {play} takes far less than recorded, the guard is loose: {record.COMMAND}", stacklevel=1)


@pytest.mark.parametrize(
    ("play", "calls"),
    [
        ("session", ("net.sock.sock_accept", "net.sock.sock_connect", "engine.session.session_close")),
        ("round_trip", ("net.sock.sock_send", "net.sock.sock_recv")),
        ("datagrams", ("net.dgram.dgram_receive", "net.dgram.dgram_send", "net.dgram.dgram_take")),
    ],
)
def test_counted_are_the_functions_of_the_play(measured: dict[str, Counts], play: str, calls: tuple[str, ...]) -> None:
    assert set(calls) <= set(measured[play])
    assert ("net.sock.sock_accept" in measured[play]) == (play == "session")


def test_a_record_holds_every_play_and_adds_up() -> None:
    for key, known in record.load().items():
        for play in record.PLAYS:
            assert sum(known[play]["functions"].values()) == pytest.approx(known[play]["instructions"], abs=20), key


def test_a_record_made_and_read_back_has_no_complaint() -> None:
    counts = {"a.one": 100.04, "b.two": 200.0}
    known = json.loads(json.dumps(record.make(dict.fromkeys(record.PLAYS, counts))))
    assert known["session"] == {"instructions": 300, "functions": {"b.two": 200.0, "a.one": 100.0}}
    assert record.complaint("session", counts, {KEY: known}, KEY) == ""


@pytest.mark.parametrize(("total", "is_bad"), [(1099.0, False), (1101.0, True)])
def test_more_than_a_tenth_is_too_much(total: float, is_bad: bool) -> None:
    counts = {"a.one": 600.0, "b.two": total - 600}
    assert bool(record.complaint("session", counts, RECORDS, KEY)) == is_bad


@pytest.mark.parametrize(("total", "is_bad"), [(1499.0, False), (1501.0, True)])
def test_without_a_record_half_as_much_again_is_too_much(total: float, is_bad: bool) -> None:
    assert bool(record.complaint("session", {"a.one": total}, RECORDS, "riscv64 gcc 15")) == is_bad


def test_the_complaint_names_both_figures_the_functions_that_grew_most_and_the_remedy() -> None:
    grown = {f"c.f{n}": float(n) for n in range(10, 20)}
    worst = record.complaint("session", {"a.one": 590.0, "b.two": 900.0} | grown, RECORDS, KEY).splitlines()
    assert "takes 1635 instructions, recorded are 1000" in worst[0] and KEY in worst[0]
    named = [line.split(":")[0].strip() for line in worst[1:-1]]
    assert named == ["b.two", "c.f19", "c.f18", "c.f17", "c.f16"]
    assert worst[1].strip() == "b.two: 400 -> 900 (+500)"
    assert record.COMMAND in worst[-1]


def test_no_record_at_all_is_an_error_that_names_the_command() -> None:
    with pytest.raises(ValueError, match=record.COMMAND):
        record.complaint("session", {"a.one": 1.0}, {}, KEY)


def test_only_self_cost_of_the_data_plane_is_read() -> None:
    assert read(CALLGRIND.splitlines(keepends=True)) == {"engine.relay.relay_step": 126, "mem.slab.slab_take": 30}


def test_a_unit_costs_what_more_of_them_cost_more() -> None:
    assert difference({"a": 100, "start": 50}, {"a": 300, "new": 20, "start": 50}, 10) == {"a": 20, "new": 2}


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("__pyx_f_5nginy_5_fast_6engine_5relay_relay_step", "engine.relay.relay_step"),
        ("__pyx_f_5nginy_5_fast_3net_4sock_sock_open.constprop.0", "net.sock.sock_open"),
        ("_init", "_init"),
    ],
)
def test_symbols_are_told_as_the_source_names_them(symbol: str, name: str) -> None:
    assert plain_name(symbol) == name
