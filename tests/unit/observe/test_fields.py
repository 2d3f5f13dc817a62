"""Lines that programs read must come apart again as they were put together."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy.observe.fields import iso_time, json_line, logfmt_line, logfmt_value

PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ ]*)')


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_iso_time_reads_back_as_the_same_millisecond(wall_ms: int) -> None:
    back = datetime.fromisoformat(iso_time(wall_ms))
    assert back.tzinfo == UTC
    assert round(back.timestamp() * 1000) == wall_ms


def test_iso_time_goes_on_after_a_step_back_of_the_clock() -> None:
    assert iso_time(2_000).startswith("1970-01-01T00:00:02")
    assert iso_time(1_000).startswith("1970-01-01T00:00:01")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("", '""'),
        (None, "-"),
        (True, "true"),
        (7, "7"),
        (0.25, "0.25"),
        (["a", "b"], '"a, b"'),
        ("line\nfeed", '"line\\nfeed"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("\x9b31mred", '"\\u009b31mred"'),
        ("grün", "grün"),
    ],
)
def test_logfmt_value_is_one_token(value: object, text: str) -> None:
    assert logfmt_value(value) == text


@given(st.lists(st.tuples(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text()), max_size=5))
def test_logfmt_line_has_one_printable_pair_per_field(fields: list[tuple[str, object]]) -> None:
    line = logfmt_line(fields)
    assert line.isprintable()
    pairs = PAIR.findall(line)
    assert " ".join(f"{name}={text}" for name, text in pairs) == line
    assert [(name, json.loads(text) if text.startswith('"') else text) for name, text in pairs] == fields


def test_json_line_keeps_what_json_has_no_word_for() -> None:
    assert json.loads(json_line([("path", datetime(2026, 1, 1)), ("n", 1)])) == {
        "path": "2026-01-01 00:00:00",
        "n": 1,
    }
