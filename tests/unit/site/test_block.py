"""Blocks of sites: what is refused before it is believed."""

import random
import struct

import pytest
from nginy._fast.testpolicy import site_sum

from nginy._fast import sites
from nginy._fast.sites import Request, Site
from nginy.site.build import Rule, build
from nginy.site.parts import Action, Cond, Host, Node, Parts, Pattern, Rules

FREE = Host(b"", False, 0, 0, 0, True)
ROOT = Node(b"", 0, [], (0, 0), (0, 1), sites.NONE)
GOOD = Parts([FREE], [ROOT], [(0, 0, 0)], [], [], [Action(sites.ACTIONS["pool"], 0, pools=((0, 1),))])
DEEP = [ROOT._replace(children=[1]), Node(b"/a", 2, [], (0, 0), (0, 1), 0)]
AUTOMATON = Pattern(bytes(256), b"\0\1", struct.pack("4H", 0, 0, 1, 1)[:4], 1, (0, 1))


def test_good_ones_are_read() -> None:
    assert Site(sites.pack(GOOD)).find(Request()) == (0, 0)
    assert Site(sites.pack(GOOD._replace(nodes=DEEP))).find(Request(path=b"/a/b")) == (0, 2)
    Site(sites.pack(GOOD._replace(patterns=[AUTOMATON])))


@pytest.mark.parametrize(
    "change",
    [
        {"hosts": [FREE._replace(root=1)]},
        {"hosts": [FREE._replace(first_pattern=0, n_patterns=1)]},
        {"hosts": [FREE._replace(first_pattern=2**32 - 1, n_patterns=1)]},
        {"hosts": [FREE._replace(first_pattern=0, n_patterns=65)], "patterns": [AUTOMATON] * 65},
        {"nodes": [ROOT._replace(below=(0, 2))]},
        {"nodes": [ROOT._replace(below=(2**32 - 1, 2))]},
        {"nodes": [ROOT._replace(exact=(0, 257))], "picks": [(0, 0, 0)] * 300},
        {"nodes": [ROOT._replace(above=0)]},
        {"nodes": [ROOT._replace(n_path=1)]},
        {"nodes": [ROOT._replace(above=7)]},
        {"nodes": [DEEP[0], DEEP[1]._replace(above=1)]},
        {"nodes": [DEEP[0], DEEP[1]._replace(n_path=3)]},
        {"nodes": [DEEP[0], DEEP[1]._replace(n_path=1)]},
        {"nodes": [DEEP[0], DEEP[1]._replace(children=[0])]},
        {"picks": [(1, 0, 0)]},
        {"picks": [(0, 0, 1)]},
        {"picks": [(0, 0, 17)], "conds": [Cond(1, b"")] * 17},
        {"conds": [Cond(0, b"")]},
        {"conds": [Cond(4, b"")]},
        {"patterns": [AUTOMATON._replace(moves=struct.pack("2H", 0, 2))]},
        {"patterns": [AUTOMATON._replace(moves=struct.pack("H", 0))]},
        {"patterns": [AUTOMATON._replace(classes=bytes(255) + b"\1")]},
        {"patterns": [AUTOMATON._replace(n_classes=0)]},
        {"patterns": [AUTOMATON._replace(n_classes=257)]},
        {"patterns": [AUTOMATON._replace(ends=b"\0", moves=struct.pack("H", 0))]},
        {"patterns": [AUTOMATON._replace(place=(1, 1))]},
        {"routes": [Action(0, 0)]},
        {"routes": [Action(4, 0)]},
        {"routes": [Action(1, 0, pools=((0, 1), (1, 0)))]},
    ],
    ids=repr,
)
def test_a_block_that_points_outside_or_in_a_circle_is_not_believed(change: dict) -> None:
    block = sites.pack(GOOD._replace(**change))
    with pytest.raises(ValueError, match="points outside itself"):
        Site(block)


def test_a_slot_that_names_nothing_and_a_table_without_a_free_one_are_not_believed() -> None:
    block = build([Rule(GOOD.routes[0], hosts=("a",))])
    header = 88
    slots = struct.unpack_from("<4I", block, header)
    assert 0xFFFFFFFF in slots, "the host's slots stand right behind the header"
    for changed in ([slots[0], 5, slots[2], 5], [slots[0], 0, slots[2], 0]):
        with pytest.raises(ValueError, match="points outside itself"):
            Site(resealed(block[:header] + struct.pack("<4I", *changed) + block[header + 16 :]))


@pytest.mark.parametrize("n", [0, 1, 87, 88, 108])
def test_a_piece_of_a_block_is_not_believed(n: int) -> None:
    with pytest.raises(ValueError, match="not whole"):
        Site(sites.pack(GOOD)[:n])


def test_a_changed_byte_is_seen() -> None:
    block = bytearray(sites.pack(GOOD))
    for at in range(len(block)):
        block[at] ^= 1
        with pytest.raises(ValueError, match="not whole"):
            Site(bytes(block))
        block[at] ^= 1


