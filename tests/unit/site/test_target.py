"""What a backend gets to see of a path, where redirects lead, and shares of pools."""

from collections import Counter

import pytest

from nginy._fast import sites
from nginy._fast.sites import Request, Site
from nginy.site.build import Rule, build
from nginy.site.parts import Action


def target(path: str, *, prefix: str | None = "/app", exact: str | None = None, **changes) -> bytes:
    route = Action(sites.ACTIONS["pool"], 0, pools=((0, 1),), **changes)
    site = Site(build([Rule(route, path=prefix if exact is None else None, exact=exact)]))
    return site.target(Request(path=path.encode()))


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/app", b"/"), ("/app/", b"/"), ("/app/x", b"/x"), ("/app/x/", b"/x/"), ("/%61pp/x%20y", b"/x%20y"),
     ("/app//x", b"/x"), ("/app///", b"/"), ("/app/%61", b"/%61")],
)  # fmt: skip
def test_what_a_route_matched_is_cut_off(path: str, expected: bytes) -> None:
    assert target(path, is_cut=True) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/app", b"/new"), ("/app/", b"/new/"), ("/app/x", b"/new/x"), ("/app//x", b"/new/x")],
)
def test_and_something_else_put_there(path: str, expected: bytes) -> None:
    assert target(path, is_cut=True, put=b"/new") == expected


@pytest.mark.parametrize(("path", "expected"), [("/app", b"/new/app"), ("/app//x", b"/new/app//x")])
def test_something_is_put_in_front(path: str, expected: bytes) -> None:
    assert target(path, put=b"/new") == expected


def test_all_of_an_exact_path_is_replaced() -> None:
    assert target("/app/x", exact="/app/x", is_cut=True, put=b"/y") == b"/y"


@pytest.mark.parametrize(("path", "expected"), [("/app//x", b"/app//x"), ("/app", b"/app"), ("/%61pp", b"/%61pp")])
def test_otherwise_it_goes_as_it_came(path: str, expected: bytes) -> None:
    assert target(path) == expected


def test_an_empty_path_becomes_a_slash() -> None:
    assert target("", prefix="/") == b"/"


def location(path: str = "/app/x", query: str = "", is_tls: bool = False, room: int = 999, **changes) -> bytes | None:
    route = Action(sites.ACTIONS["redirect"], 0, 301, **changes)
    site = Site(build([Rule(route, path="/app")]))
    return site.location(Request(b"a.org:8080", path.encode(), query.encode()), is_tls, room)


def test_a_redirect_names_the_clients_own_url_but_for_what_it_says() -> None:
    assert location(scheme=b"https", query="q=1") == b"https://a.org/app/x?q=1"
    assert location(host=b"b.org") == b"http://b.org/app/x"
    assert location(host=b"b.org", is_tls=True) == b"https://b.org/app/x"
    assert location(path="/app") == b"http://a.org:8080/app"
    assert location(is_cut=True, put=b"/v2", query="a") == b"http://a.org:8080/v2/x?a"
    assert location(scheme=b"https", host=b"b.org:444") == b"https://b.org:444/app/x"


def test_a_location_is_taken_as_it_is() -> None:
    assert location(location=b"https://elsewhere.example/?x", query="q") == b"https://elsewhere.example/?x"


def test_a_location_without_room_is_none() -> None:
    assert location(room=len(b"http://a.org:8080/app/x")) == b"http://a.org:8080/app/x"
    assert location(room=len(b"http://a.org:8080/app/x") - 1) is None


def test_pools_get_their_shares() -> None:
    route = Action(sites.ACTIONS["pool"], 0, pools=((3, 1), (7, 90), (5, 9)))
    site = Site(build([Rule(route)]))
    assert Counter(site.pool(0, turn) for turn in range(1000)) == {3: 10, 7: 900, 5: 90}
    assert site.pool(0, 2**64 - 1) in (3, 5, 7)
    with pytest.raises(ValueError, match="route 1 of 1"):
        site.pool(1)
