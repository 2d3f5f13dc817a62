"""Rings and Maglev tables that a program has made: looked up as they are, nobody's places passed over."""

from array import array

import pytest
from nginy._fast.testpolicy import Chooser

from nginy._fast import door
from nginy._fast.choices import Visit

from .rows import backend, block


def own(kind, entries, ids, tiers=(0,), n_nodes=None):
    """entries: (hash, node) of a ring, nodes of slots."""
    hashes, nodes = zip(*entries, strict=True) if kind == "ring" else ((), entries)
    shape = door.build_own(kind, array("I", hashes).tobytes(), array("I", nodes).tobytes(), n_nodes or len(ids))
    return door.pack_table(0, [(tier, shape, ids) for tier in tiers])


def test_a_ring_of_somebodys_own_says_where_keys_go():
    rows = [backend(i) for i in range(3)]
    chooser = Chooser(block(rows, policy="ring"))
    chooser.adopt(own("ring", [(2**30, 0), (2**31, 1), (3 * 2**30, 0)], [2, 1]))
    keys = [b"%d" % number for number in range(300)]
    expected = [1 if 2**30 < door.key_hash(key) >> 32 <= 2**31 else 2 for key in keys]
    assert [chooser.choose(0, visit=Visit(session=key)) for key in keys] == expected
    assert set(expected) == {1, 2}


def test_a_maglev_table_of_somebodys_own_says_where_keys_go():
    chooser = Chooser(block([backend(i) for i in range(3)], policy="maglev"))
    chooser.adopt(own("maglev", [0, 1, 1, 0], [2, 0]))
    keys = [b"%d" % number for number in range(300)]
    expected = [[2, 0, 0, 2][(door.key_hash(key) >> 32) * 4 >> 32] for key in keys]
    assert [chooser.choose(0, visit=Visit(session=key)) for key in keys] == expected


@pytest.mark.parametrize("kind", ["ring", "maglev"])
def test_nobody_and_ids_that_are_not_there_are_passed_over(kind):
    entries = [(n * 2**28, n % 3) for n in range(16)] if kind == "ring" else [n % 3 for n in range(16)]
    chooser = Chooser(block([backend(0), backend(1, verdict="down")], policy=kind))
    chooser.adopt(own(kind, entries, [door.NOBODY, 0, 60000]))
    assert {chooser.choose(0, key=b"%d" % number) for number in range(100)} == {0}


def test_tiers_share_one_table():
    rows = [backend(0), backend(1), backend(2, tier=3)]
    entries = [(n * 2**28, n % 3) for n in range(16)]
    block_of_tiers = own("ring", entries, [0, 1, 2], tiers=(0, 3))
    assert len(block_of_tiers) < len(own("ring", entries, [0, 1, 2])) + 64
    chooser = Chooser(block(rows, policy="ring"))
    chooser.adopt(block_of_tiers)
    assert {chooser.choose(0, key=b"%d" % number) for number in range(100)} == {0, 1}
    chooser.use(block([backend(0, verdict="down"), backend(1, verdict="down"), rows[2]], policy="ring", gen=2))
    assert chooser.choose(0, key=b"1") == 2


@pytest.mark.parametrize(
    ("kind", "hashes", "nodes", "n_nodes"),
    [
        ("ring", [1, 1], [0, 0], 1), ("ring", [2, 1], [0, 0], 1), ("ring", [1, 2], [0, 1], 1), ("ring", [1], [0, 0], 1),
        ("ring", [], [], 1), ("maglev", [], [], 1), ("maglev", [1], [0], 1), ("maglev", [], [1], 1),
        ("map", [], [0], 1), ("maglev", [], [0], 0), ("maglev", [], [0], 65536), ("maglev", [], [0] * 4194305, 1),
    ],
)  # fmt: skip
def test_own_table_that_cannot_be_is_refused(kind, hashes, nodes, n_nodes):
    with pytest.raises(ValueError):
        door.build_own(kind, array("I", hashes).tobytes(), array("I", nodes).tobytes(), n_nodes)
    with pytest.raises(ValueError):
        door.build_own(kind, array("I", hashes).tobytes() + b"x", array("I", nodes).tobytes() + b"x", n_nodes)
