"""Plain scalars mean what the YAML 1.2 core schema says; quoted ones are texts."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy.config.load import read_text
from nginy.config.scalar import escape, resolve_plain, substitute
from nginy.config.tree import Mapping, Problems, Scalar

from .trees import CALM

GOLDEN: list[tuple[str, Any]] = [
    ("", None),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("NULL", None),
    ("nULL", "nULL"),
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("false", False),
    ("FALSE", False),
    ("tRue", "tRue"),
    ("on", "on"),
    ("off", "off"),
    ("yes", "yes"),
    ("no", "no"),
    ("y", "y"),
    ("0", 0),
    ("-0", 0),
    ("+12", 12),
    ("-19", -19),
    ("0755", "0755"),
    ("-07", "-07"),
    ("00", "00"),
    ("0o17", 15),
    ("0o18", "0o18"),
    ("-0o17", "-0o17"),
    ("0x1F", 31),
    ("0xG", "0xG"),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("22:22", "22:22"),
    ("190:20:30", "190:20:30"),
    ("1.5", 1.5),
    ("1.", 1.0),
    (".5", 0.5),
    ("-.5", -0.5),
    ("1e3", 1000.0),
    ("1E-2", 0.01),
    ("01.5", "01.5"),
    ("1.5.2", "1.5.2"),
    ("10.0.0.1", "10.0.0.1"),
    (".", "."),
    ("-", "-"),
    ("+", "+"),
    ("e3", "e3"),
    (".inf", math.inf),
    ("-.Inf", -math.inf),
    ("+.INF", math.inf),
    ("inf", "inf"),
    ("nan", "nan"),
    ("2001-12-14", "2001-12-14"),
    ("9" * 64, int("9" * 64)),
    ("9" * 65, "9" * 65),
    ("1e999", math.inf),
    ("\u0661", "\u0661"),
]


@pytest.mark.parametrize(("text", "meaning"), GOLDEN)
def test_plain_scalar_means_what_yaml_1_2_says(text: str, meaning: Any) -> None:
    value = resolve_plain(text)
    assert type(value) is type(meaning)
    assert value == meaning


def test_nan_is_a_number() -> None:
    assert all(isinstance(resolve_plain(text), float) for text in (".nan", ".NaN", ".NAN"))


def test_every_golden_scalar_reads_the_same_from_a_file() -> None:
    """Through the parser, so that no resolver of its own stands between the text and these rules."""
    for text, meaning in GOLDEN:
        if text not in ("-",):
            assert node(f"key: {text}").value == meaning


@pytest.mark.parametrize("text", ["true", "null", "12", "1.5", "~", "0x1f", ""])
def test_quoted_scalar_is_a_text(text: str) -> None:
    assert node(f"key: '{text}'").value == text
    assert node(f'key: "{text}"').value == text


def test_block_scalar_is_a_text() -> None:
    assert node("key: |\n  12\n").value == "12\n"


def node(text: str) -> Scalar:
    problems = Problems()
    tree = read_text(text, "t", {}, problems)
    assert not list(problems)
    assert isinstance(tree, Mapping)
    value = tree.entries["key"]
    assert isinstance(value, Scalar)
    return value


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "1"),
        ("x${A}y${B}z", "x1y2z"),
        ("${A:-9}", "1"),
        ("${NONE:-9}", "9"),
        ("${NONE:-}", ""),
        ("${BLANK:-9}", "9"),
        ("${BLANK}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ {A} $", "$A $ {A} $"),
        ("${AGAIN}", "${A}"),
    ],
)
def test_variables_are_substituted(text: str, result: str) -> None:
    troubles: list[tuple[str, str]] = []
    env = {"A": "1", "B": "2", "BLANK": "", "AGAIN": "${A}"}
    assert substitute(text, env, troubles) == result
    assert troubles == []


@pytest.mark.parametrize("text", ["${NONE}", "${}", "${A", "${A B}", "${A:-${B}}", "${A-1}", "${:-x}"])
def test_variable_that_cannot_be_substituted_is_told_and_left(text: str) -> None:
    troubles: list[tuple[str, str]] = []
    substitute(text, {"A": "1", "B": "2"}, troubles)
    assert len(troubles) == 1


@given(st.text(alphabet="${}AB:- x"))
@CALM
def test_escaped_text_comes_back_from_substitution(text: str) -> None:
    troubles: list[tuple[str, str]] = []
    assert substitute(escape(text), {}, troubles) == text
    assert troubles == []
