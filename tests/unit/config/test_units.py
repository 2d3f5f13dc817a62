"""Durations, sizes and rates, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy.config.units import (
    UnitError,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)

from .trees import CALM


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5.0),
        ("1m", 60.0),
        ("1h30m", 5400.0),
        ("2d", 172800.0),
        ("1d1h1m1s1ms", 90061.001),
        ("1.5s", 1.5),
        ("0.1s", 0.1),
        ("1.1m", 66.0),
        ("30", 30.0),
        ("0.25", 0.25),
        (30, 30.0),
        (0.3, 0.3),
        ("0s", 0.0),
    ],
)
def test_duration_is_read(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "5 s",
        "5S",
        "-5s",
        "+5s",
        "1m1h",
        "1s1s",
        "1h5",
        "5x",
        "5.s",
        ".5s",
        "1e3s",
        "5,5s",
        "\u0665s",
    ],
)
def test_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.001, "1ms"),
        (0.25, "250ms"),
        (1.5, "1500ms"),
        (60.0, "1m"),
        (90.0, "1m30s"),
        (900.0, "15m"),
        (2592000.0, "30d"),
        (0.0, "0s"),
        (5405.0, "1h30m5s"),
        (61.5, "1m1s500ms"),
    ],
)
def test_duration_is_written_short(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0.001, max_value=2_592_000))
@CALM
def test_duration_that_was_written_reads_the_same(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=1, max_value=2_592_000_000))
@CALM
def test_whole_milliseconds_are_written_without_fractions(duration_ms: int) -> None:
    text = format_duration(duration_ms / 1000)
    assert "." not in text
    assert parse_duration(text) == duration_ms / 1000


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("512", 512),
        ("512B", 512),
        ("64KiB", 65536),
        ("64kib", 65536),
        ("64k", 65536),
        ("64K", 65536),
        ("64Ki", 65536),
        ("1 MiB", 1048576),
        ("1m", 1048576),
        ("1.5MiB", 1572864),
        ("2GiB", 2**31),
        ("1T", 2**40),
        (4096, 4096),
        (4096.0, 4096),
    ],
)
def test_size_is_read(text: str | float, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k",
        "-1",
        "1KB",
        "1mb",
        "1.3k",
        "1PiB",
        "1 000",
        "1  k",
        "0x10",
        "1k1",
        1.5,
        1e30,
        float("inf"),
        float("nan"),
    ],
)
def test_size_that_is_none_is_refused(text: str | float) -> None:
    with pytest.raises(UnitError):
        parse_size(text)


@given(st.integers(min_value=0, max_value=2**45))
@CALM
def test_size_that_was_written_reads_the_same(size_bytes: int) -> None:
    assert parse_size(format_size(size_bytes)) == size_bytes


def test_size_is_written_short() -> None:
    assert [format_size(n) for n in (0, 1, 1023, 1024, 65536, 2**20 + 1024, 2**26, 2**40, 2**50)] == [
        "0",
        "1",
        "1023",
        "1KiB",
        "64KiB",
        "1025KiB",
        "64MiB",
        "1TiB",
        "1024TiB",
    ]


@pytest.mark.parametrize(
    ("text", "per_second"),
    [("50/s", 50), ("1/s", 1), ("60/m", 1), ("61/m", 2), ("1/m", 1), ("90/m", 2), ("0/s", 0), ("7", 7), (7, 7)],
)
def test_rate_is_read_and_rounded_up(text: str | int, per_second: int) -> None:
    assert parse_rate(text) == per_second


@pytest.mark.parametrize(
    "text", ["", "/s", "5/", "5 /s", "5/h", "5/S", "-5/s", "1.5/s", "5/s/s", "5s", "\u0665/s", 0.5, 1e30]
)
def test_rate_that_is_none_is_refused(text: str | float) -> None:
    with pytest.raises(UnitError):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "hint"), [("5/min", "write 5/m"), ("5/sec", "write 5/s"), ("5/h", "the units are s and m")]
)
def test_rate_with_another_unit_is_told_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_rate(text)
    assert caught.value.hint == hint


@given(st.integers(min_value=0, max_value=2**31))
@CALM
def test_rate_that_was_written_reads_the_same(per_second: int) -> None:
    assert parse_rate(format_rate(per_second)) == per_second
