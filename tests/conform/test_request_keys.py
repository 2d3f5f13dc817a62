"""Keys of HTTP beside nginx' `hash $http_… consistent` and its likes: the same request, the same server."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from nginy.backend.choice import Client
from nginy.backend.request import RequestAsk
from nginy.balancer import Simulator
from tests.conform.nginx import running

USERS = 60
KEYS: dict[str, tuple[Any, str]] = {
    "header": ({"kind": "header", "name": "X-User"}, "$http_x_user"),
    "cookie": ({"kind": "cookie", "name": "sid"}, "$cookie_sid"),
    "query": ({"kind": "query", "name": "user"}, "$arg_user"),
    "path": ({"kind": "path", "query": True}, "$request_uri"),
    "host": ("host", "$host"),
}


def said(draw: random.Random) -> RequestAsk:
    """A request that says all keys, each in one of the ways in which clients write it."""
    user = "".join(draw.choice([*"abcXYZ012-._~+=", "%41"]) for _ in range(draw.randrange(1, 15)))
    around = draw.choice(["sid={}", "a=b; sid={}", "sid={}; c=d", "a=b;sid={};c=d", "sid={}; sid=other"])
    query = draw.choice(["user={}", "a=b&user={}", "user={}&c=d", "user={}&user=other", "a&user={}&=b"])
    headers = (draw.choice(["X-User", "x-user", "X-USER"]) + f":  {user} ", "Cookie: " + around.format(user))
    host = draw.choice(["a.example", "A.Example", "b.example:8080", "C.example:80"]).replace("e", draw.choice("xyz"))
    return RequestAsk(host, f"/{draw.choice('abc')}//{user}/?" + query.format(user), headers=headers)


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin") is None, reason="nginx is not installed")
@pytest.mark.parametrize("what", KEYS)
def test_a_request_goes_to_the_server_where_nginx_has_it(tmp_path: Path, seed: int, what: str) -> None:
    draw = random.Random(seed)
    key, variable = KEYS[what]
    hosts = [f"127.{draw.randrange(1, 200)}.{draw.randrange(256)}.{draw.randrange(1, 255)}" for _ in range(12)]
    servers = {f"{host}:{draw.randrange(20000, 30000)}": draw.randrange(1, 6) for host in hosts}
    met = set()
    simulator = Simulator({"kind": "ring", "compat": "nginx", "key": key}, servers)
    weights = {name: f"weight={weight}" for name, weight in servers.items()}
    with simulator, running(tmp_path, weights, key=variable) as nginx:
        for _turn in range(USERS):
            ask = said(draw)
            fields = dict(line.split(":", 1) for line in ask.headers)
            found = simulator.choose(Client(request=ask.request()))
            assert nginx.ask_with("GET", ask.path, Host=ask.host, **fields) == [found], ask
            met.add(found)
    assert len(met) > 3
