"""Routes by server name: exact before suffix, the longest suffix, what is left, and blocks that cannot be believed."""

import struct
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nginy._fast.testpolicy import route_of

from nginy._fast import door

from .rows import block, listener, pool


def routed(exact=(), suffixes=(), rest=-1, **parts) -> bytes:
    rows = SimpleNamespace(**dict(zip(
        ("n_exact", "n_suffix", "rows", "names"), door.pack_routes(list(exact), list(suffixes)), strict=True)))
    pools = parts.pop("pools", [pool(id=i) for i in range(9)])
    return block([], listeners=[listener(), listener(1, pool=rest, routes=rows)], pools=pools, **parts)


SITES = routed(
    exact=[("app.example.org", 1), ("example.org", 2), ("x", 3)],
    suffixes=[("example.org", 4), ("deep.example.org", 5), ("org", 6)],
    rest=7,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"app.example.org", 1),
        (b"example.org", 2),
        (b"x", 3),
        (b"www.example.org", 4),
        (b"a.b.example.org", 4),
        (b"deep.example.org", 4),
        (b"a.deep.example.org", 5),
        (b"a.b.deep.example.org", 5),
        (b"other.org", 6),
        (b"org", 7),
        (b"fooexample.org", 6),
        (b"example.com", 7),
        (b"", 7),
        (b"y", 7),
        (b"app.example.org.evil", 7),
        (b".".join([b"a" * 63] * 4)[:255], 7),
    ],
)
def test_route_of_a_name(name: bytes, expected: int) -> None:
    assert route_of(SITES, 1, name) == expected


def test_what_has_no_route_and_no_rest_goes_nowhere() -> None:
    sites = routed(exact=[("a.org", 1)])
    assert route_of(sites, 1, b"a.org") == 1
    assert route_of(sites, 1, b"b.org") is None
    assert route_of(sites, 1, b"") is None


def test_a_listener_without_routes_sends_all_to_its_pool() -> None:
    assert route_of(SITES, 0, b"app.example.org") == 0


LABELS = st.sampled_from(["a", "b", "c", "org", "example"])
NAMES = st.lists(LABELS, min_size=1, max_size=5).map(".".join)


ROUTES = st.dictionaries(NAMES, st.integers(0, 8))


@given(ROUTES, ROUTES, st.lists(NAMES, min_size=1))
def test_routes_agree_with_a_plain_look_through_all_of_them(exact, suffixes, asked) -> None:
    sites = routed(exact.items(), suffixes.items(), rest=8)
    for name in [*asked, *exact, *suffixes]:
        below = [suffix for suffix in suffixes if name.endswith("." + suffix)]
        expected = exact.get(name, suffixes[max(below, key=len)] if below else 8)
        assert route_of(sites, 1, name.encode()) == expected


def test_65536_names_are_found_and_one_more_is_refused() -> None:
    names = [(f"host-{i}.example.org", i % 9) for i in range(65536)]
    sites = routed(names)
    for i in range(0, 65536, 997):
        assert route_of(sites, 1, f"host-{i}.example.org".encode()) == i % 9
    assert route_of(sites, 1, b"host-65536.example.org") is None
    with pytest.raises(ValueError, match="65537 routes; 65536 at most"):
        routed([*names, ("one.more", 1)])


def test_a_pool_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="pool id 1024"):
        door.pack_routes([("a", 1024)], [])


@pytest.mark.parametrize(
    "rows",
    [
        SimpleNamespace(n_exact=2, n_suffix=0, rows=door.pack_routes([("a", 1)], [])[2], names=b"a"),
        SimpleNamespace(n_exact=1, n_suffix=0, rows=struct.pack("=QIIII", 1, 0, 2, 0, 0), names=b"a"),
        SimpleNamespace(n_exact=1, n_suffix=0, rows=struct.pack("=QIIII", 1, 2**32 - 1, 1, 0, 0), names=b"a"),
    ],
    ids=["more than there are", "a name beyond the names", "a name that begins beyond them"],
)
def test_a_block_whose_routes_point_outside_is_not_believed(rows) -> None:
    with pytest.raises(ValueError, match="points outside itself"):
        door.verify_snapshot(block([], listeners=[listener(routes=rows)]))
