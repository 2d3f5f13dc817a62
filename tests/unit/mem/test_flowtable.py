"""Flow table: compared with a plain dict, full, and with keys that all collide."""

import itertools
import random

import pytest
from nginy._fast.testdoor import Flows, flows_bytes

PER_BUCKET = 10


def key_of(number: int) -> bytes:
    return number.to_bytes(40, "little")


def home(hash: int, flows: Flows) -> int:
    return (hash & 0xFFFFFFFF) * flows.n_buckets >> 32


def hash_into(bucket: int, tag: int, flows: Flows) -> int:
    """A hash that this bucket is home to."""
    low = -(-(bucket << 32) // flows.n_buckets)
    assert home(low, flows) == bucket
    return tag << 48 | low


def check_whole(flows: Flows, held: dict[int, int | None], assured: set[int] = frozenset()) -> None:
    """Every entry stands where it has to, once, and nothing else does. held: entry -> hash of its key, None: parked."""
    named = {idx: bucket for bucket, idx in flows.places()}
    assert len(named) == len(flows.places()), "named twice"
    assert named.keys() == {idx for idx, hash in held.items() if hash is not None}
    passed = [0] * flows.n_buckets
    for idx, bucket in named.items():
        at = home(held[idx], flows)
        while at != bucket:
            passed[at] += 1
            at = (at + 1) % flows.n_buckets
    assert flows.passed() == passed
    unreplied, replied = flows.listed()
    assert sorted(unreplied) == sorted(held.keys() - assured)
    assert sorted(replied) == sorted(assured)
    assert (flows.n_taken, flows.n_assured) == (len(held), len(assured))


def test_key_is_found_only_after_it_was_added_and_until_it_is_removed():
    flows = Flows(4)
    assert flows.find(key_of(7)) is None
    idx = flows.add(key_of(7))
    assert flows.find(key_of(7)) == idx
    assert flows.find(key_of(8)) is None
    assert flows.remove(idx)
    assert flows.find(key_of(7)) is None
    check_whole(flows, {})


def test_every_byte_of_a_key_counts():
    """Also when the hash is the same: the keys themselves are compared."""
    flows = Flows(100)
    for byte in range(40):
        assert flows.add(key_of(1 << 8 * byte), hash=0x1234_0000_0000_0000) == byte
    for byte in range(40):
        assert flows.find(key_of(1 << 8 * byte), hash=0x1234_0000_0000_0000) == byte
        assert flows.find(key_of(3 << 8 * byte), hash=0x1234_0000_0000_0000) is None


def test_every_byte_of_a_key_changes_its_hash_and_so_does_the_seed():
    flows, other = Flows(1, seed=1), Flows(1, seed=2)
    base = bytes(range(40))
    keys = [base] + [base[:i] + bytes([base[i] ^ 1]) + base[i + 1 :] for i in range(40)]
    assert len({flows.hash(key) for key in keys} | {other.hash(key) for key in keys}) == 2 * 41


def test_hash_spreads_clients_of_one_network_evenly():
    """Each half is used on its own: the low one names the bucket, the top 16 bits are the tag."""
    flows = Flows(1, seed=5)
    hashes = [flows.hash(key_of(i << 96 | 0xFFFF << 80)) for i in range(64_000)]
    for part in (lambda h: (h & 0xFFFFFFFF) >> 28, lambda h: h >> 60, lambda h: h >> 48 & 15):
        counts = [0] * 16
        for hash in hashes:
            counts[part(hash)] += 1
        assert max(counts) < 4400 and min(counts) > 3600


@pytest.mark.parametrize("cap", [1, 2, 4, 5, 9, 10, 11, 1000])
def test_full_table_refuses_and_recovers(cap):
    flows = Flows(cap)
    held = {flows.add(key_of(i)): flows.hash(key_of(i)) for i in range(cap)}
    assert held.keys() == set(range(cap))
    assert flows.add(key_of(cap)) is None
    assert [flows.find(key_of(i)) for i in range(cap)] == list(held)
    check_whole(flows, held)
    assert flows.remove(cap // 2)
    assert flows.add(key_of(cap)) == cap // 2
    assert flows.find(key_of(cap)) == cap // 2
    assert flows.find(key_of(cap // 2)) is None


def test_removing_twice_or_unknown_is_refused():
    flows = Flows(4)
    flows.add(key_of(1))
    assert flows.remove(0)
    assert not flows.remove(0)
    assert not flows.remove(3)
    assert not flows.remove(0x7FFFFFFF)
    check_whole(flows, {})


@pytest.mark.parametrize("tag", [0, 1, 2, 0x8000, 0xFFFF])
@pytest.mark.parametrize("bucket", [0, 11, 18, 19])
def test_keys_of_one_bucket_spill_into_the_next_ones_and_back(bucket, tag):
    """Behind the last bucket comes the first. Tag 0 stands for an empty slot: a hash that has it is given another."""
    cap = 95
    flows = Flows(cap)
    assert flows.n_buckets == 20
    hash = hash_into(bucket, tag, flows)
    held = {flows.add(key_of(i), hash=hash): hash for i in range(cap)}
    check_whole(flows, held)
    assert flows.passed()[bucket] == cap - PER_BUCKET
    assert [flows.find(key_of(i), hash) for i in range(cap)] == list(range(cap))
    assert flows.find(key_of(cap), hash) is None
    for idx in range(0, cap, 2):
        flows.remove(idx)
        del held[idx]
        check_whole(flows, held)
    assert [flows.find(key_of(i), hash) for i in range(cap)] == [i if i % 2 else None for i in range(cap)]
    for idx in range(1, cap, 2):
        flows.remove(idx)
    check_whole(flows, {})


def test_key_that_is_absent_ends_the_search_when_every_bucket_is_passed():
    """Buckets that keys of the last one have passed by all the way round: the search has to stop by itself."""
    flows = Flows(19)
    hashes = [hash_into(bucket, 9, flows) for bucket in range(flows.n_buckets)]
    numbers = itertools.count()
    for hash in hashes:
        for _ in range(PER_BUCKET + 1):
            if flows.n_taken < 19:
                flows.add(key_of(next(numbers)), hash=hash)
    while flows.n_taken < 19:
        flows.add(key_of(next(numbers)), hash=hashes[-1])
    assert flows.find(key_of(1000), hashes[0]) is None
    assert flows.find(key_of(1000), hashes[-1]) is None


def test_slot_left_empty_does_not_answer_for_the_key_it_had():
    """A parked entry keeps its key's bytes: neither the tag of an empty slot nor one next to it may lead there."""
    for tag in (0, 1, 2, 3):
        flows = Flows(20)
        hash = hash_into(0, tag, flows)
        first = flows.add(key_of(1), hash=hash)
        flows.add(key_of(2), hash=hash ^ (1 << 48))
        flows.park(first)
        assert flows.find(key_of(1), hash) is None
        assert flows.find(key_of(1), hash ^ (1 << 48)) is None


def test_batch_finds_what_single_look_ups_find(seed):
    rng = random.Random(seed)
    flows = Flows(2000, side_bytes=24, seed=seed)
    for i in range(2000):
        flows.add(key_of(i))
    for idx in rng.sample(range(2000), 700):
        (flows.remove if rng.random() < 0.5 else flows.park)(idx)
    for n in (0, 1, 2, 63, 64, 65, 4000):
        keys = [key_of(rng.randrange(4000)) for _ in range(n)]
        assert flows.find_many(keys) == [flows.find(key) for key in keys]


def test_batch_finds_keys_that_share_their_tag_or_stand_further_on():
    """Keys whose real hash is that of another one's slot: the first guess is wrong, the answer is not."""
    flows = Flows(40)
    keys = [key_of(i) for i in range(30)]
    for key in keys[:15]:
        for other in keys[15:]:
            if flows.find(other) is None and flows.n_taken < 39:
                flows.add(other + b"", hash=flows.hash(key))  # in the way of key, found by nobody
                break
        flows.add(key)
    assert flows.find_many(keys[:15]) == [flows.find(key) for key in keys[:15]]
    assert None not in flows.find_many(keys[:15])


def test_parked_entry_makes_room_for_its_key_but_not_for_another_entry():
    flows = Flows(2)
    first = flows.add(key_of(1))
    flows.park(first)
    flows.park(first)
    assert flows.find(key_of(1)) is None and flows.is_taken(first)
    second = flows.add(key_of(1))
    assert second != first and flows.find(key_of(1)) == second
    assert flows.add(key_of(2)) is None
    flows.unpark(first, key_of(2))
    assert (flows.find(key_of(1)), flows.find(key_of(2))) == (second, first)


def test_unparked_entry_is_unreplied_again():
    flows = Flows(2)
    idx = flows.add(key_of(1), 5)
    flows.assure(idx)
    flows.park(idx)
    assert (flows.n_assured, flows.oldest(1)) == (1, None)
    flows.unpark(idx, key_of(2), 9)
    assert (flows.n_assured, flows.oldest(1)) == (0, idx)
    check_whole(flows, {idx: flows.hash(key_of(2))})


def test_random_use_keeps_the_books(seed):
    """Few buckets and hashes, so that most keys stand far from home; some keys come back."""
    rng = random.Random(seed)
    flows = Flows(60, seed=seed)
    hashes = [hash_into(rng.randrange(flows.n_buckets), rng.randrange(3), flows) for _ in range(4)]
    by_key: dict[int, int] = {}
    held: dict[int, int | None] = {}
    assured: set[int] = set()
    for turn in range(6000):
        number = rng.randrange(120)
        hash = hashes[number % 4]
        found = flows.find(key_of(number), hash)
        assert found == by_key.get(number)
        action = rng.choice(("add", "add", "assure", "park", "unpark", "remove"))
        idx = rng.choice(list(held)) if held else None
        if action == "add" and found is None:
            new = flows.add(key_of(number), turn >> 6, hash)
            assert (new is None) == (len(held) == 60) and new not in held
            if new is not None:
                by_key[number], held[new] = new, hash
        elif action == "assure" and idx is not None:
            flows.assure(idx)
            assured.add(idx)
        elif action in ("park", "remove") and idx is not None:
            (flows.park if action == "park" else flows.remove)(idx)
            by_key = {n: i for n, i in by_key.items() if i != idx}
            held[idx] = None
            if action == "remove":
                del held[idx]
                assured.discard(idx)
        elif action == "unpark" and idx is not None and found is None:
            flows.unpark(idx, key_of(number), turn >> 6, hash)
            by_key = {n: i for n, i in by_key.items() if i != idx} | {number: idx}
            held[idx] = hash
            assured.discard(idx)
        if turn % 16 == 0:
            check_whole(flows, held, assured)
    for idx in list(held):
        assert flows.remove(idx)
    check_whole(flows, {})


def test_entry_takes_at_most_96_bytes_and_only_once_it_is_used():
    assert flows_bytes(1_000_000) / 1_000_000 <= 96
    with open("/proc/self/statm") as file:
        before = int(file.read().split()[1])
    flows = Flows(4_000_000)
    for i in range(100):
        flows.add(key_of(i))
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1]) - before
    assert flows.n_bytes > 300_000_000
    assert pages < 2048, "an idle table costs nothing"
