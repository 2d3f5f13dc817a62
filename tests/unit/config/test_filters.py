"""Filters of HTTP: what cannot be, at its place; the table of roles; and what several filters come to together."""

import pytest

from nginy.backend.heads import edits_of
from nginy.config import parse_config, to_yaml
from nginy.errors import ConfigError
from nginy.model import PARTS, Filter, Listener, Policy, Route
from nginy.site.edits import Change, fold, template
from tests.unit.config.marked import Bad, check, whole

POOLS = "pools: {p: {backends: ['a:1']}}\n"


def outer(text: str, path: str, says: str, rest: str = "protocol: http, pool: p") -> Bad:
    """The filters of a listener."""
    text = f"{POOLS}listeners: {{l: {{bind: ':0', {rest}, filters: {text}}}}}"
    return whole(text, f"listeners.l.filters{path}", says)


def inner(text: str, path: str, says: str, action: str = "pool: p") -> Bad:
    """The filters of a route."""
    text = f"{POOLS}listeners: {{l: {{bind: ':0', protocol: http, routes: [{{{action}, filters: {text}}}]}}}}"
    return whole(text, f"listeners.l.routes[0].filters{path}", says)


LONG = "X: '" + "a" * 2000 + "'"
TABLE = [
    outer("[{§reqest: {remove: X}}]", "[0].reqest", "did you mean `request`?"),
    outer("[{§request_headers: {remove: X}}]", "[0].request_headers", "it is called `request` here"),
    outer("[{request: {§delete: X}}]", "[0].request.delete", "it is called `remove` here"),
    outer("[{request: {remove: X}, §response: {remove: X}}]", "[0].response", "a filter does one thing"),
    outer("[§{}]", "[0]", "this filter does nothing"),
    outer("[{§request: {}}]", "[0].request", "this filter does nothing"),
    outer("[{request: {set: §[X]}}]", "[0].request.set", "a mapping of values by name of header"),
    outer("[{request: {set: {§'X Y': a}}}]", "[0].request.set.\"X Y\"", "is not the name of a header"),
    outer("[{request: {set: {§'X:': a}}}]", "[0].request.set.\"X:\"", "is not the name of a header"),
    outer("[{request: {set: {§'': a}}}]", "[0].request.set.\"\"", "is not the name of a header"),
    outer("[{request: {set: {X: a, §x: b}}}]", "[0].request.set.x", "the header x is given twice"),
    outer('[{request: {set: {X: §"a\\r\\nHost: b"}}}]', "[0].request.set.X", "characters that cannot be printed"),
    outer('[{request: {set: {X: §"a\\nb"}}}]', "[0].request.set.X", "characters that cannot be printed"),
    outer('[{request: {set: {X: §"a\\0b"}}}]', "[0].request.set.X", "characters that cannot be printed"),
    outer('[{request: {set: {X: §"a\\x01"}}}]', "[0].request.set.X", "characters that cannot be printed"),
    outer("[{request: {set: {X: §' a'}}}]", "[0].request.set.X", "nor spaces at its ends"),
    outer("[{request: {set: {X: §é}}}]", "[0].request.set.X", "in ASCII")._replace(says="ASCII"),
    outer("[{request: {set: {X: §'{cleint}'}}}]", "[0].request.set.X", "did you mean {client}?"),
    outer("[{request: {set: {X: §'{nothing}'}}}]", "[0].request.set.X", "variables: client, request_id"),
    outer("[{request: {set: {X: §'a {'}}}]", "[0].request.set.X", "the brace at character 3"),
    outer("[{request: {set: {X: §'}'}}}]", "[0].request.set.X", "written twice"),
    outer("[{request: {set: {§Content-Length: '1'}}}]", "[0].request.set.Content-Length", "where a message ends"),
    outer("[{request: {add: {§content_length: '1'}}}]", "[0].request.add.content_length", "where a message ends"),
    outer("[{request: {set: {§Transfer-Encoding: a}}}]", "[0].request.set.Transfer-Encoding", "no rule may name it"),
    outer("[{request: {remove: §connection}}]", "[0].request.remove", "for one connection"),
    outer("[{request: {remove: [A, §TE]}}]", "[0].request.remove[1]", "for one connection"),
    outer("[{response: {set: {§Upgrade: h2c}}}]", "[0].response.set.Upgrade", "no rule may name it"),
    outer("[{response: {add: {§Trailer: X}}}]", "[0].response.add.Trailer", "no rule may name it"),
    outer("[{request: {set: {§X-Forwarded-For: a}}}]", "[0].request.set.X-Forwarded-For", "nginy's own business"),
    outer("[{request: {set: {§X_Request_ID: a}}}]", "[0].request.set.X_Request_ID", "with hyphens"),
    outer("[{request: {add: {§Host: a}}}]", "[0].request.add.Host", "a request has one Host"),
    outer("[{request: {remove: §Host}}]", "[0].request.remove", "a request has one Host"),
    *(
        outer(f"[{{request: {{set: {{§Host: '{host}'}}}}}}]", "[0].request.set.Host", "is not a host")
        for host in ("a/b", "a:0", "a:65536", "[::1", "[x]", "a b", "u@a", "a" * 256)
    ),
    outer("[{request: {set: {§Host: '{host}'}}}]", "[0].request.set.Host", "is not a host"),
    outer("[{request: {set: {§Host: ''}}}]", "[0].request.set.Host", "is not a host"),
    outer("[{response: {set: {§X: '{path}'}}}]", "[0].response.set.X", "known of requests only"),
    outer("[{response: {set: {X: a}, remove: §x}}]", "[0].response.remove", "`set` and `remove` in one filter"),
    outer("[{response: {set: {X: a}, add: {§x: b}}}]", "[0].response.add.x", "`set` and `add` in one filter"),
    outer(f"§[{{response: {{set: {{{LONG}}}}}}}, {{response: {{set: {{{LONG}}}}}}}]", "", "at most 3072 are allowed"),
    outer("[{request: {remove: X}}]", "", "`filters` is for HTTP", "§")._replace(
        text=POOLS + "listeners: {l: {bind: ':0', pool: p, §filters: [{request: {remove: X}}]}}"),
    inner("[{§request: {remove: X}}]", "[0].request", "this route answers itself", "respond: {status: 200}"),
    inner("[{§request: {remove: X}}]", "[0].request", "this route answers itself", "redirect: /a"),
]  # fmt: skip


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: f"{bad.path}: {bad.says}"[:90])
def test_what_cannot_be_is_told_where_it_stands(bad: Bad) -> None:
    check(bad)


