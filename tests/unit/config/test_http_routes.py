"""Routes of HTTP listeners: what cannot be, at its place; what is probably not meant; and what it is compiled to."""

from pathlib import Path

import pytest

from nginy._fast.sites import NO_ROUTE, Request, Site
from nginy.backend.sites import site_of
from nginy.config import load_config, parse_config, to_yaml
from nginy.config.reference import reference
from nginy.errors import ConfigError
from tests.unit.config.marked import Bad, check, whole

POOLS = "pools: {p: {backends: ['a:1']}, q: {backends: ['b:1']}}\n"


def route(text: str, path: str, says: str) -> Bad:
    """Keys of the second route of an HTTP listener."""
    text = f"{POOLS}listeners: {{l: {{bind: ':0', protocol: http, routes: [{{pool: p}}, {text}]}}}}"
    return whole(text, f"listeners.l.routes[1]{path}", says)


MANY_LINES = ", ".join(f"'X-{number}: {'a' * 1000}'" for number in range(17))

ROUTES = [
    route("{path: /a, §pol: p, pool: q}", ".pol", "did you mean `pool`?"),
    route("§{path: /a}", ".pool", "this key is missing; expected the name of a pool"),
    route("§{path: /a}", ".pool", "or `pools`, `respond`, `redirect`"),
    route("{pool: p, §respond: {status: 200}}", ".respond", "a route does one thing: `pool` or `respond`"),
    route("{pool: §x}", ".pool", "there is no pool 'x'"),
    route("{pools: [p, §x]}", ".pools[1].pool", "there is no pool 'x'")._replace(path="listeners.l.routes[1].pools[1]"),
    route("{pools: §[{pool: p, weight: 0}]}", ".pools", "every pool has weight 0"),
    route("{path: /a, §exact: /b, pool: p}", ".exact", "one kind of path: `path` or `exact`"),
    route("{path: §task, pool: p}", ".path", "begins with a slash"),
    route("{path: §/a//b, pool: p}", ".path", "write one"),
    route("{exact: §/a/../b, pool: p}", ".exact", "segment of dots"),
    route("{path: §'/a?b', pool: p}", ".path", "use `query`"),
    route("{path: §/a%2fb, pool: p}", ".path", "is read differently by servers"),
    route("{pattern: §'/a(', pool: p}", ".pattern", "at character 3: this parenthesis is never closed"),
    route("{pattern: §'^/a', pool: p}", ".pattern", "leave ^ out"),
    route("{pattern: §'a', pool: p}", ".pattern", "is for no path"),
    route("{pattern: §'/.*a.{12}', pool: p}", ".pattern", "it needs more than 4096 states"),
    route("{host: §'a.org:80', pool: p}", ".host", "compared without its port"),
    route("{host: [a.org, §a..org], pool: p}", ".host[1]", "expected a host"),
    route("{§sni: a.org, pool: p}", ".sni", "write `host`"),
    route("{method: §get, pool: p}", ".method", "write GET"),
    route("{header: §'a b', pool: p}", ".header", "write Name, or Name: value"),
    route("{query: §'a=b&c=d', pool: p}", ".query", "write its arguments as a list"),
    route("{query: §'a=%20', pool: p}", ".query", "compared decoded"),
    route("{respond: {status: §100}}", ".respond.status", "expected 200 to 599"),
    route("{respond: {status: §204, body: x}}", ".respond.status", "has no body"),
    route("{respond: {headers: §'Content-Length: 1'}}", ".respond.headers", "nginy's own business"),
    route("{respond: {headers: [§X-A]}}", ".respond.headers[0]", "write X-A: value"),
    route("{respond: {headers: §'a: é'}}", ".respond.headers", "in ASCII"),
    route("{respond: {headers: §[" + MANY_LINES + "]}}", ".respond.headers", "16384 at most"),
    route("{respond: {body: x, §file: y}}", ".respond.file", "`body` or `file`"),
    route("{respond: {file: §missing.html}}", ".respond.file", "cannot be read: No such file or directory"),
    route("{respond: {status: 200}, §strip: on}", ".strip", "this route answers itself"),
    route("{redirect: {status: §304}}", ".redirect.status", "one of `301`"),
    route("{redirect: §{status: 301}}", ".redirect", "to where they are"),
    route("{redirect: §{location: /x, host: a.org}}", ".redirect", "`location` is the whole URL"),
    route("{redirect: {location: §'/a b'}}", ".redirect.location", "is not a URL"),
    route("{redirect: {host: §'http://a'}}", ".redirect.host", "is not a host"),
    route("{pool: p, path: /a, strip: on, §rewrite: /b}", ".rewrite", "`rewrite` is `strip` and `add` in one"),
    route("{pool: p, pattern: /a, §strip: on}", ".strip", "a pattern says nothing that `strip` could take off"),
    whole(
        POOLS + "listeners: {l: {bind: ':0', protocol: http, §preread: tls_hello, pool: p}}", "listeners.l.preread",
        "reads heads of requests",
    ),
    whole(
        POOLS + "listeners: {l: {bind: §':5-9', protocol: http, pool: p}}", "listeners.l.bind", "is a range of ports"),
    whole(
        POOLS + "listeners: {l: {bind: ':0', preread: tls_hello, routes: [{sni: a.org, §path: /x, pool: p}]}}",
        "listeners.l.routes[0].path", "`path` is for HTTP; this listener has `protocol: tcp`",
    ),
]  # fmt: skip


