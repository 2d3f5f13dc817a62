"""Prereads, routes by server name, groups of pools: what is read, what is refused and where, what a reload sees."""

import pytest

from nginy.config import diff_configs, parse_config, to_yaml
from nginy.errors import ConfigError
from tests.unit.config.marked import LISTENER, Bad, check, listener, pool, whole

TWO = "pools: {p: {backends: ['a:1']}, q: {backends: ['b:1']}}\n"
ROUTES = "preread: tls_hello, routes: "


def routes(text: str, path: str, says: str, more: str = "preread: tls_hello") -> Bad:
    """The routes of the only listener, beside two pools."""
    return whole(f"{TWO}listeners: {{l: {{bind: ':0', {more}, routes: {text}}}}}", f"listeners.l{path}", says)


def group(text: str, path: str, says: str) -> Bad:
    """A group beside two pools."""
    pools = f"{{p: {{backends: ['a:1']}}, q: {{backends: ['b:1']}}, g: {text}}}"
    return whole(f"pools: {pools}\n{LISTENER}", f"pools.g{path}", says)


PREREADS = [
    listener("preread: §0", ".preread", "expected 1 to 16384, got 0"),
    listener("preread: §16385", ".preread", "expected 1 to 16384, got 16385"),
    listener("preread: §on", ".preread", "expected a whole number or `tls_hello`"),
    listener("preread: {§timeout: 1s}", ".preread.until", "")._replace(
        text="pools: {p: {backends: ['a:1']}}\nlisteners: {l: {bind: ':0', pool: p, §preread: {timeout: 1s}}}",
        says="this key is missing",
    ),
    listener("preread: {until: §sni}", ".preread.until", "expected a whole number or `tls_hello`"),
    listener("preread: {until: 4, timeout: §0}", ".preread.timeout", "expected 1ms to 30d"),
    listener("§ssl_preread: on", ".ssl_preread", "it is called `preread` here"),
    listener("protocol: udp, §preread: 4", ".preread", "`preread` is for TCP"),
]
ROUTE_TABLES = [
    routes("[{sni: a.org, pool: §x}]", ".routes[0].pool", "there is no pool 'x'"),
    routes("[§{sni: a.org}]", ".routes[0].pool", "this key is missing"),
    routes("§[]", ".routes", "needs at least one entry"),
    routes("[{sni: §[], pool: p}]", ".routes[0].sni", "needs at least one entry"),
    routes("[{sni: a.org, pool: p}, {sni: §A.org, pool: q}]", ".routes[1].sni", "a.org has a route already, at case"),
    routes("[{sni: [a.org, b.org, §a.org], pool: p}]", ".routes[0].sni[2]", "a.org has a route already"),
    routes("[{sni: '*.a.org', pool: p}, {sni: §'*.a.org', pool: q}]", ".routes[1].sni", "*.a.org has a route already"),
    routes("[{pool: p}, §{pool: q}]", ".routes[1]", "there is a route for the rest already"),
    routes("[{sni: §a..b, pool: p}]", ".routes[0].sni", "'a..b' is not the name of a server"),
    routes("[{sni: §'a.org.', pool: p}]", ".routes[0].sni", "write a.org"),
    routes("[{sni: §'*', pool: p}]", ".routes[0].sni", "write *.example.org"),
    routes("[{sni: §'a.*.org', pool: p}]", ".routes[0].sni", "an asterisk stands for all names below one"),
    routes("[{sni: §bücher.de, pool: p}]", ".routes[0].sni", "write xn--bcher-kva.de"),
    routes("[{sni: §'10.0.0.1:443', pool: p}]", ".routes[0].sni", "is not the name of a server"),
    routes("[{sni: §7, pool: p}]", ".routes[0].sni", "expected the name of a server"),
    routes("[{§host: a.org, pool: p}]", ".routes[0].host", "write `sni`"),
    whole(f"{TWO}listeners: {{l: {{bind: ':0', §routes: [{{pool: p}}]}}}}", "listeners.l.routes", "`preread: tls_"),
    whole(
        f"{TWO}listeners: {{l: {{bind: ':0', preread: 16, §routes: [{{pool: p}}]}}}}",
        "listeners.l.routes", "which nothing waits for here"),
    routes("[{pool: p}]", ".pool", "either `pool` or `routes`", "§pool: q, preread: tls_hello"),
    listener("protocol: udp, §routes: [{pool: p}]", ".routes", "`routes` is for TCP"),
]  # fmt: skip
GROUPS = [
    group("{of: [p, §x]}", ".of[1].pool", "there is no pool 'x'")._replace(path="pools.g.of[1]"),
    group("{of: [{pool: §x, weight: 2}]}", ".of[0].pool", "there is no pool 'x'"),
    group("{of: §[]}", ".of", "needs at least one entry"),
    group("{of: [p, §p]}", ".of[1]", "'p' is already in this group, at case.yaml"),
    group("{of: [p, §g]}", ".of[1]", "not of this group itself"),
    group("{of: [{pool: p, weight: §65536}]}", ".of[0].weight", "expected 0 to 65535"),
    group("{of: [{pool: p, weight: §0}, {pool: q, weight: 0}]}", ".of", "every member has weight 0"),
    group("{of: [p], §backends: ['c:1']}", ".backends", "a pool with `of` is a group, which has no `backends`"),
    group("{of: [p], §policy: least_conn}", ".policy", "give `policy` to its members"),
    group("{of: [p], §health: tcp}", ".health", "give `health` to its members"),
    whole(
        "pools: {p: {backends: ['a:1']}, g: {of: [p]}, h: {of: [p, §g]}}\n" + LISTENER, "pools.h.of[1]",
        "not of 'g', which is a group too",
    ),
    whole(
        "pools: {p: {backends: ['a:1']}, "
        + ", ".join(f"p{i}: {{backends: ['a:1']}}" for i in range(65))
        + ", g: {of: §[" + ", ".join(f"p{i}" for i in range(65)) + "]}}\n" + LISTENER,
        "pools.g.of", "has 65 entries; at most 64 are allowed"),
    pool("§members: [a]", ".members", "it is called `of` here"),
]  # fmt: skip
AROUND = [
    whole(
        "pools: {p: {backends: ['a:1'], policy: §{kind: ring, key: sni}}, g: {of: [p]}}\n"
        "listeners: {l: {bind: ':0', pool: g}}",
        "pools.p.policy",
        "give it `preread: tls_hello`",
    ),
    whole(
        "pools: {p: {backends: ['a:1'], policy: §{kind: ring, key: {kind: bytes, offset: 4, length: 8}}}}\n"
        "listeners: {l: {bind: ':0', pool: p, preread: 11}}",
        "pools.p.policy",
        "it waits for 11 bytes, and the key ends at byte 12",
    ),
    whole(
        "pools: {p: {backends: ['a:1'], policy: §{kind: ring, key: sni}}, q: {backends: ['a:1']}}\n"
        "listeners: {l: {bind: ':0', preread: tls_hello, routes: [{pool: p}]}, m: {bind: ':1', pool: p}}",
        "pools.p.policy",
        "the listener 'm'",
    ),
    whole(
        "pools: {p: {backends: ['unix:/run/a']}, q: {backends: ['b:1']}, g: {of: [q, p]}}\n".replace(
            "'unix:/run/a'", "§'unix:/run/a'")
        + "listeners: {l: {bind: ':0', pool: g, protocol: udp}}",
        "pools.p.backends[0]",
        "unix:/run/a is in the pool of the UDP listener 'l'",
    ),
    whole(
        "pools: {p: {backends: ['a:1'], udp: {transparent: on}}, q: {backends: ['b:1']}, g: {of: [q, p]}}\n"
        "listeners: {l: {bind: ':0', pool: §g, protocol: udp}}",
        "listeners.l.pool",
        "`udp.transparent` is on in some pools of this group and off in others",
    ),
    whole(
        "pools: {p: {backends: [§'127.0.0.1:81']}, g: {of: [p]}}\nlisteners: {l: {bind: ':81', pool: g}}",
        "pools.p.backends[0]",
        "leads back here",
    ),
    whole(
        "pools: {p: {backends: [§'127.0.0.1:81']}}\n"
        "listeners: {l: {bind: ':81', preread: tls_hello, routes: [{pool: p}]}}",
        "pools.p.backends[0]",
        "leads back here",
    ),
]