FULL = POOLS + """
listeners:
  web:
    bind: ":80"
    protocol: http
    filters:
      - request: {set: {X-Team: "{listener}-{route}", Host: inner.example.org}, remove: [Cookie, X-Debug]}
      - response: {set: {Strict-Transport-Security: max-age=60}, remove: Server}
    routes:
      - pool: p
        filters:
          - request: {add: {X-Team: "${{x}} {{{client}}}"}}
          - response: {set: {Server: nginy, Set-Cookie: "a=b"}}
"""


def test_it_is_written_back_as_it_was_read() -> None:
    config = parse_config(FULL.replace("${{x}}", "$${{x}}"))
    assert parse_config(to_yaml(config)) == config


def test_filters_run_outer_to_inner_on_requests_and_back_on_responses() -> None:
    config = parse_config(FULL.replace("${{x}}", "$${{x}}"))
    listener = config.listeners["web"]
    requests, responses = edits_of(listener, listener.routes[0])
    assert requests == [
        ("set", "X-Team", "{listener}-{route}"), ("set", "Host", "inner.example.org"),
        ("add", "X-Team", "${{x}} {{{client}}}"), ("remove", "Cookie", ""), ("remove", "X-Debug", ""),
    ]
    assert responses == [
        ("set", "Set-Cookie", "a=b"), ("set", "Strict-Transport-Security", "max-age=60"), ("remove", "Server", ""),
    ]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ([Change(add=[("X", "1")]), Change(set=[("x", "2")])], [("set", "x", "2")]),
        ([Change(set=[("X", "1")]), Change(add=[("x", "2")])], [("set", "X", "1"), ("add", "x", "2")]),
        ([Change(set=[("X", "1")]), Change(remove=["x"])], [("remove", "X", "")]),
        ([Change(remove=["X"]), Change(add=[("x", "1")])], [("set", "x", "1")]),
        ([Change(add=[("A", "1"), ("B", "2")]), Change(remove=["a"])], [("add", "B", "2"), ("remove", "a", "")]),
        ([Change(set=[("A", "1")]), Change(set=[("A", "2")])], [("set", "A", "2")]),
    ],
)
def test_a_later_change_sees_what_an_earlier_one_has_made(changes: list[Change], left: list) -> None:
    assert fold(changes) == left


def test_braces_are_variables_or_written_twice() -> None:
    assert template("a{client}{{b}}{{{path}}}") == [
        (False, "a"), (True, "client"), (False, "{"), (False, "b"), (False, "}"), (False, "{"), (True, "path"),
        (False, "}"),
    ]  # fmt: skip


def test_the_table_of_roles_is_what_the_models_have() -> None:
    fields = {"listener": Listener.model_fields, "route": Route.model_fields}
    for part in PARTS:
        if part.role == "handler":
            assert {place for place in fields if part.name in fields[place]} == set(part.places)
        elif part.role == "filter":
            assert part.name in Filter.model_fields
            assert all("filters" in fields[place] for place in part.places)
    assert set(Filter.model_fields) == {part.name for part in PARTS if part.role == "filter"}
    kinds = [model.model_fields["kind"].default for model in Policy.__origin__.__args__]
    assert [part.name for part in PARTS if part.role == "balancer"] == kinds


def test_too_many_filters_are_refused() -> None:
    text = "[" + ", ".join(["{request: {remove: X}}"] * 65) + "]"
    with pytest.raises(ConfigError, match="64"):
        parse_config(f"{POOLS}listeners: {{l: {{bind: ':0', protocol: http, pool: p, filters: {text}}}}}")
