"""Hash: every byte counts, lengths count, no byte beyond the end is read, the same everywhere."""

from nginy._fast.testdoor import clocks, hash_of


def test_hash_changes_with_each_byte_and_length():
    base = bytes(range(33))
    seen = {hash_of(base[:n]) for n in range(34)}
    seen |= {hash_of(base[:i] + bytes([base[i] ^ 1]) + base[i + 1 :]) for i in range(33)}
    assert len(seen) == 34 + 33


def test_hash_depends_on_the_seed():
    assert hash_of(b"10.0.0.1", 1) != hash_of(b"10.0.0.1", 2)


def test_hash_is_the_same_on_every_machine():
    assert hash_of(b"") == 0
    assert hash_of(b"nginy") == hash_of(bytes([110, 103, 105, 110, 121]))


def test_hash_spreads_consecutive_addresses_evenly():
    counts = [0] * 8
    for i in range(8000):
        counts[hash_of(i.to_bytes(16, "big")) % 8] += 1
    assert max(counts) - min(counts) < 250


def test_clocks_agree_and_advance():
    ms, us = clocks()
    assert abs(us // 1000 - ms) <= 1
    assert clocks()[1] >= us
