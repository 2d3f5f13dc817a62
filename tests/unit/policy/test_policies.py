"""What each policy promises of its own: shares, disruption, bounds, slow start."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nginy._fast.testpolicy import Chooser

from nginy._fast import door
from nginy._fast.choices import Visit

from .rows import RINGS, TABLES, backend, block, key, over, pool, table_of

KEYED = ["source_hash", "rendezvous", "ring", "maglev", "jump", "jump_load", "bounded_ring", "bounded_maglev"]
CONSISTENT = ["rendezvous", "ring", "hash_preserve"]
KEYS = [i.to_bytes(8, "big") for i in range(4000)]


def chosen(chooser, keys=KEYS, **how):
    return [chooser.choose(0, key=key, **how) for key in keys]


# ---- shares ----


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.sampled_from(["random", *KEYED]), st.integers(0, 2**32))
def test_shares_follow_weights(weights, policy, seed):
    chooser = over([backend(i, weight=w) for i, w in enumerate(weights)], policy, seed=seed)
    counts = Counter(chosen(chooser))
    # a ring of 160 points for each unit is uneven by some 8 %, everything else by chance alone
    slack = 0.35 if policy in RINGS else 0.0
    for i, weight in enumerate(weights):
        expected = len(KEYS) * weight / sum(weights)
        assert abs(counts[i] - expected) <= slack * expected + 5 * math.sqrt(expected) + 5, (policy, weights, counts)


@pytest.mark.parametrize("policy", ["least_conn", "bounded_ring", "bounded_maglev"])
def test_sessions_held_follow_weights(policy):
    weights = [1, 2, 5]
    chooser = over([backend(i, weight=w) for i, w in enumerate(weights)], policy)
    held = Counter()
    for n in range(800):
        got = chooser.choose(0, key=KEYS[n])
        held[got] += 1
        chooser.set_in_flight(got, held[got])
    for i, weight in enumerate(weights):
        slack = 1.01 if policy == "least_conn" else 1.26
        assert held[i] <= math.ceil(slack * 800 * weight / 8) + 1


def test_round_robin_with_weights_begins_at_the_workers_phase():
    rows = [backend(0, weight=5), backend(1), backend(2)]
    cycle = "aabacaa"
    for phase in range(7):
        chooser = over(rows, "round_robin", phase=phase)
        assert "".join("abc"[chooser.choose(0)] for _ in range(7)) == cycle[phase:] + cycle[:phase]


def test_round_robin_follows_other_weights_at_once_whatever_the_ones_before_left_owing():
    chooser = over([backend(0, weight=9000), backend(1, weight=6000)], "round_robin")
    chooser.choose(0)
    chooser.use(block([backend(0, weight=2), backend(1)], gen=2))
    counts = Counter(chooser.choose(0) for _ in range(30))
    assert abs(counts[1] - 10) <= 3, counts


def test_first_packs_up_to_max_conns():
    rows = [backend(0, max_conns=2), backend(1, max_conns=1), backend(2)]
    chooser = over(rows, "first")
    held = Counter()
    names = ""
    for _ in range(5):
        got = chooser.choose(0)
        held[got] += 1
        chooser.set_in_flight(got, held[got])
        names += "abc"[got]
    assert names == "aabcc"
    chooser.set_in_flight(0, 1)
    assert chooser.choose(0) == 0


# ---- disruption ----


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.sampled_from(CONSISTENT), st.data())
def test_backend_that_goes_moves_its_own_keys_alone(n, policy, data):
    gone = data.draw(st.integers(0, n - 1))
    weights = data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    before = chosen(over([backend(i, weight=w) for i, w in enumerate(weights)], policy), KEYS[:1000])
    rest = [backend(i, weight=w) for i, w in enumerate(weights) if i != gone]
    after = chosen(over(rest, policy), KEYS[:1000])
    down = [backend(i, weight=w, verdict="down" if i == gone else "up") for i, w in enumerate(weights)]
    for was, now, skipped in zip(before, after, chosen(over(down, policy), KEYS[:1000]), strict=True):
        assert now == (was if was != gone else now)
        assert now == skipped  # whether it is removed or down: its keys go to the same places


@pytest.mark.parametrize("policy", ["maglev", "bounded_maglev"])
def test_maglev_moves_few_other_keys(policy):
    rows = [backend(i) for i in range(20)]
    before, after = chosen(over(rows, policy)), chosen(over(rows[:7] + rows[8:], policy))
    moved = sum(was not in (now, 7) for was, now in zip(before, after, strict=True))
    assert moved < 0.04 * len(KEYS)


def test_jump_moves_keys_only_to_a_backend_that_is_added_at_the_end():
    rows = [backend(i, weight=2) for i in range(6)]
    before, after = chosen(over(rows[:5], "jump")), chosen(over(rows, "jump"))
    moved = [now for was, now in zip(before, after, strict=True) if now != was]
    assert set(moved) == {5}
    assert 0.12 < len(moved) / len(KEYS) < 0.22


@pytest.mark.parametrize("policy", KEYED)
def test_keys_of_a_backend_that_is_down_spread_over_all_others(policy):
    rows = [backend(i) for i in range(5)]
    before = chosen(over(rows, policy))
    rows[2] = backend(2, verdict="down")
    after = Counter(now for was, now in zip(before, chosen(over(rows, policy)), strict=True) if was == 2)
    assert set(after) == {0, 1, 3, 4}
    assert max(after.values()) < 0.6 * sum(after.values())


@pytest.mark.parametrize("policy", KEYED)
def test_every_worker_makes_the_same_choice(policy):
    rows = [backend(i, weight=1 + i % 3) for i in range(9)]
    one, other = over(rows, policy, seed=3), over(rows[::-1], policy, seed=99, phase=7)
    if not policy.startswith("jump") and policy != "source_hash":  # those go by configured order
        assert chosen(one) == chosen(other)
    assert chosen(one) == chosen(over(rows, policy, seed=99, phase=7))


# ---- tables ----


@pytest.mark.parametrize("policy", TABLES)
def test_pool_without_its_table_goes_by_highest_random_weight(policy):
    rows = [backend(i) for i in range(6)]
    assert chosen(Chooser(block(rows, policy))) == chosen(over(rows, "rendezvous"))


def test_table_of_a_generation_ago_passes_over_those_who_are_gone():
    rows = [backend(i) for i in range(4)]
    chooser = over(rows, "ring")
    chooser.use(block([*rows[:2], backend(9, pool=1)], pools=[pool(0, "ring"), pool(1)], gen=2))
    assert set(chosen(chooser)) == {0, 1}


def test_table_goes_with_its_pool():
    rows = [backend(i) for i in range(4)]
    chooser = over(rows, "maglev")
    assert chooser.has_table(0)
    chooser.use(block(rows, "maglev", gen=2))
    assert chooser.has_table(0)
    chooser.use(block(rows, "random", gen=3))
    assert not chooser.has_table(0)


def test_each_tier_has_a_table_of_its_own():
    rows = [backend(0), backend(1), backend(2, tier=1), backend(3, tier=1), backend(4, tier=1)]
    spare = chosen(over([backend(i) for i in (2, 3, 4)], "ring"))
    down = [backend(0, verdict="down"), backend(1, verdict="down"), *rows[2:]]
    assert set(chosen(over(rows, "ring"))) == {0, 1}
    assert chosen(over(down, "ring")) == spare


def test_broken_table_is_refused():
    packed = bytearray(table_of([backend(i) for i in range(3)], "ring"))
    chooser = over([backend(i) for i in range(3)], "ring")
    rng = random.Random(7)
    for at in [*range(64), *(rng.randrange(len(packed)) for _ in range(200))]:
        broken = bytearray(packed)
        broken[at] ^= 1 << at % 8
        with pytest.raises(ValueError, match="not sound"):
            chooser.adopt(bytes(broken))
    for n in (0, 10, len(packed) - 1):
        with pytest.raises(ValueError, match="not sound"):
            chooser.adopt(bytes(packed[:n]))


@pytest.mark.parametrize(
    "asked",
    [
        dict(kind="ring", names=["a"], weights=[0]),
        dict(kind="ring", names=[], weights=[]),
        dict(kind="ring", names=["a"], weights=[65536]),
        dict(kind="ring", names=["a"] * 3, weights=[65535] * 3),
        dict(kind="maglev", names=["a"], weights=[1], size=65536),
        dict(kind="maglev", names=["a"], weights=[1], size=15),
        dict(kind="nothing", names=["a"], weights=[1]),
        dict(kind="ring", names=[str(i) for i in range(65536)], weights=[1] * 65536),
    ],
    ids=str,
)
def test_shape_that_cannot_be_is_refused(asked):
    with pytest.raises(ValueError):
        door.build_shape(**asked)


def test_block_that_does_not_fit_its_nodes_is_refused():
    shape = door.build_shape("ring", ["a", "b"], [1, 1])
    for ids in ([1], [1, 65536], [1, -1]):
        with pytest.raises(ValueError, match="ids"):
            door.pack_table(0, [(0, shape, ids)])
    with pytest.raises(ValueError, match="pool"):
        door.pack_table(1024, [])
    with pytest.raises(ValueError, match="257 tiers"):
        door.pack_table(0, [(0, shape, [1, 2])] * 257)


# ---- bounded load, saturation, reported load ----


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["bounded_ring", "bounded_maglev"]),
    st.lists(st.integers(1, 5), min_size=2, max_size=8),
    st.sampled_from([1.05, 1.25, 2.0]),
    st.integers(0, 2**32),
)
def test_nobody_has_more_than_its_share_times_the_factor(policy, weights, factor, seed):
    rng = random.Random(seed)
    chooser = over([backend(i, weight=w) for i, w in enumerate(weights)], policy, factor=round(factor * 1000))
    held = Counter()
    for total in range(300):
        got = chooser.choose(0, key=KEYS[rng.randrange(3)])  # a few hot keys
        held[got] += 1
        chooser.set_in_flight(got, held[got])
        assert held[got] <= math.ceil(factor * (total + 1) * weights[got] / sum(weights) + 1e-6)


def test_preserve_goes_on_while_the_first_is_saturated_and_comes_back():
    chooser = over([backend(i, weight=2) for i in range(4)], "hash_preserve", saturated=5)
    home = chooser.choose(0, key=b"me")
    chooser.set_in_flight(home, 9)
    assert chooser.choose(0, key=b"me") == home
    chooser.set_in_flight(home, 10)  # five for each unit of weight
    away = chooser.choose(0, key=b"me")
    assert away != home
    assert away == chooser.choose(0, key=b"me", tried=[home])  # the next one on the ring
    for i in range(4):
        chooser.set_in_flight(i, 10)
    assert chooser.choose(0, key=b"me") == home
    chooser.set_in_flight(home, 9)
    assert chooser.choose(0, key=b"me") == home


def test_jump_load_leaves_most_of_a_loaded_backends_keys_to_the_next_in_order():
    chooser = over([backend(i) for i in range(4)], "jump_load")
    before = chosen(chooser)
    chooser.set_load(1, 500)
    assert chosen(chooser) == before
    chooser.set_load(1, 2000)
    after = chosen(chooser)
    kept = sum(now == 1 for was, now in zip(before, after, strict=True) if was == 1) / before.count(1)
    assert 0.05 < kept < 0.15
    assert {now for was, now in zip(before, after, strict=True) if now != was} == {2}
    for i in range(4):
        chooser.set_load(i, 60_000)
    assert all(got >= 0 for got in chosen(chooser))


def test_jump_load_accepts_fewer_the_higher_the_load():
    chooser = over([backend(0), backend(1)], "jump_load")
    before = chosen(chooser)
    shares = []
    for ms in (600, 1000, 1400, 1900):
        chooser.set_load(0, ms)
        after = chosen(chooser)
        shares.append(sum(now == 0 for was, now in zip(before, after, strict=True) if was == 0))
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.85 * before.count(0)


# ---- least_time ----


def test_least_time_asks_everybody_once_and_then_the_quickest():
    chooser = over([backend(i) for i in range(3)], "least_time")
    asked = []
    for _ in range(3):
        got = chooser.choose(0)
        asked.append(got)
        chooser.set_in_flight(got, 1)
    assert sorted(asked) == [0, 1, 2]
    for i, us in enumerate((5000, 1000, 9000)):
        chooser.note_spent(i, us, 1)
        chooser.set_in_flight(i, 0)
    assert {chooser.choose(0) for _ in range(20)} == {1}
    chooser.set_in_flight(1, 4)
    assert chooser.choose(0) == 0  # five times 1 ms is as long as 5 ms once, and it is no longer the first
    chooser.set_in_flight(1, 6)
    assert {chooser.choose(0) for _ in range(20)} == {0}


def test_least_time_takes_a_peak_at_once_and_forgets_it_slowly():
    chooser = over([backend(0), backend(1)], "least_time")
    for i in range(2):
        chooser.note_spent(i, 1000, 1)
    chooser.note_spent(0, 50_000, 2)
    assert {chooser.choose(0, now_ms=3) for _ in range(20)} == {1}
    for ms in range(10, 20_000, 100):
        chooser.note_spent(1, 1000, ms)
    assert chooser.choose(0, now_ms=20_000) == 1
    for ms in range(20_000, 100_000, 100):  # the other one was not asked for long: it counts less and less
        chooser.note_spent(1, 1000, ms)
    assert chooser.choose(0, now_ms=100_000) == 0


def test_least_time_honours_weights():
    chooser = over([backend(0, weight=4), backend(1)], "least_time")
    chooser.note_spent(0, 3000, 1)
    chooser.note_spent(1, 1000, 1)
    assert {chooser.choose(0) for _ in range(20)} == {0}


# ---- slow start ----

SLOW = dict(slow_ms=10_000, slow_least=100)
STEADY = ["round_robin", "random", "random2", "least_conn", "source_hash", "rendezvous", "ring", "maglev", "jump"]


@pytest.mark.parametrize("policy", STEADY)
@pytest.mark.parametrize(("elapsed", "share"), [(0, 0.1), (5000, 0.55), (10_000, 1.0)])
def test_slow_start_gives_a_part_of_the_share_that_grows(policy, elapsed, share):
    rows = [backend(i, since_ms=100_000 if i == 1 else 0) for i in range(4)]
    chooser = over(rows, policy, **SLOW)
    counts = Counter(chosen(chooser, now_ms=100_000 + elapsed))
    plain = Counter(chosen(over([backend(i) for i in range(4)], policy)))
    # taking turns, whoever is passed over waits for the next round; drawing twice, the share is a little more
    assert abs(counts[1] / plain[1] - share) < 0.12, (counts, plain)


@pytest.mark.parametrize("policy", ["rendezvous", "ring", "maglev", "source_hash"])
def test_slow_start_takes_keys_over_one_by_one_and_keeps_them(policy):
    rows = [backend(i, since_ms=100_000 if i == 1 else 0) for i in range(4)]
    chooser = over(rows, policy, **SLOW)
    came_over = set()
    for elapsed in range(0, 10_001, 1000):
        now = {key for key in KEYS if chooser.choose(0, key=key, now_ms=100_000 + elapsed) == 1}
        assert came_over <= now
        came_over = now
    plain = over([backend(i) for i in range(4)], policy)
    assert came_over == {key for key in KEYS if plain.choose(0, key=key) == 1}


@pytest.mark.parametrize("policy", sorted(door.POLICIES))
def test_slow_start_refuses_nobody_and_does_not_wake_the_next_tier(policy):
    rows = [backend(0, since_ms=100_000), backend(1, since_ms=100_000), backend(2, tier=1)]
    chooser = over(rows, policy, **SLOW)
    assert set(chosen(chooser, KEYS[:300], now_ms=100_000)) <= {0, 1}


# ---- keys of other programs ----


def test_ring_of_nginx_takes_the_key_as_text():
    """CRC-32 of the text, on the points of nginx: tests/conform has those of a real one."""
    from nginy.balancer import Ring

    rows = [backend(i, address=(f"10.0.0.{i}", 80)) for i in range(5)]
    chooser = Chooser(block(rows, pools=[pool(policy="ring", key=key("source", ring=door.RINGS["nginx"]))]))
    chooser.adopt(table_of(rows, "ring", ring="nginx"))
    ring = Ring({f"10.0.0.{i}:80": 1 for i in range(5)}, compat="nginx")
    for i in range(300):
        visit = Visit(ip=bytes([192, 0, 2, i % 256]), port=i)
        assert f"10.0.0.{chooser.choose(0, visit=visit)}:80" == ring[f"192.0.2.{i % 256}"]


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (bytes(16), "::"),
        (bytes(15) + b"\1", "::1"),
        (bytes.fromhex("20010db8000000000000000000000001"), "2001:db8::1"),
        (bytes.fromhex("20010db8000000010000000000000001"), "2001:db8:0:1::1"),
        (bytes.fromhex("20010db8000100010001000100010001"), "2001:db8:1:1:1:1:1:1"),
        (bytes.fromhex("20010db8000100000001000100010001"), "2001:db8:1:0:1:1:1:1"),
        (bytes.fromhex("20010000000000010000000000000001"), "2001:0:0:1::1"),
        (bytes.fromhex("fe800000000000000000000000000000"), "fe80::"),
        (bytes(10) + b"\xff\xff\xc0\0\2\1", "::ffff:192.0.2.1"),
        (b"\xc0\0\2\xff", "192.0.2.255"),
    ],
)
def test_address_is_written_as_nginx_writes_it(packed, text):
    visit = Visit(ip=packed, port=8080)
    for kind, expected in (("source", text), ("tuple", f"{text}:8080")):
        chooser = Chooser(block([backend(0)], pools=[pool(policy="ring", key=key(kind, ring=door.RINGS["nginx"]))]))
        assert chooser.key_of(0, visit)[0].decode() == expected


# ---- maps ----

ADDRESS = bytes([192, 0, 2, 7]) + bytes(12) + b"\4"


def map_of(keys, rows, pool=0):
    """key hash to backend id, as control builds it."""
    parts = []
    for tier in sorted({row.tier for row in rows}):
        ids = [row.id for row in rows if row.tier == tier]
        found = {key: ids.index(id) for key, id in keys.items() if id in ids}
        if found:
            parts.append((tier, door.build_map(list(found), list(found.values()), len(ids)), ids))
    return door.pack_table(pool, parts)


@pytest.mark.parametrize("policy", ["round_robin", "ring", "maglev", "random"])
def test_key_in_the_map_goes_where_it_says_and_all_others_by_the_policy(policy):
    rows = [backend(i) for i in range(5)]
    chooser = Chooser(block(rows, pools=[pool(policy=policy, has_map=True)]))
    chooser.adopt(map_of({door.key_hash(ADDRESS): 3, 1: 0, 2**64 - 1: 1}, rows))
    known, other = Visit(ip=ADDRESS[:4], port=1), Visit(ip=bytes([192, 0, 2, 8]), port=1)
    assert {chooser.choose(0, visit=known) for _ in range(20)} == {3}
    plain = Chooser(block(rows, pools=[pool(policy=policy)]))
    assert [chooser.choose(0, visit=other) for _ in range(20)] == [plain.choose(0, visit=other) for _ in range(20)]


def test_mapped_backend_that_cannot_be_taken_is_passed_over():
    rows = [backend(0, verdict="down"), backend(1), backend(2, max_conns=1), backend(3, tier=1)]
    chooser = Chooser(block(rows, pools=[pool(has_map=True)]))
    chooser.set_in_flight(2, 1)
    for gone in (0, 2, 3):
        chooser.adopt(map_of({door.key_hash(ADDRESS): gone}, rows))
        assert chooser.choose(0, visit=Visit(ip=ADDRESS[:4])) == 1


def test_hash_of_a_key_is_what_a_visit_comes_to():
    for conf, visit, text in (
        (key("source"), Visit(ip=ADDRESS[:4]), ADDRESS),
        (key("sni"), Visit(name=b"a.example"), b"a.example"),
        (key("bytes", offset=1, n_bytes=3), Visit(received=b"xabcy"), b"abc"),
    ):
        chooser = Chooser(block([backend(0)], pools=[pool(key=conf)]))
        assert chooser.key_of(0, visit) == (text, door.key_hash(text))


@pytest.mark.parametrize(("hashes", "nodes"), [([1, 1], [0, 0]), ([1], [1]), ([], []), ([1], [0, 0])])
def test_map_that_cannot_be_is_refused(hashes, nodes):
    with pytest.raises(ValueError):
        door.build_map(hashes, nodes, 1)
