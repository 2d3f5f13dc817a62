"""The structures of the data plane once more in plain Python, as one would write them without a compiler.

Each makes the same decisions as its native counterpart, so that the two can be checked against each other.
"""

import bisect
import hashlib
import heapq
import itertools
import struct
from collections.abc import Callable, Sequence
from typing import Any

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
ODD = 0x9FB21C651E98DF25


def mix(x: int) -> int:
    """64 bits to 64 bits."""
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def hash_of(content: bytes, seed: int = 0) -> int:
    """Hash of a byte string, eight bytes at a time."""
    h = mix(seed ^ len(content) * GOLDEN & MASK)
    whole = len(content) & ~7
    for (word,) in struct.iter_unpack("<Q", content[:whole]):
        h = mix(h ^ word) * ODD & MASK
    if whole < len(content):
        h = mix(h ^ int.from_bytes(content[whole:], "little")) * ODD & MASK
    return mix(h)


class Slab:
    """Numbered places; the one given back last is taken first."""

    def __init__(self, cap: int) -> None:
        self.free = list(range(cap - 1, -1, -1))
        self.is_taken = [False] * cap

    def churn(self, n: int) -> None:
        """Take and give n times."""
        free, is_taken = self.free, self.is_taken
        for _ in range(n):
            place = free.pop()
            is_taken[place] = True
            is_taken[place] = False
            free.append(place)


class Heap:
    """n timers in a heap; a re-armed one leaves its old entry behind, which is passed over when it comes up."""

    def __init__(self, n: int) -> None:
        self.deadlines: dict[int, int] = {}
        self.entries: list[tuple[int, int]] = []
        self.n = n

    def arm(self, number: int, deadline_ms: int) -> None:
        """Arm or re-arm."""
        self.deadlines[number] = deadline_ms
        heapq.heappush(self.entries, (deadline_ms, number))
        if len(self.entries) > 4 * self.n:  # or those left behind would grow for ever
            self.entries = [(at_ms, each) for each, at_ms in self.deadlines.items()]
            heapq.heapify(self.entries)

    def advance(self, now_ms: int) -> list[int]:
        """Numbers of the timers that fire now."""
        fired = []
        while self.entries and self.entries[0][0] <= now_ms:
            deadline_ms, number = heapq.heappop(self.entries)
            if self.deadlines.get(number) == deadline_ms:
                del self.deadlines[number]
                fired.append(number)
        return fired

    def churn(self, rounds: int, now_ms: int) -> None:
        """Re-arm every timer so many times."""
        for _ in range(rounds):
            for number in range(self.n):
                self.arm(number, now_ms + 1000 + number)


POLICIES = ("least_conn", "random2", "round_robin", "source_hash")
"""What there is a plain version of; rings and tables are measured in bench_rings."""


class Chooser:
    """Choices among backends that are all usable and idle; churn() gives the sum of their positions."""

    def __init__(self, policy: str, weights: Sequence[int], seed: int = 1) -> None:
        self.weights = list(weights)
        self.ends = list(itertools.accumulate(weights))
        self.current = [0] * len(weights)
        self.in_flight = [0] * len(weights)
        self.cursor = 0
        self.random = seed
        choices: dict[str, Callable[[int], int]] = {
            "round_robin": self.smooth,
            "least_conn": self.least,
            "random2": self.two_draws,
            "source_hash": self.by_key,
        }
        self.choose = choices[policy]

    def churn(self, n: int) -> int:
        """Choose n times with keys 0..n-1."""
        return sum(self.choose(key) for key in range(n))

    def smooth(self, _key: int) -> int:
        """Smooth weighted round robin."""
        current = self.current
        for at, weight in enumerate(self.weights):
            current[at] += weight
        best = max(range(len(current)), key=current.__getitem__)
        current[best] -= self.ends[-1]
        return best

    def least(self, _key: int) -> int:
        """Lowest load per weight, from a moving start."""
        weights, in_flight, n = self.weights, self.in_flight, len(self.weights)
        start = self.cursor % n
        best = start
        for at in itertools.chain(range(start + 1, n), range(start)):
            if (in_flight[at] + 1) * weights[best] < (in_flight[best] + 1) * weights[at]:
                best = at
        self.cursor = best + 1
        return best

    def two_draws(self, _key: int) -> int:
        """Two weighted draws, the less loaded one."""
        first, second = self.draw(), self.draw()
        return second if self.in_flight[second] < self.in_flight[first] else first

    def draw(self) -> int:
        """One weighted draw."""
        self.random = self.random + GOLDEN & MASK
        return bisect.bisect_right(self.ends, mix(self.random) % self.ends[-1])

    def by_key(self, key: int) -> int:
        """The key's place among the weights."""
        return bisect.bisect_right(self.ends, hash_of(key.to_bytes(4, "little")) % self.ends[-1])


HEAD = struct.Struct("<QI32s")
BACKEND = struct.Struct("<HHBBBBHI28s")


def pack_snapshot(gen: int, backends: Sequence[Any]) -> bytes:
    """Generation, count and digest in front of one record per backend."""
    body = b"".join(
        BACKEND.pack(b.id, b.pool, b.tier, b.state, b.verdict, 0, b.weight, b.max_conns, b.sockaddr) for b in backends
    )
    return HEAD.pack(gen, len(backends), hashlib.blake2b(body, digest_size=32).digest()) + body


def verify_snapshot(block: bytes) -> int:
    """The generation; ValueError when the block is not what was packed."""
    gen, count, digest = HEAD.unpack_from(block)
    body = block[HEAD.size :]
    if len(body) != count * BACKEND.size or hashlib.blake2b(body, digest_size=32).digest() != digest:
        raise ValueError("unsound snapshot")
    for _, _, _, state, verdict, *_ in BACKEND.iter_unpack(body):
        if state > 2 or verdict > 2:
            raise ValueError("unsound backend")
    return int(gen)
