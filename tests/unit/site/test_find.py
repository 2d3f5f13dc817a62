"""Where requests go: hosts, whole segments, exact paths, patterns, conditions, and paths with two readings."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nginy._fast import sites
from nginy._fast.sites import NO_ROUTE, UNCLEAR, Request, Site
from nginy.site.build import Rule, build
from nginy.site.parts import Action
from tests.tools import plain_site
from tests.tools.plain_site import Asked


def rule(number: int = 0, **fields) -> Rule:
    return Rule(Action(sites.ACTIONS["pool"], number, pools=((number, 1),)), **fields)


def site(*rules: Rule) -> Site:
    return Site(build(rules))


def found(at: Site, path: str = "/", host: str = "", **fields) -> int:
    return at.find(Request(host.encode(), path.encode(), **fields))[0]


TASKS = site(rule(path="/task"), rule(path="/task/1/deep"), rule(path="/"), rule(exact="/task/1/deep/"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/task", 0), ("/task/", 0), ("/task/1", 0), ("/task/1/dee", 0), ("/task/1/deep", 1), ("/task/1/deep/x", 1),
        ("/tasks", 2), ("/tas", 2), ("/", 2), ("", 2), ("/Task", 2), ("/task/1/deep/", 3), ("/task/1/deeper", 0),
        ("/task-1", 2), ("/task/1/", 0), ("/x/task", 2),
    ],
)  # fmt: skip
def test_the_longest_prefix_of_whole_segments_wins(path: str, expected: int) -> None:
    assert found(TASKS, path) == expected


def test_a_query_is_not_part_of_the_path() -> None:
    assert found(TASKS, "/task", query=b"x") == 0


HOSTS = site(
    rule(hosts=("app.example.org",)), rule(hosts=("*.example.org",)), rule(hosts=("*.deep.example.org",)),
    rule(hosts=("[2001:db8::1]", "192.0.2.1")), rule(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("app.example.org", 0), ("APP.Example.ORG", 0), ("app.example.org:8080", 0), ("app.example.org.", 0),
        ("app.example.org.:80", 0), ("app.example.org:", 0), ("x.example.org", 1), ("a.b.example.org:1", 1),
        ("deep.example.org", 1), ("a.deep.example.org", 2), ("example.org", 4), (".example.org", 4),
        ("xexample.org", 4), ("[2001:db8::1]", 3), ("[2001:db8::1]:80", 3), ("192.0.2.1:80", 3), ("", 4), (".", 4),
        (":80", 4), ("a" * 300 + ".example.org", 4), ("app.example.org:80x", 4),
    ],
)  # fmt: skip
def test_the_host_decides_first(host: str, expected: int) -> None:
    assert found(HOSTS, host=host) == expected


def test_a_known_host_has_its_own_routes_alone() -> None:
    at = site(rule(hosts=("a.org",), path="/only"), rule())
    assert found(at, "/other", "a.org") == -NO_ROUTE
    assert found(at, "/other", "b.org") == 1


def test_without_a_route_for_the_rest_other_hosts_have_none() -> None:
    assert found(site(rule(hosts=("a.org",))), host="b.org") == -NO_ROUTE


def test_exact_comes_before_patterns_and_patterns_before_prefixes() -> None:
    at = site(
        rule(path="/users/1"), rule(pattern="/users/[0-9]+"), rule(pattern="/users/.*"), rule(exact="/users/1"),
    )  # fmt: skip
    assert [found(at, f"/users/{name}") for name in ("1", "2", "x", "1/x")] == [3, 1, 2, 2]
    assert found(at, "/user") == -NO_ROUTE


def test_conditions_choose_among_routes_at_one_place_in_declared_order() -> None:
    at = site(
        rule(path="/a", methods=("POST", "PROPFIND")), rule(path="/a", headers=(("X-Beta", "1"),)),
        rule(path="/a", query=(("debug", None),)), rule(path="/a"), rule(),
    )  # fmt: skip
    assert found(at, "/a", method="POST", headers=[(b"x-beta", b"1")]) == 0
    assert found(at, "/a", method="PROPFIND") == 0
    assert found(at, "/a", method="PROPFI") == 3
    assert found(at, "/a", headers=[(b"x-other", b"1"), (b"x-BETA", b"2"), (b"X-beta", b"1")]) == 1
    assert found(at, "/a", headers=[(b"x-beta", b"11")], query=b"x=1&debug") == 2
    assert found(at, "/a", query=b"debugger=1&xdebug=2") == 3


def test_when_no_condition_fits_the_next_shorter_prefix_is_tried() -> None:
    at = site(
        rule(path="/a/b", methods=("PUT",)), rule(path="/a", methods=("POST",)),
        rule(exact="/a/b", methods=("DELETE",)),
    )  # fmt: skip
    assert [found(at, "/a/b", method=name) for name in ("DELETE", "PUT", "POST", "GET")] == [2, 0, 1, -NO_ROUTE]


def test_get_stands_for_head() -> None:
    at = site(rule(methods=("GET",)))
    assert found(at, method="HEAD") == 0
    assert found(at, method="POST") == -NO_ROUTE


@pytest.mark.parametrize("query", [b"a+b=c%20d", b"x&a%20b=c+d", b"a%20b=1&a%20b=c%20d"])
def test_query_arguments_are_compared_decoded(query: bytes) -> None:
    assert found(site(rule(query=(("a b", "c d"),))), query=query) == 0


@pytest.mark.parametrize("query", [b"", b"a+b", b"a+b=", b"a+b=c", b"a+b=c+dd", b"a+b=c%2", b"c+d=a+b", b"&&=c+d"])
def test_other_query_arguments_do_not_fit(query: bytes) -> None:
    assert found(site(rule(query=(("a b", "c d"),))), query=query) == -NO_ROUTE


GUARDED = site(rule(path="/admin"), rule(path="/"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/../admin", -UNCLEAR), ("/admin/..", -UNCLEAR), ("/admin/.", -UNCLEAR), ("/./admin", -UNCLEAR),
        ("/%2e%2E/admin", -UNCLEAR), ("/.%2e/x", -UNCLEAR), ("/a%2f..%2fadmin", -UNCLEAR), ("/a\\..\\admin", -UNCLEAR),
        ("/..;x=1/admin", -UNCLEAR), ("/%2e%2e%3bx/y", -UNCLEAR), ("/a/..", -UNCLEAR),
        ("//admin", -UNCLEAR), ("/%2fadmin", -UNCLEAR), ("/admin%2Fx", -UNCLEAR), ("/admin;x=1", -UNCLEAR),
        ("/admin\\x", -UNCLEAR), ("/admin%5cx", -UNCLEAR), ("/;/admin", -UNCLEAR),
        ("/%61dmin", 0), ("/adm%69n/x", 0), ("/admin//x", 0), ("/admin/a%2Fb", 0), ("/admin/;x", 0), ("/admin/x;y", 0),
        ("/x//y", 1), ("/x%2Fadmin", 1), ("/...", 1), ("/..a/b", 1), ("/.well-known/x", 1), ("/a%20b", 1),
        ("/a%2", -UNCLEAR), ("/a%zz", -UNCLEAR), ("/a%00", -UNCLEAR), ("/%", -UNCLEAR), ("x/admin", -UNCLEAR),
    ],
)  # fmt: skip
def test_a_path_that_servers_read_differently_never_takes_one_of_two_routes(path: str, expected: int) -> None:
    assert found(GUARDED, path) == expected


def test_where_nothing_depends_on_the_path_any_goes() -> None:
    at = site(rule(hosts=("a.org",)), rule(path="/admin"))
    assert found(at, "/a/../%zz//b", "a.org") == 0
    assert found(at, "/a/../b", "b.org") == -UNCLEAR


def test_a_place_of_many_children_and_long_chains() -> None:
    paths = [f"/a/b/c/{i}/x/y" for i in range(3000)]
    at = site(*(rule(path=path) for path in paths), rule(exact="/a/b"))
    assert [found(at, path) for path in paths] == list(range(3000))
    assert found(at, "/a/b") == 3000
    for path in ("/a", "/a/b/", "/a/b/c", "/a/b/c/1", "/a/b/c/1/x", "/a/b/c/1/x/z"):
        assert found(at, path) == -NO_ROUTE


SEGMENT = st.sampled_from(["a", "b", "ab", "c%20d", "%61", "é"])
PATH = st.lists(SEGMENT, max_size=4).map(lambda segments: "/" + "/".join(segments))
HOST = st.sampled_from(["a.org", "b.org", "*.org", "*.a.org", "*.b.a.org", "x.a.org", "org"])
PATTERN = st.sampled_from(["/a/.*", "/[ab]+", "/(a|b)/?", ".*b", "/a(/b)*", "/..", "/a/b?"])
METHODS = st.lists(st.sampled_from(["GET", "POST", "HEAD", "LOCK"]), max_size=2).map(tuple)
PAIRS = st.lists(st.tuples(st.sampled_from(["x", "Y-z"]), st.sampled_from([None, "1", "2", ""])), max_size=2).map(tuple)
PLACES = st.one_of(
    st.builds(dict), st.builds(dict, path=PATH), st.builds(dict, exact=PATH), st.builds(dict, pattern=PATTERN))
RULES = st.lists(
    st.builds(
        lambda place, hosts, methods, headers, query: rule(
            **place, hosts=tuple(hosts), methods=methods, headers=headers, query=query),
        PLACES, st.lists(HOST, max_size=2, unique=True), METHODS, PAIRS, PAIRS),
    min_size=1, max_size=12,
)  # fmt: skip
RAW = st.lists(
    st.sampled_from(
        ["/", "/", "a", "b", "ab", "c d", ".", "..", "%2f", "%2F", "%61", "%2e", ";", "\\", "%5c", "%", "%0", "é", "/a",
         "%3b"]),
    max_size=8,
).map(lambda parts: ("/" + "".join(parts)).encode())  # fmt: skip
LINES = st.lists(st.tuples(st.sampled_from([b"X", b"x", b"y-Z", b"q"]), st.sampled_from([b"", b"1", b"2"])), max_size=3)
ARGUMENT = st.sampled_from([b"x=1", b"x", b"Y-z=2", b"Y%2dz=", b"&", b"q=1", b"x=%31"])
QUERY = st.lists(ARGUMENT, max_size=3).map(b"&".join)
ASKED = st.builds(
    Asked,
    host=st.sampled_from([b"", b"a.org", b"A.org:80", b"x.a.org.", b"y.a.org", b"q.b.a.org", b"z.org", b".org", b"c"]),
    path=st.one_of(RAW, PATH.map(str.encode)),
    query=QUERY,
    method=st.sampled_from(["GET", "POST", "HEAD", "LOCK", "PUT"]),
    headers=LINES.map(tuple),
)


@given(RULES, st.lists(ASKED, min_size=1, max_size=10))
@example([rule(path="/a"), rule(path="/a/b")], [Asked(path=b"/a//b")])
def test_what_is_found_is_what_a_plain_look_at_every_rule_finds(rules, asked) -> None:
    at = Site(build(rules))
    for each in asked:
        assert at.find(each.request)[0] == plain_site.find(rules, each), each


def test_ten_thousand_routes_are_found_as_a_plain_look_finds_them() -> None:
    rules = [rule(hosts=(f"h{i % 100}.example.org",), path=f"/svc-{i // 100}/v{i % 3}") for i in range(10_000)]
    at = Site(build(rules))
    for i in range(0, 10_000, 97):
        host = f"h{i % 100}.example.org".encode()
        assert at.find(Request(host, f"/svc-{i // 100}/v{i % 3}/x".encode()))[0] == i
        assert at.find(Request(host, f"/svc-{i // 100}/v{i % 3}x".encode()))[0] == -NO_ROUTE
