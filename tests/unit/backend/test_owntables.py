"""Published tables: what they belong to, what they become when members go, and what is kept of them."""

from array import array
from dataclasses import replace
from typing import Any

import pytest

from nginy._fast import door
from nginy.backend.owntables import OwnTable, basis_of, from_block, to_block
from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.config import parse_config
from nginy.model import Pool

A, B, C = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"
IDS = {A: 4, B: 5, C: 6}


def pool(policy: Any) -> Pool:
    tree = {"pools": {"p": {"policy": policy, "backends": [A]}}, "listeners": {"l": {"bind": ":0", "pool": "p"}}}
    return parse_config(tree).pools["p"]


def row(address: str, tier: int = 0) -> ResolvedBackend:
    return ResolvedBackend(BackendKey("p", address, address), pool("random").backends[0], 1, tier, "ready", None)


def ring(*addresses: str) -> OwnTable:
    n = len(addresses)
    shape = door.build_own("ring", array("I", range(n)).tobytes(), array("I", range(n)).tobytes(), n)
    return OwnTable("ring", addresses, shape, "", "off")


def test_a_member_that_is_not_there_is_nobody_and_tiers_share_what_is_left() -> None:
    parts = ring(A, B, C).parts([row(A), row(C, 2), row("10.0.0.9:80", 3)], IDS.__getitem__)
    assert [(tier, list(ids)) for tier, _, ids in parts] == [(0, [4, door.NOBODY, 6]), (2, [4, door.NOBODY, 6])]
    assert ring(A).parts([row(B)], IDS.__getitem__) == []


TABLE = {"kind": "table", "call": "__main__:T"}


@pytest.mark.parametrize(
    ("kind", "before", "after", "fits"),
    [
        ("ring", "ring", "bounded_ring", True),
        ("ring", "ring", {"kind": "ring", "compat": "nginx"}, False),
        ("ring", "ring", "maglev", False),
        ("maglev", "maglev", {"kind": "bounded_maglev", "size": 251}, True),
        ("maglev", "maglev", "ring", False),
        ("map", "round_robin", "least_conn", True),
        ("map", "round_robin", {"kind": "ring", "key": "tuple"}, False),
        ("map", "round_robin", {"kind": "ring", "compat": "ketama"}, False),
        ("map", "random", {**TABLE, "fallback": "random"}, False),
        ("map", TABLE, {**TABLE, "args": {}, "fallback": "random"}, True),
        ("map", TABLE, {**TABLE, "call": "__main__:U"}, False),
    ],
)
def test_a_table_holds_while_the_pool_has_the_same_class_and_goes_by_the_same(
    kind: str, before: Any, after: Any, fits: bool
) -> None:
    basis = basis_of(kind, pool(before).native)
    assert basis is not None
    call = before["call"] if isinstance(before, dict) and "call" in before else ""
    table = OwnTable(kind, (A,), b"", call, basis)
    assert table.fits(pool(before)) and not table.fits(None)
    assert table.fits(pool(after)) is fits


def test_what_is_kept_comes_back_whole() -> None:
    kept = {"p": [ring(A, B), replace(ring(C), kind="map", call="m:C", basis="sni")], "q": [ring(B)]}
    assert from_block(to_block(kept)) == kept
    assert from_block(to_block({})) == {}


@pytest.mark.parametrize("at", [0, 9, 20, -1])
def test_a_kept_block_that_is_torn_is_refused(at: int) -> None:
    block = bytearray(to_block({"p": [ring(A, B)]}))
    block[at] ^= 1
    with pytest.raises(ValueError, match="torn"):
        from_block(bytes(block))
    with pytest.raises(ValueError, match="torn"):
        from_block(b"")