@pytest.mark.parametrize("bad", ROUTES, ids=lambda bad: f"{bad.path}-{bad.says[:30]}")
def test_what_cannot_be_is_refused_at_its_place(bad: Bad) -> None:
    check(bad)


def test_too_many_routes_at_one_place_and_patterns_of_one_host() -> None:
    many = ", ".join(f"{{path: /a, query: q{i}, pool: p}}" for i in range(257))
    with pytest.raises(ConfigError, match="257 routes stand at one place; at most 256"):
        parse_config(f"{POOLS}listeners: {{l: {{bind: ':0', protocol: http, routes: [{many}]}}}}")
    many = ", ".join(f"{{pattern: /{i}, pool: p}}" for i in range(65))
    with pytest.raises(ConfigError, match="65 patterns; at most 64"):
        parse_config(f"{POOLS}listeners: {{l: {{bind: ':0', protocol: http, routes: [{many}]}}}}")


def warnings_of(folder: Path, *routes: str) -> list[str]:
    file = folder / "nginy.yaml"
    lines = "".join(f"      - {{pool: p, {route}}}\n" for route in routes)
    file.write_text(f"{POOLS}listeners:\n  l:\n    bind: ':0'\n    protocol: http\n    routes:\n{lines}")
    found: list = []
    load_config(file, warnings=found)
    return [f"{warning.line - 6}: {warning.message}" for warning in found]


