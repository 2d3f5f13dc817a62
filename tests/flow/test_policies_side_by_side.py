"""Policies in Python of several pools share a process, and little else."""

from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import Tree, tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import named
from tests.tools.sockets import connect, recv_exact
from tests.tools.waiting import wait_until


@pytest.fixture
def addresses(start_peer: StartPeer) -> list[str]:
    """Backends that say their one-letter names."""
    return [start_peer(named(name)).address for name in "abc"]


def two_pools(addresses: list[str], back: str, side: str) -> Tree:
    """A pool for each of two listeners, `front` and `side`, with these classes."""
    tree = tcp_config(addresses, pool={"policy": policy(back)})
    tree["pools"]["side"] = {"backends": addresses, "policy": policy(side)}
    tree["listeners"]["side"] = {"bind": "127.0.0.1:0", "pool": "side"}
    return tree


def policy(name: str) -> dict[str, Any]:
    call = f"tests.tools.policy_classes:{name}"
    return {"kind": "python", "call": call, "deadline": "500ms", "fallback": "first"}


def visit(nginy: Nginy, listener: str) -> str:
    with connect(nginy.address(listener)) as sock:
        return recv_exact(sock, 1).decode()


def test_a_class_that_cannot_be_made_is_missed_by_its_own_pool_only(
    start_nginy: StartNginy, addresses: list[str]
) -> None:
    nginy = start_nginy(two_pools(addresses, "Unmade", "Last"))
    assert [visit(nginy, "side") for _ in range(3)] == ["c"] * 3
    assert [visit(nginy, "front") for _ in range(3)] == ["a"] * 3, "by the fallback"
    told = {pool["name"]: pool["choices"] for pool in nginy.status()["pools"]}
    assert (told["side"]["answered"], told["back"]["fallbacks"]) == (3, {"raised": 3})
    assert nginy.log().count("nothing to begin with") == 1
    assert "replaced" not in nginy.log()


def test_a_reload_tells_again_only_of_pools_whose_class_is_another(
    start_nginy: StartNginy, addresses: list[str]
) -> None:
    nginy = start_nginy(two_pools(addresses, "Nobody", "Nobody"))
    assert (visit(nginy, "front"), visit(nginy, "side")) == ("a", "a")
    wait_until(lambda: nginy.log().count("policy fallback") == 2, "once for each pool")
    nginy.reload(two_pools(addresses, "Stranger", "Nobody"))
    wait_until(lambda: visit(nginy, "front") and "pool=back why=wrong" in nginy.log(), "the new class is told of")
    visit(nginy, "side")
    nginy.reload(two_pools(addresses, "Nonsense", "Nobody"))
    wait_until(
        lambda: visit(nginy, "front") and nginy.log().count("pool=back why=wrong") == 2, "and the one after it as well"
    )
    assert nginy.log().count("pool=side why=none") == 1
    assert nginy.log().count("pool=back why=none") == 1
