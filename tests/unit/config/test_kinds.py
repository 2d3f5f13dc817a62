"""Models that `kind` tells apart, used without a file."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from nginy.model import Pool, Ring, RoundRobin

BACKENDS = ({"address": "10.0.0.1:80"},)


def test_name_of_a_kind_alone_stands_for_its_defaults() -> None:
    assert Pool(backends=BACKENDS, policy="ring").policy == Ring()


def test_object_and_tree_give_the_same() -> None:
    tree = {"kind": "ring", "key": "tuple"}
    assert Pool(backends=BACKENDS, policy=tree) == Pool(backends=BACKENDS, policy=Ring(key="tuple"))


@pytest.mark.parametrize(
    ("policy", "type_", "says"),
    [
        ("rnig", "union_tag_invalid", "'rnig'"),
        ({"kind": 7}, "union_tag_invalid", "'ring'"),
        ({"kind": ["ring"]}, "union_tag_invalid", "'ring'"),
        ({"key": "tuple"}, "union_tag_not_found", "'kind'"),
        (7, "union_tag_not_found", "'kind'"),
        (Pool(backends=BACKENDS), "union_tag_not_found", "'kind'"),
    ],
)
def test_what_is_no_kind_is_refused_with_what_is_known(policy: object, type_: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Pool(backends=BACKENDS, policy=policy)
    (trouble,) = caught.value.errors()
    assert (trouble["loc"], trouble["type"]) == (("policy",), type_)
    assert says in trouble["msg"]


def test_trouble_inside_of_a_kind_keeps_its_place() -> None:
    with pytest.raises(ValidationError) as caught:
        key = {"kind": "quic_cid", "length": 99}
        Pool(backends=BACKENDS, policy={"kind": "bounded_ring", "factor": 0.5, "key": key})
    assert {trouble["loc"] for trouble in caught.value.errors()} == {("policy", "factor"), ("policy", "key", "length")}


def test_what_is_dumped_is_read_again() -> None:
    ring = Ring(key={"kind": "quic_cid", "length": 12})
    tree = Pool(backends=BACKENDS, policy=ring).model_dump()["policy"]
    assert tree == {"kind": "ring", "key": {"kind": "quic_cid", "length": 12}, "compat": "off"}
    assert Pool(backends=BACKENDS, policy=tree).policy == ring


def test_kinds_that_nobody_asked_for_are_not_built() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from nginy.model import Config, HashPreserve, RoundRobin as R\n"
         "print(HashPreserve.__pydantic_complete__, R.__pydantic_complete__)"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said.split() == ["False", "True"]
    assert RoundRobin().kind == "round_robin"
