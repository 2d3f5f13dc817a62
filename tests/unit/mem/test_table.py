"""FlowTable, the flow table for Python programs: keys as tuples, times in seconds, evictions told."""

import ipaddress
import random

import pytest

import nginy
from nginy.flows import KEY_BYTES, MAX_FLOWS, FlowTable, pack

LOCAL = ("198.51.100.1", 53)
TICK_S = 0.064


def key_of(number: int, port: int = 1000) -> nginy.flows.FlowKey:
    return (str(ipaddress.ip_address(0x0A000000 + number)), port, *LOCAL)


def filled(n: int, size: int = 0) -> FlowTable:
    table = FlowTable(size or n)
    for i in range(n):
        assert table.add(key_of(i), i, i * 0.1) is None
    return table


def test_flow_table_is_a_public_name():
    assert nginy.FlowTable is FlowTable


def test_number_is_found_under_its_key_only():
    table = FlowTable(10)
    table.add(("192.0.2.1", 5000, "198.51.100.1", 53), 7, 0)
    assert table.get(("192.0.2.1", 5000, "198.51.100.1", 53)) == 7
    for other in (
        ("192.0.2.2", 5000, "198.51.100.1", 53), ("192.0.2.1", 5001, "198.51.100.1", 53),
        ("192.0.2.1", 5000, "198.51.100.2", 53), ("192.0.2.1", 5000, "198.51.100.1", 54),
        ("198.51.100.1", 53, "192.0.2.1", 5000), ("::", 5000, "198.51.100.1", 53),
    ):  # fmt: skip
        assert table.get(other) is None and other not in table
    assert len(table) == 1


def test_ipv6_keys_and_evicted_keys_read_as_they_were_written():
    table = FlowTable(3)
    keys = [("2001:db8::1", 1, "::1", 65535), ("::", 0, "fe80::2", 0), ("10.1.2.3", 9, "0.0.0.0", 1)]
    for number, key in enumerate(keys):
        table.add(key, number - 1, 0)
    assert sorted(table.expire(100, 1)) == sorted((key, number - 1) for number, key in enumerate(keys))
    assert len(table) == 0


def test_mapped_address_is_the_ipv4_address():
    table = FlowTable(1)
    table.add(("::ffff:192.0.2.1", 1, *LOCAL), 5, 0)
    assert table.get(("192.0.2.1", 1, *LOCAL)) == 5


def test_full_table_evicts_the_oldest_unreplied_flow_and_says_so():
    table = filled(4)
    table.assure(key_of(0))
    assert table.add(key_of(10), 10, 5) == (key_of(1), 1)
    table.touch(key_of(2), 6)
    assert table.add(key_of(11), 11, 7) == (key_of(3), 3)
    assert [table.get(key_of(i)) for i in (0, 1, 2, 3, 10, 11)] == [0, None, 2, None, 10, 11]
    assert len(table) == table.size == 4


def test_table_of_answered_flows_refuses_and_keeps_them():
    table = filled(3)
    for i in range(3):
        assert table.assure(key_of(i))
    assert table.n_assured == 3
    with pytest.raises(OverflowError, match="all 3 flows have been answered"):
        table.add(key_of(9), 9, 1)
    assert [table.get(key_of(i)) for i in range(3)] == [0, 1, 2]
    table.remove(key_of(1))
    assert table.add(key_of(9), 9, 1) is None


def test_key_that_has_a_flow_is_refused():
    table = filled(2, size=5)
    with pytest.raises(ValueError, match="is there already"):
        table.add(key_of(1), 9, 1)
    assert table.get(key_of(1)) == 1 and len(table) == 2


def test_unknown_flow_is_told_and_changes_nothing():
    table = filled(1, size=5)
    assert not table.assure(key_of(3))
    assert not table.is_assured(key_of(3))
    assert not table.touch(key_of(3), 1)
    assert table.remove(key_of(3)) is None
    assert (len(table), table.n_assured) == (1, 0)
    assert table.remove(key_of(0)) == 0 and len(table) == 0


def test_flow_expires_after_its_silence_and_not_before():
    table = FlowTable(10)
    table.add(key_of(0), 0, 100.0)
    table.add(key_of(1), 1, 100.0)
    table.assure(key_of(1))
    table.touch(key_of(1), 102.5)
    assert table.expire(101.999, 2) == []
    assert table.expire(102 + 2 * TICK_S, 2) == [(key_of(0), 0)]
    assert table.expire(104.499, 2) == []
    assert table.expire(104.5 + 2 * TICK_S, 2) == [(key_of(1), 1)]