TABLE = [*PREREADS, *ROUTE_TABLES, *GROUPS, *AROUND]


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: f"{bad.path}-{bad.says[:30]}")
def test_what_cannot_be_is_refused_at_its_place(bad: Bad) -> None:
    check(bad)


def test_all_routes_together_have_a_bound() -> None:
    names = ", ".join(f"h{i}.org" for i in range(65536))
    text = f"{TWO}listeners: {{l: {{bind: ':0', {ROUTES}[{{sni: [{names}], pool: p}}]}}"
    assert len(parse_config(text + "}").listeners["l"].routes[0].sni or ()) == 65536
    with pytest.raises(ConfigError, match="all listeners have 65537 server names; at most 65536 are allowed"):
        parse_config(f"{text}, m: {{bind: ':1', {ROUTES}[{{sni: a.org, pool: p}}]}}}}")


WHOLE = """\
defaults: {policy: least_conn, health: tcp, resolve: 5s}
pools:
  blue: {backends: ["10.0.0.1:443"]}
  green: {backends: ["10.0.0.2:443"]}
  site: {of: [{pool: blue, weight: 9}, green]}
listeners:
  web:
    bind: ":443"
    preread: {until: tls_hello, timeout: 2s}
    routes:
      - {sni: [App.Example.org, "*.example.org"], pool: site}
      - {pool: green}
"""


def test_a_whole_one_is_read_and_written_again() -> None:
    config = parse_config(WHOLE)
    site, web = config.pools["site"], config.listeners["web"]
    assert [(member.pool, member.weight) for member in site.of] == [("blue", 9), ("green", 1)]
    assert (site.backends, site.policy.kind, site.health) == ((), "round_robin", None)
    assert web.routes[0].sni == ("app.example.org", "*.example.org")
    assert (web.pool, web.pools, web.default_pool) == (None, ("site", "green"), "green")
    assert config.leaves(*web.pools) == ("blue", "green")
    assert parse_config(to_yaml(config)) == config


def test_a_reload_sees_members_and_routes_as_keys() -> None:
    changed = WHOLE.replace("weight: 9", "weight: 8").replace("- {pool: green}", "- {pool: blue}")
    changes = diff_configs(parse_config(WHOLE), parse_config(changed))
    assert [(change.kind, change.name) for change in changes] == [("pool_changed", "site"), ("listener_changed", "web")]
    assert str(changes[0]) == "pools.site changed: of {pool: blue, weight: 9}, green -> {pool: blue, weight: 8}, green"
    assert str(changes[1]).endswith("{pool: green} -> {sni: app.example.org, *.example.org, pool: site}, {pool: blue}")
