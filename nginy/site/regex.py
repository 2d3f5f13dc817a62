"""Patterns: a bounded subset of regular expressions, read into a tree. They are for a whole path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

PATTERN_MOST = 1024
REPEATS_MOST = 1000
DEPTH_MOST = 50
ANY = frozenset(range(256))
DIGITS = frozenset(b"0123456789")
WORD = DIGITS | frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
KINDS = {"d": DIGITS, "D": ANY - DIGITS, "w": WORD, "W": ANY - WORD}
GROUPS = {"(?=": "look-ahead", "(?!": "look-ahead", "(?<": "look-behind or named groups", "(?P": "named groups"}


@dataclass(frozen=True)
class One:
    """One byte out of several."""

    bytes: frozenset[int]


@dataclass(frozen=True)
class Chain:
    """Several, one after the other."""

    items: tuple[Part, ...]


@dataclass(frozen=True)
class Choice:
    """One of several."""

    items: tuple[Part, ...]


@dataclass(frozen=True)
class Repeat:
    """One thing several times. most: None for as often as it likes."""

    item: Part
    least: int
    most: int | None


Part: TypeAlias = One | Chain | Choice | Repeat


def parse(text: str) -> Part:
    """The tree of a pattern. Errors: ValueError, with the place in the pattern and what to write instead."""
    if len(text) > PATTERN_MOST:
        raise ValueError(f"it has {len(text)} characters; at most {PATTERN_MOST} are allowed")
    reader = _Reader(text)
    part = reader.choice()
    if reader.at < len(text):
        raise reader.wrong("this parenthesis was never opened")
    return part


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def wrong(self, message: str, at: int | None = None) -> ValueError:
        return ValueError(f"at character {(self.at if at is None else at) + 1}: {message}")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        self.at += 1
        return self.text[self.at - 1 : self.at]

    def choice(self) -> Part:
        items = [self.chain()]
        while self.peek() == "|":
            self.take()
            items.append(self.chain())
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def chain(self) -> Part:
        items: list[Part] = []
        while self.peek() not in ("", "|", ")"):
            items.append(self.repeated())
        return items[0] if len(items) == 1 else Chain(tuple(items))

    def repeated(self) -> Part:
        part, begin = self.single(), self.at
        mark = self.peek()
        if mark not in ("*", "+", "?", "{") or not mark:
            return part
        self.take()
        least, most = self.bounds(begin) if mark == "{" else (int(mark == "+"), 1 if mark == "?" else None)
        if self.peek() in ("?", "+", "*", "{") and self.peek():
            raise self.wrong("one repetition after another; a pattern is for a whole path, so lazy ones mean nothing")
        return Repeat(part, least, most)

    def bounds(self, begin: int) -> tuple[int, int | None]:
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at : max(end, self.at)].partition(",")
        if end < 0 or not low.isdecimal() or not (high.isdecimal() or (comma and not high)) and comma:
            raise self.wrong("expected {3}, {3,} or {3,5}; for the character itself write \\{", begin)
        self.at = end + 1
        least, most = int(low), (None if comma and not high else int(high or low))
        if max(least, most or 0) > REPEATS_MOST or (most is not None and most < least):
            raise self.wrong(f"repetitions go from 0 to {REPEATS_MOST}, the smaller number first", begin)
        return least, most

    def single(self) -> Part:
        begin, char = self.at, self.take()
        if char == "(":
            return self.group(begin)
        if char == "[":
            return One(self.bracket(begin))
        if char == ".":
            return One(ANY)
        if char == "\\":
            return One(self.escape(begin))
        if char in "*+?{":
            raise self.wrong(f"nothing to repeat; for the character itself write \\{char}", begin)
        if char in "^$":
            raise self.wrong(f"a pattern is for the whole path: leave {char} out", begin)
        return Chain(tuple(One(frozenset((byte,))) for byte in char.encode()))

    def group(self, begin: int) -> Part:
        start = self.text[begin : begin + 3]
        if start.startswith("(?") and start != "(?:":
            raise self.wrong(f"{GROUPS.get(start, 'flags')} cannot be used here", begin)
        self.at += 2 if start == "(?:" else 0
        self.depth += 1
        if self.depth > DEPTH_MOST:
            raise self.wrong(f"groups in groups, {DEPTH_MOST} deep at most", begin)
        part = self.choice()
        self.depth -= 1
        if self.take() != ")":
            raise self.wrong("this parenthesis is never closed", begin)
        return part

    def escape(self, begin: int) -> frozenset[int]:
        char = self.take()
        if char in KINDS:
            return KINDS[char]
        if char.isdecimal():
            raise self.wrong("back-references cannot be used here", begin)
        if not char or char.isalnum() or ord(char) > 127:
            raise self.wrong(f"\\{char} means nothing here; \\d, \\w, \\D, \\W and escaped signs do", begin)
        return frozenset(char.encode())

    def bracket(self, begin: int) -> frozenset[int]:
        is_negated = self.peek() == "^"
        self.at += is_negated
        found: set[int] = set()
        while not found or self.peek() != "]":
            found |= self.between(begin)
        self.take()
        return ANY - found if is_negated else frozenset(found)

    def between(self, begin: int) -> frozenset[int]:
        """A character or a range of a class."""
        low = self.member(begin)
        if self.peek() != "-" or self.text[self.at + 1 : self.at + 2] in ("]", ""):
            return low
        self.take()
        high = self.member(begin)
        if len(low) > 1 or len(high) > 1 or min(low) > min(high):
            raise self.wrong("a range goes from one character to a later one", begin)
        return frozenset(range(min(low), min(high) + 1))

    def member(self, begin: int) -> frozenset[int]:
        at, char = self.at, self.take()
        if not char:
            raise self.wrong("this bracket is never closed; for the character itself write \\[", begin)
        if char == "\\":
            return self.escape(at)
        if char in "[]" or ord(char) > 127:
            raise self.wrong(f"{char!r} in brackets: escape a bracket; only ASCII may stand there", at)
        return frozenset(char.encode())
