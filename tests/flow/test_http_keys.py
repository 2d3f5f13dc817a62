"""Backends chosen by what requests say: the same key, the same backend, on every worker and in every generation."""

from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http_routes import ask_on
from tests.tools.configs import Tree, tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer
from tests.tools.sockets import connect
from tests.tools.web import Stream, answering, text

N = 6
USERS = [f"user-{number}" for number in range(24)]

SAYING: dict[str, tuple[Any, Any]] = {
    "header": ({"kind": "header", "name": "X-User"}, lambda user: ("/", "a.org", f"x-user: {user}")),
    "cookie": ({"kind": "cookie", "name": "sid"}, lambda user: ("/", "a.org", f"Cookie: a=b; sid={user}; c=d")),
    "query": ({"kind": "query", "name": "user"}, lambda user: (f"/?a=b&user={user}", "a.org")),
    "path": ("path", lambda user: (f"/{user}?some=query", "a.org")),
    "segments": ({"kind": "path", "segments": 2}, lambda user: (f"/of/{user}/{id(user)}", "a.org")),
    "host": ("host", lambda user: ("/", f"{user.upper()}.org:80")),
}
"""A key, and a request that says it."""


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    """Backends that answer with their numbers."""
    return [start_peer(answering(text(str(number).encode()))) for number in range(N)]


def keyed(peers: list[Peer], key: Any, policy: str = "ring", **pool: Any) -> Tree:
    backends: list[Any] = [peer.address for peer in peers]
    more = {"policy": {"kind": policy, "key": key}, "http": {"idle": "300ms"}, **pool}
    return tcp_config(backends, workers=2, listener={"protocol": "http"}, pool=more)


def met(nginy: Nginy, saying: Any, users: list[str] = USERS, n_each: int = 2) -> dict[str, str]:
    """Each user's backend, over connections of their own, so that every worker is asked."""
    found: dict[str, str] = {}
    for _turn in range(n_each):
        for user in users:
            with connect(nginy.address()) as sock:
                backend = ask_on(Stream(sock), *saying(user)).body.decode()
            assert found.setdefault(user, backend) == backend, user
    return found


@pytest.mark.parametrize("what", SAYING)
def test_a_key_meets_the_same_backend_on_every_worker_and_after_a_reload(
    start_nginy: StartNginy, peers: list[Peer], what: str
) -> None:
    key, saying = SAYING[what]
    nginy = start_nginy(keyed(peers, key))
    first = met(nginy, saying)
    assert len(set(first.values())) >= 4, first
    drained: list[Any] = [peer.address for peer in peers]
    gone = int(first[USERS[0]])
    drained[gone] = {"address": drained[gone], "state": "drain"}
    nginy.reload(keyed(peers, key, backends=drained))
    after = met(nginy, saying, n_each=1)
    assert {user for user in USERS if after[user] != first[user]} == {
        user for user in USERS if first[user] == str(gone)
    }


def test_requests_of_one_connection_go_by_their_own_keys(start_nginy: StartNginy, peers: list[Peer]) -> None:
    key, saying = SAYING["header"]
    nginy = start_nginy(keyed(peers, key, "maglev"))
    first = met(nginy, saying, n_each=1)
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        assert {user: ask_on(stream, *saying(user)).body.decode() for user in USERS} == first


def test_requests_that_follow_each_other_unasked_go_by_their_own_keys(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    """Pipelined: the head that the worker has just read is not always that of the request it chooses for."""
    key, saying = SAYING["header"]
    nginy = start_nginy(keyed(peers, key, "rendezvous"))
    first = met(nginy, saying, n_each=1)
    heads = [f"GET / HTTP/1.1\r\nHost: a.org\r\nX-User: {user}\r\n\r\n" for user in USERS]
    with connect(nginy.address()) as one, connect(nginy.address()) as other:
        one.sendall("".join(heads).encode())
        other.sendall("".join(reversed(heads)).encode())
        streams = Stream(one), Stream(other)
        assert [streams[0].message().body.decode() for _ in USERS] == list(first.values())
        assert [streams[1].message().body.decode() for _ in USERS] == list(reversed(first.values()))


def test_a_request_without_the_key_goes_by_its_client(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(keyed(peers, {"kind": "header", "name": "X-User"}))
    sources = [f"127.0.{number}.1" for number in range(1, 17)]

    def by_source() -> list[str]:
        found = []
        for source in sources:
            with connect(nginy.address(), source=source) as sock:
                found.append(ask_on(Stream(sock), "/").body.decode())
        return found

    first = by_source()
    assert by_source() == first
    assert len(set(first)) >= 3


def test_a_key_leads_to_another_backend_when_its_own_refuses(
    start_nginy: StartNginy, peers: list[Peer], start_peer: StartPeer
) -> None:
    """The head is read once more for each attempt that needs it."""
    key, saying = SAYING["query"]
    nginy = start_nginy(keyed(peers, key))
    first = met(nginy, saying, n_each=1)
    gone = first[USERS[0]]
    peers[int(gone)].close()
    after = met(nginy, saying, n_each=2)
    assert gone not in after.values()
    assert all(after[user] == backend for user, backend in first.items() if backend != gone)


def test_a_group_goes_by_the_keys_of_its_members(start_nginy: StartNginy, peers: list[Peer]) -> None:
    key, saying = SAYING["cookie"]
    tree = keyed(peers[:3], key)
    tree["pools"]["other"] = tree["pools"]["back"] | {"backends": [peer.address for peer in peers[3:]]}
    tree["pools"]["both"] = {"of": ["back", {"pool": "other", "weight": 0}]}
    tree["listeners"]["front"]["pool"] = "both"
    nginy = start_nginy(tree)
    first = met(nginy, saying)
    assert set(first.values()) == {"0", "1", "2"}
