"""Patterns: the same language as `re` of Python reads in them, and what is refused."""

import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nginy.site.automaton import STATES_MOST, compile_pattern
from nginy.site.regex import PATTERN_MOST

ATOMS = st.sampled_from(
    ["a", "b", "/", ".", r"\.", r"\d", r"\w", r"\D", r"\W", "[ab]", "[^/]", "[a-c0-9_-]", "[^a-b]", r"[\d.]",
     "(?:é)", "%", "[-a]"])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "{0}"])


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map("|".join).map("({})".format),
        st.tuples(inner, REPEATS).map(lambda both: f"(?:{both[0]}){both[1]}"),
    )


PATTERNS = st.recursive(st.tuples(ATOMS, REPEATS).map("".join), combined, max_leaves=6)
BYTES = st.sampled_from([b"a", b"b", b"c", b"/", b".", b"1", b"_", b"-", b"%", "é".encode(), b"\n", b"\xff"])
PATHS = st.lists(BYTES, max_size=8)


@given(PATTERNS, st.lists(PATHS.map(b"".join), min_size=1, max_size=10))
def test_a_pattern_fits_what_re_fits(pattern: str, paths: list[bytes]) -> None:
    assume(len(re.findall(r"\)[*+{]", pattern)) < 3)  # `re` takes minutes for repeats in repeats in repeats
    try:
        automaton = compile_pattern(pattern)
    except ValueError as error:
        assert "states" in str(error)
        return
    for path in [*paths, b"", b"a", b"ab", b"/a/b"]:
        expected = re.fullmatch(pattern.encode(), path, re.DOTALL | re.ASCII)
        assert automaton.fits(path) == bool(expected), (pattern, path)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/a/(", "at character 4: this parenthesis is never closed"),
        ("/a)", "at character 3: this parenthesis was never opened"),
        ("/[a", "at character 2: this bracket is never closed"),
        ("/[]", "escape a bracket"),
        ("/[z-a]", "a range goes from one character to a later one"),
        (r"/[\d-z]", "a range goes from one character to a later one"),
        ("/[é]", "only ASCII may stand there"),
        (r"/(a)\1", "at character 5: back-references cannot be used here"),
        ("/(?=a)", "at character 2: look-ahead cannot be used here"),
        ("/(?<!a)", "look-behind or named groups cannot be used here"),
        ("/(?P<x>a)", "named groups cannot be used here"),
        ("/(?i)a", "flags cannot be used here"),
        ("^/a", "at character 1: a pattern is for the whole path: leave ^ out"),
        ("/a$", "leave $ out"),
        ("/a*?", "lazy ones mean nothing"),
        ("/a**", "one repetition after another"),
        ("*", "nothing to repeat"),
        ("/a{,3}", "expected {3}, {3,} or {3,5}"),
        ("/a{x}", "for the character itself write"),
        ("/a{3", "expected {3}"),
        ("/a{5,3}", "the smaller number first"),
        ("/a{1001}", "repetitions go from 0 to 1000"),
        (r"/\q", "means nothing here"),
        ("/a\\", "means nothing here"),
        ("(" * 51 + ")" * 51, "50 deep at most"),
        ("a" * (PATTERN_MOST + 1), "at most 1024 are allowed"),
        ("((a{1000}){1000})", "it is too large"),
        (".*a.{12}", f"it needs more than {STATES_MOST} states"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        compile_pattern(pattern)


def test_the_largest_automaton_is_found_out_quickly() -> None:
    began = time.thread_time()
    with pytest.raises(ValueError, match="states"):
        compile_pattern(".*(a|b).{11}")
    assert time.thread_time() - began < 10
    assert len(compile_pattern(".*a.{9}").ends) == 2**10 + 2, "and the dead one, and the beginning"