def test_blocks_with_damage_and_a_right_checksum_are_refused_or_harmless() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    good = build([
        Rule(GOOD.routes[0], hosts=("a.org", "*.b.org"), path="/a/b", methods=("GET",), query=(("x", "1"),)),
        Rule(GOOD.routes[0], pattern="/a[0-9]+", headers=(("y", None),)),
        Rule(GOOD.routes[0]._replace(pools=((0, 1), (1, 3))), exact="/a/b"),
        Rule(Action(sites.ACTIONS["redirect"], 3, 302, location=b"/x")),
    ])  # fmt: skip
    asked = [
        Request(host, path, b"x=1", headers=[(b"y", b"")])
        for host in (b"a.org", b"x.b.org", b"c") for path in (b"/a/b", b"/a12", b"/a/b/c", b"/a%41")
    ]  # fmt: skip
    n_read = 0
    for _ in range(3000):
        block = bytearray(good)
        for _turn in range(dice.choice((1, 1, 2, 4))):
            at = dice.randrange(16, len(block))
            block[at] = dice.choice((0, 1, 2, 0x7F, 0xFF, dice.randrange(256)))
        try:
            site = Site(resealed(bytes(block)))
        except ValueError:
            continue
        n_read += 1
        for request in asked:
            if site.find(request)[0] >= 0:
                site.target(request)
                site.location(request)
    assert n_read


def test_too_much_is_refused_with_its_bound() -> None:
    rules = [Rule(GOOD.routes[0], path="/a", query=((str(i), None),)) for i in range(257)]
    with pytest.raises(ValueError, match="257 routes at one place; 256 at most"):
        build(rules)
    with pytest.raises(ValueError, match="17 conditions of one route; 16 at most"):
        build([Rule(GOOD.routes[0], query=tuple((str(i), None) for i in range(17)))])
    with pytest.raises(ValueError, match="65 patterns of one host; 64 at most"):
        build([Rule(GOOD.routes[0], pattern=f"/{i}") for i in range(65)])
    with pytest.raises(ValueError, match=r"is not in 0\.\.1023"):
        build([Rule(GOOD.routes[0]._replace(pools=((1024, 1),)))])


def resealed(block: bytes) -> bytes:
    """With the checksum that it has to carry."""
    return block[:16] + struct.pack("<Q", site_sum(block)) + block[24:]


EDIT = sites.pack_edit(sites.EDITS["set"], b"X-A", b"a \1 b")


@pytest.mark.parametrize(
    "edits",
    [
        b"", EDIT, EDIT + EDIT,
        sites.pack_edit(sites.EDITS["add"], b"x", b""),
        sites.pack_edit(sites.EDITS["remove"], b"Set-Cookie"),
        sites.pack_edit(sites.EDITS["set"], b"x", b"a\tb\xff"),
    ],
)  # fmt: skip
def test_rules_are_read(edits: bytes) -> None:
    Site(sites.pack(GOOD._replace(rules=Rules(edits, edits, b"a:80"))))


@pytest.mark.parametrize(
    "edits",
    [
        EDIT[:3], EDIT[:-1], EDIT + b"\1",
        sites.pack_edit(0, b"X", b""), sites.pack_edit(4, b"X", b""), sites.pack_edit(1, b"", b"a"),
        *(sites.pack_edit(1, name, b"a") for name in (
            b"Host", b"hOST", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection", b"Keep-Alive",
            b"Upgrade", b"TE", b"Trailer", b"Expect", b"Proxy-Connection", b"X:", b"X Y", b"X\r", b"\xff", b"X\0")),
        *(sites.pack_edit(1, b"X", value) for value in (
            b"a\r\nHost: b", b"a\nb", b"a\rb", b"a\0b", b"\x0b", b"\x7f", b" a", b"a ", b"\ta", b"a\t")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["request", "response"])
def test_rules_that_would_smuggle_are_not_believed(edits: bytes, place: str) -> None:
    for change in ({"rules": Rules(**{place: edits})},
                   {"routes": [GOOD.routes[0]._replace(rules=Rules(**{place: EDIT + edits}))]}):  # fmt: skip
        block = sites.pack(GOOD._replace(**change))
        with pytest.raises(ValueError, match="points outside itself"):
            Site(block)


@pytest.mark.parametrize("host", [b"a/b", b"a b", b"a:0", b"u@a", b"a\r\nX: y", b"a" * 256])
def test_a_host_that_is_none_is_not_believed(host: bytes) -> None:
    with pytest.raises(ValueError, match="points outside itself"):
        Site(sites.pack(GOOD._replace(rules=Rules(host=host))))
    assert not sites.is_authority(host)


def test_rules_mean_the_same_in_each_block() -> None:
    one, other = Rules(EDIT), Rules(response=EDIT)
    blocks = [sites.pack(GOOD._replace(rules=first, routes=[GOOD.routes[0]._replace(rules=second)]))
              for first, second in ((one, other), (other, one), (other, other))]  # fmt: skip
    ids = [(struct.unpack_from("<I", block, 84)[0], block) for block in blocks]
    assert ids[0][0] != ids[1][0] == ids[2][0]
    assert all(id for id, _block in ids)


def test_rules_with_damage_and_a_right_checksum_are_refused_or_sound() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    good = sites.pack(GOOD._replace(
        rules=Rules(EDIT, EDIT * 2, b"a:80"), routes=[GOOD.routes[0]._replace(rules=Rules(EDIT * 3))]))  # fmt: skip
    outcomes = set()
    for _ in range(3000):
        block = bytearray(good)
        block[dice.randrange(80, len(block))] = dice.choice((0, 1, 10, 13, 0x20, 0xFF, dice.randrange(256)))
        try:
            Site(resealed(bytes(block)))
            outcomes.add("read")
        except ValueError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