def test_expiry_looks_at_no_more_flows_than_it_was_told():
    table = filled(500)
    sizes = [len(table.expire(1000, 1, limit=150)) for _ in range(5)]
    assert sizes == [150, 150, 150, 50, 0]
    assert table.expire(1000, 1, limit=0) == []


def test_many_flows_are_found_at_once(seed):
    rng = random.Random(seed)
    table = filled(1000)
    keys = [key_of(rng.randrange(2000), rng.choice((1000, 1000, 1001))) for _ in range(777)]
    expected = [table.get(key) for key in keys]
    assert None in expected and any(number is not None for number in expected)
    assert table.get_many(keys) == expected
    packed = pack(keys)
    assert len(packed) == len(keys) * KEY_BYTES
    found = table.get_packed(packed, missing=-5)
    assert found.tolist() == [-5 if number is None else number for number in expected]
    shifted = memoryview(b"x" + packed)[1:]
    assert table.get_packed(shifted, missing=-5).tolist() == found.tolist()
    assert table.get_many([]) == [] and table.get_packed(b"").tolist() == []


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63)])
def test_any_64_bit_number_is_kept(number):
    table = FlowTable(1)
    table.add(key_of(0), number, 0)
    assert table.get(key_of(0)) == number


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (("10.0.0.300", 1, *LOCAL), ValueError, "client address '10.0.0.300' is no IP address; write it as '192.0"),
        (("10.0.0.1", 1, "localhost", 1), ValueError, "local address 'localhost' is no IP address"),
        (("10.0.0.1\0", 1, *LOCAL), ValueError, "client address"),
        (("", 1, *LOCAL), ValueError, "client address"),
        (("fe80::1%lo", 1, *LOCAL), ValueError, "client address"),
        (("10.0.0.1", 65536, *LOCAL), ValueError, r"client port 65536 is not in 0\.\.65535"),
        (("10.0.0.1", 1, "10.0.0.2", -1), ValueError, "local port -1"),
        (("10.0.0.1", 10**30, *LOCAL), ValueError, "client port"),
        (("10.0.0.1", "1", *LOCAL), TypeError, "client port '1' is no number"),
        ((b"\x0a\0\0\1", 1, *LOCAL), TypeError, "client address b'.*' is no text"),
        (("10.0.0.1", 1, "10.0.0.2"), TypeError, "write .client address, client port, local address, local port."),
        (["10.0.0.1", 1, *LOCAL], TypeError, "write .client address"),
        (None, TypeError, "flow key None"),
    ],
)  # fmt: skip
def test_bad_key_is_refused_with_a_reason(key, error, words):
    table = filled(2, size=4)
    for call in (
        table.get, table.assure, table.remove, table.__contains__, lambda k: table.get_many([key_of(0), k]),
        lambda k: table.add(k, 1, 1), lambda k: table.touch(k, 1), lambda k: pack([k]),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            call(key)
    assert len(table) == 2


@pytest.mark.parametrize("size", [0, -1, MAX_FLOWS + 1, 2**40])
def test_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=f"a table of {size} flows; 1 to {MAX_FLOWS}"):
        FlowTable(size)


def test_bad_numbers_and_times_are_refused():
    table = filled(1, size=4)
    for number in (2**63, -(2**63) - 1):
        with pytest.raises(ValueError, match="value .* does not fit 64 bits"):
            table.add(key_of(3), number, 1)
        with pytest.raises(ValueError, match="missing .* does not fit 64 bits"):
            table.get_packed(b"", missing=number)
    for time_s in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="now_s"):
            table.add(key_of(3), 1, time_s)
        with pytest.raises(ValueError, match="now_s"):
            table.touch(key_of(0), time_s)
        with pytest.raises(ValueError, match="now_s"):
            table.expire(time_s, 1)
        with pytest.raises(ValueError, match="idle_s"):
            table.expire(1, time_s)
    with pytest.raises(ValueError, match="limit -1"):
        table.expire(1, 1, limit=-1)
    with pytest.raises(TypeError, match="value 'x'"):
        table.add(key_of(3), "x", 1)
    with pytest.raises(ValueError, match="41 bytes are not a multiple of 40"):
        table.get_packed(bytes(41))
    assert len(table) == 1 and table.get(key_of(0)) == 0


def test_table_uses_another_hash_each_time_unless_told():
    """The same keys are evicted in the same order all the same: order is by time, not by hash."""
    for seed in (None, 1, 2**70, -1):
        table = FlowTable(2, seed=seed)
        table.add(key_of(1), 1, 1)
        table.add(key_of(2), 2, 2)
        assert table.add(key_of(3), 3, 3) == (key_of(1), 1)
        assert table.n_bytes >= 2 * 64
