"""Two patterns side by side: whether one is for all paths of the other, and a path that both are for."""

from __future__ import annotations

from typing import NamedTuple

from nginy.site.automaton import Automaton


class Compared(NamedTuple):
    """is_within: every path of the second is one of the first. shared: a shortest path of both; None: there is none."""

    is_within: bool
    shared: bytes | None


def compare(first: Automaton, second: Automaton, pairs_most: int) -> Compared | None:
    """How two patterns stand to each other; None when that would take more than pairs_most pairs of states."""
    steps = {(first.classes[byte], second.classes[byte]): byte for byte in reversed(range(0x21, 0x7F))}
    steps |= {pair: byte for byte in range(256) if (pair := (first.classes[byte], second.classes[byte])) not in steps}
    seen: dict[tuple[int, int], tuple[tuple[int, int], int] | None] = {(1, 1): None}
    waiting, is_within, shared = [(1, 1)], True, None
    for one, other in waiting:
        if second.ends[other] and not first.ends[one]:
            is_within = False
        if shared is None and first.ends[one] and second.ends[other]:
            shared = _way(seen, (one, other))
        if shared is not None and not is_within:
            break
        for (theirs, mine), byte in steps.items():
            after = (first.moves[one * first.n_classes + theirs], second.moves[other * second.n_classes + mine])
            if after[1] == 0 or after in seen:
                continue
            if len(seen) >= pairs_most:
                return None
            seen[after] = ((one, other), byte)
            waiting.append(after)
    return Compared(is_within and shared is not None, shared)


def _way(seen: dict[tuple[int, int], tuple[tuple[int, int], int] | None], to: tuple[int, int]) -> bytes:
    path = bytearray()
    while (came := seen[to]) is not None:
        to, byte = came
        path.append(byte)
    return bytes(reversed(path))
