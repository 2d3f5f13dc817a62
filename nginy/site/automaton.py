"""Automata: a pattern as a table that takes one byte after the other. Built at load; workers only follow it."""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import NamedTuple

from nginy.site.regex import Chain, Choice, One, Part, Repeat, parse

STATES_MOST = 4096
STEPS_MOST = 8192  # of the automaton that several ways lead through at once


class Automaton(NamedTuple):
    """State 0 is dead, 1 the beginning. moves[state * n_classes + classes[byte]] is the next one."""

    classes: bytes
    n_classes: int
    ends: bytes
    moves: array[int]

    def fits(self, path: bytes) -> bool:
        """Whether it is a pattern of this whole path."""
        state = 1
        for byte in path:
            state = self.moves[state * self.n_classes + self.classes[byte]]
        return bool(self.ends[state])


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> Automaton:
    """The automaton of a pattern. Errors: ValueError: not in the subset, or one that needs too many states."""
    nfa = _Steps()
    start = nfa.add()
    end = nfa.build(parse(text), start)
    classes, samples = _classes_of(nfa.sets)
    return _determined(nfa, start, end, classes, samples)


class _Steps:
    """Thompson's automaton: from each step a set of bytes leads on, or nothing does."""

    def __init__(self) -> None:
        self.sets: list[tuple[frozenset[int], int] | None] = []
        self.free: list[list[int]] = []

    def add(self) -> int:
        if len(self.sets) >= STEPS_MOST:
            raise ValueError("it is too large, repetitions written out; use fewer or smaller ones")
        self.sets.append(None)
        self.free.append([])
        return len(self.sets) - 1

    def build(self, part: Part, start: int) -> int:
        """Add what the part needs behind a step; the step after it."""
        if isinstance(part, One):
            end = self.add()
            self.sets[start] = (part.bytes, end)
            return end
        if isinstance(part, Chain):
            for item in part.items:
                start = self.build(item, start)
            return start
        if isinstance(part, Choice):
            return self._choice(part, start)
        return self._repeat(part, start)

    def _choice(self, part: Choice, start: int) -> int:
        ends = []
        for item in part.items:
            begin = self.add()
            self.free[start].append(begin)
            ends.append(self.build(item, begin))
        end = self.add()
        for each in ends:
            self.free[each].append(end)
        return end

    def _repeat(self, part: Repeat, start: int) -> int:
        for _ in range(part.least):
            start = self.build(part.item, start)
        begins = [start]
        if part.most is None:
            turn, end = self.add(), self.add()
            self.free[start].append(turn)
            begin = self.add()
            self.free[turn] += [begin, end]
            self.free[self.build(part.item, begin)].append(turn)
            return end
        for _ in range(part.most - part.least):
            begin = self.add()
            self.free[start].append(begin)
            start = self.build(part.item, begin)
            begins.append(start)
        end = self.add()
        for begin in begins:
            self.free[begin].append(end)
        return end


def _classes_of(sets: list[tuple[frozenset[int], int] | None]) -> tuple[bytes, list[int]]:
    """The class of each byte, and one byte of each class: bytes that no set tells apart are of one class."""
    different = {each[0] for each in sets if each is not None}
    signatures: dict[tuple[bool, ...], int] = {}
    classes, samples = bytearray(256), list[int]()
    for byte in range(256):
        signature = tuple(byte in each for each in different)
        if signature not in signatures:
            signatures[signature] = len(samples)
            samples.append(byte)
        classes[byte] = signatures[signature]
    return bytes(classes), samples


def _determined(nfa: _Steps, start: int, end: int, classes: bytes, samples: list[int]) -> Automaton:
    """One state for each set of steps that can be reached together. The dead state is the empty set."""
    first = _closed(nfa, {start})
    numbers: dict[frozenset[int], int] = {frozenset(): 0, first: 1}
    waiting, moves = [frozenset(), first], array("H")
    for steps in waiting:
        for byte in samples:
            reached = {to[1] for step in steps if (to := nfa.sets[step]) is not None and byte in to[0]}
            after = _closed(nfa, reached)
            if after not in numbers:
                numbers[after] = len(waiting)
                waiting.append(after)
                if len(waiting) > STATES_MOST:
                    message = f"it needs more than {STATES_MOST} states"
                    raise ValueError(f"{message}; counted repetitions behind a `*` make many: write it more plainly")
            moves.append(numbers[after])
    return Automaton(classes, len(samples), bytes(end in steps for steps in waiting), moves)


def _closed(nfa: _Steps, steps: set[int]) -> frozenset[int]:
    """With all that is reached without a byte."""
    waiting = list(steps)
    while waiting:
        for step in nfa.free[waiting.pop()]:
            if step not in steps:
                steps.add(step)
                waiting.append(step)
    return frozenset(steps)
