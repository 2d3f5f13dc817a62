"""Rings and tables as one writes them in plain Python, for comparison: the ways of nginx, libketama and the papers."""

import hashlib
import math
import zlib
from bisect import bisect_left
from collections.abc import Mapping

MASK = 2**64 - 1


class NginxRing:
    """`hash … consistent`: the same answers as Ring(compat="nginx")."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        points: dict[int, str] = {}
        for node, weight in weights.items():
            host, _, port = node.rpartition(":")
            base = zlib.crc32(f"{host}\0{port}".encode())
            value = 0
            for _turn in range(weight * 160):
                value = zlib.crc32(value.to_bytes(4, "little"), base)
                points.setdefault(value, node)
        self.hashes = sorted(points)
        self.nodes = [points[value] for value in self.hashes]

    def __getitem__(self, key: str) -> str:
        at = bisect_left(self.hashes, zlib.crc32(key.encode()))
        return self.nodes[at if at < len(self.nodes) else 0]


class KetamaRing:
    """The same answers as Ring(compat="ketama")."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        points: dict[int, str] = {}
        total = sum(weights.values())
        for node, weight in weights.items():
            for number in range(40 * len(weights) * weight // total):
                digest = hashlib.md5(f"{node}-{number}".encode()).digest()
                for at in range(0, 16, 4):
                    points.setdefault(int.from_bytes(digest[at : at + 4], "little"), node)
        self.hashes = sorted(points)
        self.nodes = [points[value] for value in self.hashes]

    def __getitem__(self, key: str) -> str:
        value = int.from_bytes(hashlib.md5(key.encode()).digest()[:4], "little")
        at = bisect_left(self.hashes, value)
        return self.nodes[at if at < len(self.nodes) else 0]


def hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class Maglev:
    """The paper's listing; equal weights."""

    def __init__(self, nodes: list[str], size: int = 65537) -> None:
        self.nodes = nodes
        at = [hash64(f"{node} offset") % size for node in nodes]
        skips = [hash64(f"{node} skip") % (size - 1) + 1 for node in nodes]
        slots = [-1] * size
        n_filled = 0
        while n_filled < size:
            for node, skip in enumerate(skips):
                place = at[node]
                while slots[place] >= 0:
                    place = (place + skip) % size
                slots[place] = node
                at[node] = (place + skip) % size
                n_filled += 1
                if n_filled == size:
                    break
        self.slots = slots

    def __getitem__(self, key: str) -> str:
        return self.nodes[self.slots[hash64(key) % len(self.slots)]]


class Rendezvous:
    """Weighted, by logarithms."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self.weights = weights

    def __getitem__(self, key: str) -> str:
        return min(self.weights, key=lambda node: -math.log((hash64(key + node) + 1) / 2**64) / self.weights[node])


def jump(number: int, n: int) -> int:
    """The paper's listing."""
    bucket, leap = -1, 0
    while leap < n:
        bucket = leap
        number = (number * 2862933555777941757 + 1) & MASK
        leap = int((bucket + 1) * (2**31 / ((number >> 33) + 1)))
    return bucket