@pytest.mark.parametrize(
    ("routes", "line", "says"),
    [
        (["path: /a", "path: /a/"], 2, "is never taken"),
        (["path: /a, method: [GET, POST]", "path: /a, method: HEAD"], 2, "is never taken"),
        (["path: /a, header: X-b", "path: /a, header: ['x-B: 1', y]"], 2, "is never taken"),
        (["host: [a.org, b.org]", "host: b.org"], 2, "is never taken"),
        (["host: a.org", "host: b.org", "host: [A.org, b.org.]"], 3, "is never taken"),
        (["exact: /a", "exact: /%61"], 2, "is never taken"),
        (["pattern: '/a/.*'", "pattern: '/a/[0-9]+'"], 2, "fits all of its paths"),
        (["pattern: '/a/.*'", "pattern: '/[a-c]/x'"], 2, "some paths, such as /a/x, fit the pattern at"),
        (["host: a.org, path: /x", "path: /"], 1, "what no route of a.org fits gets 404"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(tmp_path: Path, routes: list[str], line: int, says: str) -> None:
    (found,) = warnings_of(tmp_path, *routes)
    assert found.startswith(f"{line}: ")
    assert says in found


@pytest.mark.parametrize(
    "routes",
    [
        ["path: /a", "path: /ab", "path: /a/b", "exact: /a", "pattern: '/a'"],
        ["path: /a, method: GET", "path: /a, method: [GET, POST]", "path: /a"],
        ["path: /a, query: 'x=1'", "path: /a, query: x"],
        ["host: [a.org, b.org]", "host: [b.org, c.org]"],
        ["pattern: '/a/[0-9]+'", "pattern: '/a/[a-z]+'"],
        ["pattern: '/a/.*', method: GET", "pattern: '/a/b'"],
        ["host: a.org", "path: /"],
    ],
)
def test_what_may_be_meant_is_none(tmp_path: Path, routes: list[str]) -> None:
    assert warnings_of(tmp_path, *routes) == []


FULL = """
pools: {p: {backends: ['a:1']}, q: {backends: ['b:1']}}
listeners:
  web:
    bind: ':0'
    protocol: http
    routes:
    - {host: api.example.org, path: /task, pool: p, strip: on}
    - {host: api.example.org, path: /v1, pool: q, rewrite: "/v 2/"}
    - {host: api.example.org, exact: /healthz, respond: {headers: "Content-Type: text/plain", body: fine}}
    - {host: api.example.org, pattern: "/user/[0-9]+", method: GET, pools: [{pool: p, weight: 9}, {pool: q, weight: 1}]}
    - {host: [example.org, www.example.org], redirect: {scheme: https, status: 308}}
    - {path: /, header: "X-Beta: 1", query: [debug, version=2], pool: q}
    - {respond: {status: 404, file: body.html}}
"""


def test_what_is_written_is_what_is_found(tmp_path: Path) -> None:
    (tmp_path / "body.html").write_bytes(b"<p>no\n")
    (tmp_path / "nginy.yaml").write_text(FULL)
    config = load_config(tmp_path / "nginy.yaml")
    listener = config.listeners["web"]
    assert listener.pools == ("p", "q")
    block = site_of(listener, {"p": 3, "q": 7}.__getitem__)
    assert site_of(listener, {"p": 3, "q": 7}.__getitem__) is block
    assert site_of(listener, {"p": 3, "q": 8}.__getitem__) != block
    site, api = Site(block), b"api.example.org:8080"
    asked = {
        0: Request(api, b"/task/1"), 1: Request(api, b"/v1/x"), 2: Request(api, b"/healthz"),
        3: Request(api, b"/user/42"), 4: Request(b"WWW.example.org", b"/x"),
        5: Request(b"z", b"/x", b"version=2&debug", headers=[(b"x-beta", b"1")]), 6: Request(b"z", b"/x"),
        -NO_ROUTE: Request(api, b"/user/42", method="POST"),
    }  # fmt: skip
    assert [site.find(request)[0] for request in asked.values()] == list(asked)
    assert site.target(asked[0]) == b"/1"
    assert site.target(asked[1]) == b"/v%202/x"
    assert site.location(asked[4]) == b"https://WWW.example.org/x"
    assert [site.pool(0), site.pool(1), site.pool(3, 8), site.pool(3, 9)] == [3, 7, 3, 7]
    assert b"<p>no\n" in block
    assert b"Content-Type: text/plain\r\n" in block


def test_it_is_written_back_as_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "body.html").write_bytes(b"x")
    config = parse_config(FULL.replace("body.html", str(tmp_path / "body.html")))
    assert parse_config(to_yaml(config)) == config


def test_a_file_is_read_with_the_configuration_and_again_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "body.html").write_bytes(b"one")
    (tmp_path / "nginy.yaml").write_text(FULL)
    first = load_config(tmp_path / "nginy.yaml")
    (tmp_path / "body.html").write_bytes(b"two")
    second = load_config(tmp_path / "nginy.yaml")
    assert [config.listeners["web"].routes[-1].respond.content for config in (first, second)] == [b"one", b"two"]
    assert first != second, "so that a reload sees the change"


def test_a_file_of_more_than_a_mebibyte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "body.html").write_bytes(bytes((1 << 20) + 1))
    (tmp_path / "nginy.yaml").write_text(FULL)
    with pytest.raises(ConfigError, match="is larger than 1MiB"):
        load_config(tmp_path / "nginy.yaml")
    (tmp_path / "body.html").write_bytes(bytes(1 << 20))
    load_config(tmp_path / "nginy.yaml")


def test_a_listener_with_a_pool_alone_sends_everything_there() -> None:
    config = parse_config(POOLS + "listeners: {l: {bind: ':0', protocol: http, pool: p}}")
    site = Site(site_of(config.listeners["l"], {"p": 5}.__getitem__))
    assert site.find(Request(b"any", b"/a/../b")) == (0, 0)
    assert site.pool(0) == 5


def test_the_example_of_the_reference_is_fine(tmp_path: Path) -> None:
    examples = [text.partition("```")[0] for text in reference().split("```yaml\n")[1:]]
    (example,) = (text for text in examples if "protocol: http" in text)
    pools = ", ".join(f"{name}: {{backends: ['a:1']}}" for name in ("api", "users", "users-next", "beta"))
    (tmp_path / "nginy.yaml").write_text(f"pools: {{{pools}}}\n{example}")
    (tmp_path / "nothing-here.html").write_bytes(b"-")
    found: list = []
    load_config(tmp_path / "nginy.yaml", warnings=found)
    assert [warning.message for warning in found] == [
        "what no route of api.example.org fits gets 404: routes without `host` are for other hosts"
    ]
