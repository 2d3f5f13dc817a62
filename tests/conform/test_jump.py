"""Jump against the values that other implementations are tested with."""

import pytest

from nginy.balancer import Jump

# of implementations that cite the paper's code
REFERENCE = [
    (1, 1, 0), (42, 57, 43), (0xDEAD10CC, 1, 0), (0xDEAD10CC, 666, 361), (256, 1024, 520),
    # Guava, HashingTest.testConsistentHash_linearCongruentialGeneratorCompatibility
    (10863919174838991, 11, 6), (2016238256797177309, 11, 3), (1673758223894951030, 11, 5),
    (2, 100001, 80343), (2201, 100001, 22152), (2202, 100001, 15018),
]  # fmt: skip
GUAVA_100 = [0, 55, 62, 8, 45, 59, 86, 97, 82, 59, 73, 37, 17, 56, 86, 21, 90, 37, 38, 83]
BY_BUCKETS = {
    0: [0] * 20,
    1: [0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 17, 17],
    0xDEADBEEF: [0, 1, 2, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 16, 16, 16],
    0x0DDC0FFEEBADF00D: [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 15, 15, 15, 15],
}


@pytest.mark.parametrize(("number", "buckets", "bucket"), REFERENCE)
def test_jump_gives_the_reference_value(number: int, buckets: int, bucket: int) -> None:
    assert Jump(buckets)[number] == bucket


def test_jump_gives_guavas_golden_hundred() -> None:
    jump = Jump(100)
    assert [jump[number] for number in range(20)] == GUAVA_100


@pytest.mark.parametrize("number", BY_BUCKETS)
def test_jump_grows_as_the_reference(number: int) -> None:
    assert [Jump(n + 1)[number] for n in range(len(BY_BUCKETS[number]))] == BY_BUCKETS[number]
