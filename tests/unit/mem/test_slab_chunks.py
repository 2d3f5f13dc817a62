"""Slab chunks: used ones are filled before idle ones are touched, idle ones give their memory back."""

import random

import pytest
from nginy._fast.testdoor import Slab

PER_CHUNK = 64


def take(slab: Slab, n: int) -> list[int]:
    return [slab.take() for _ in range(n)]


def chunk_of(idx: int) -> int:
    return idx // PER_CHUNK


@pytest.mark.parametrize("cap", [1, 63, 64, 65, 1000])
def test_every_object_is_handed_out_once(cap):
    slab = Slab(cap)
    assert sorted(take(slab, cap)) == list(range(cap))
    assert slab.take() is None
    assert slab.n_taken == cap


def test_partly_used_chunk_is_filled_before_an_idle_one():
    slab = Slab(4 * PER_CHUNK)
    held = take(slab, 3 * PER_CHUNK)
    for idx in held:
        if chunk_of(idx) != 1 or idx % 2:
            slab.give(idx)
    assert {chunk_of(idx) for idx in take(slab, PER_CHUNK // 2)} == {1}


def test_chunk_idle_for_a_whole_period_is_trimmed_and_reads_zero_when_used_again():
    slab = Slab(4 * PER_CHUNK)
    held = take(slab, 4 * PER_CHUNK)
    for idx in held:
        slab.write(idx, idx + 1)
    for idx in held[PER_CHUNK:]:
        slab.give(idx)
    assert slab.settle() == 0  # idle now, but not during the whole period before
    assert slab.settle() == 3
    assert [slab.trim() for _ in range(4)] == [True, True, True, False]
    again = take(slab, 3 * PER_CHUNK)
    assert sorted(again) == list(range(PER_CHUNK, 4 * PER_CHUNK))
    assert {slab.read(idx) for idx in again} == {0}
    assert {slab.read(idx) for idx in held[:PER_CHUNK]} == set(range(1, PER_CHUNK + 1))


def test_chunk_used_within_the_period_does_not_count_as_unneeded():
    slab = Slab(2 * PER_CHUNK)
    for idx in take(slab, 2 * PER_CHUNK):
        slab.give(idx)
    slab.settle()
    slab.give(slab.take())
    assert slab.settle() == 1


def test_last_given_object_is_taken_first():
    slab = Slab(8 * PER_CHUNK, 0)  # a chunk for each object, as buffers have
    held = take(slab, 8)
    for idx in held:
        slab.give(idx)
    assert take(slab, 8) == held[::-1]


def test_random_use_keeps_the_books():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    slab, held = Slab(500, rng.choice((0, 2, 6))), set()
    for _ in range(20_000):
        if rng.random() < 0.5:
            idx = slab.take()
            assert (idx is None) == (len(held) == 500)
            if idx is not None:
                assert idx not in held and 0 <= idx < 500
                held.add(idx)
        elif held and rng.random() < 0.9:
            idx = rng.choice(tuple(held)) if len(held) < 20 else next(iter(held))
            assert slab.give(idx) and not slab.give(idx)
            held.remove(idx)
        elif rng.random() < 0.3:
            slab.settle()
            slab.trim()
        assert slab.n_taken == len(held)
