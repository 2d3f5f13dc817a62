"""The small parts that rings are made of: checksums, digests, a logarithm in whole numbers, the bound."""

import hashlib
import math
import random
import zlib

from hypothesis import example, given
from hypothesis import strategies as st

from nginy._fast import testrings

UNIT = 2**40


@given(st.binary(max_size=300))
def test_crc32_is_that_of_zlib(text: bytes) -> None:
    assert testrings.crc32(text) == zlib.crc32(text)


@given(st.binary(max_size=300))
@example(b"")
@example(b"x" * 55)
@example(b"x" * 56)
@example(b"x" * 63)
@example(b"x" * 64)
@example(b"x" * 119)
@example(b"x" * 120)
def test_md5_is_that_of_hashlib(text: bytes) -> None:
    assert testrings.md5(text) == hashlib.md5(text).digest()


def test_costs_are_distributed_as_logarithms_of_even_numbers(seed: int) -> None:
    """-ln of an even number in (0, 1] has mean 1 and variance 1: so for log2 in its unit."""
    rng = random.Random(seed)
    costs = [testrings.cost(rng.randrange(2**64), 7) / UNIT * math.log(2) for _ in range(50_000)]
    mean = sum(costs) / len(costs)
    assert 0.97 < mean < 1.03
    assert 0.9 < sum((cost - mean) ** 2 for cost in costs) / len(costs) < 1.1
    assert min(costs) > 0 and max(costs) < 45


@given(
    total=st.integers(0, 2**31 - 1), weights=st.lists(st.integers(0, 65535), min_size=1, max_size=20).filter(any),
    factor=st.integers(1000, 65535),
)  # fmt: skip
def test_bound_is_exact_and_leaves_somebody_room(total: int, weights: list[int], factor: int) -> None:
    caps = [testrings.cap(total, weight, sum(weights), factor) for weight in weights]
    assert caps == [-(-factor * (total + 1) * weight // (1000 * sum(weights))) for weight in weights]
    assert sum(caps) > total
