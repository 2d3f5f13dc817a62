"""Which route a request takes, what it does, and why no other one; what is no request."""

from typing import Any

import pytest

from nginy.backend.request import RequestAsk, route_request
from nginy.config import parse_config
from nginy.errors import ControlError

ROUTES = [
    {"host": "api.example.org", "path": "/task", "pool": "a", "strip": "on"},
    {"host": "api.example.org", "path": "/task", "method": "POST", "header": "X-Beta", "pool": "b"},
    {"host": "api.example.org", "exact": "/task/1", "query": "debug", "pools": [{"pool": "a", "weight": 9}, "b"]},
    {"host": "*.example.org", "redirect": {"host": "example.org", "status": 308}},
    {"path": "/", "respond": {"status": 404, "body": "none", "headers": "X-A: b"}},
]


def answer(host: str, path: str = "/", **more: Any) -> dict[str, Any]:
    tree = {
        "pools": {name: {"backends": [f"{name}:1"]} for name in "ab"},
        "listeners": {"web": {"bind": ":0", "protocol": "http", "routes": ROUTES}},
    }
    return route_request(parse_config(tree).listeners["web"], RequestAsk(host, path, **more))


def test_a_pool_with_the_path_that_it_gets_and_why_no_other() -> None:
    assert answer("api.example.org:80", "/task/1?x") == {
        "route": 0, "matched": "/task", "pools": {"a": 1}, "path": "/1", "filters": {},
        "passed": [
            {"route": 1, "why": "it asks for another method and header"},
            {"route": 2, "why": "it asks for another query"},
            {"route": 3, "why": "the host has routes of its own"},
            {"route": 4, "why": "the host has routes of its own"},
        ],
    }  # fmt: skip


def test_several_pools_with_their_weights() -> None:
    found = answer("api.example.org", "/task/1?debug", method="POST", headers=("X-Beta: 1",))
    assert (found["route"], found["pools"], found["path"]) == (2, {"a": 9, "b": 1}, "/task/1")
    assert [(one["route"], one["why"]) for one in found["passed"][:2]] == [
        (0, "route 2 comes first"), (1, "route 2 comes first"),
    ]  # fmt: skip


def test_answers_of_nginys_own() -> None:
    found = answer("www.example.org", "/x?y=1")
    assert (found["redirect"], found["location"]) == (308, "http://example.org/x?y=1")
    found = answer("other.org")
    assert (found["respond"], found["headers"], found["body_bytes"]) == (404, ["X-A: b"], 4)


def test_no_route_and_an_unclear_path() -> None:
    assert answer("api.example.org", "/other")["reason"] == "no_route"
    assert answer("api.example.org", "/other")["status"] == 404
    found = answer("api.example.org", "/task/../x")
    assert (found["route"], found["reason"], found["status"]) == (None, "unclear_path", 400)


@pytest.mark.parametrize(
    ("more", "message"),
    [({"path": "x"}, "does not begin with a slash"), ({"headers": ("X",)}, "write 'Name: value'"),
     ({"path": "/" + "x" * 20000}, "more than 16384 bytes")],
)  # fmt: skip
def test_what_is_no_request_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ControlError, match=message):
        answer("a", **more)
