"""Amounts as a person reads them."""

import pytest

from nginy.admin.amounts import read_bytes, read_count, read_duration


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (5 * 1024**4, "5.0 TiB"),
        (2000 * 1024**5, "2000.0 PiB"),
    ],
)
def test_read_bytes(count: int, text: str) -> None:
    assert read_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250ms"),
        (1, "1s"),
        (59.9, "59s"),
        (60, "1m"),
        (61, "1m 1s"),
        (3723, "1h 2m"),
        (86400, "1d"),
        (86400 + 3600 * 5 + 59, "1d 5h"),
    ],
)
def test_read_duration_shows_the_two_largest_units(seconds: float, text: str) -> None:
    assert read_duration(seconds) == text


def test_read_count_groups_thousands() -> None:
    assert read_count(1234567) == "1,234,567"
