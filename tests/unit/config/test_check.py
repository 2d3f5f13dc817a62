"""Text to model: forms that are accepted, every problem in one pass, and what surrounds that."""

import json
import subprocess
import sys
import time

import pytest
from pydantic import ValidationError

from nginy.config import parse_config
from nginy.config.translate import explain
from nginy.errors import ConfigError, NginyError
from nginy.model import Backend, BackTcp, FrontTcp, HttpHealth, Listener, Pool

from .marked import refused

MANY = """\
version: 1
runtime: {workers: 0, usr: x, log: {level: loud}}
defaults: {timeouts: {idle: soon}}
pools:
  api:
    policy: fastest
    backends:
      - 10.0.0.1
      - {address: "b:1", weight: 70000, zone: a}
      - {weight: 2}
  api: {}
  Web: {backends: []}
listeners:
  web: {bind: [":80", ":80", "x:1"], pool: apj, half_close: '${UNSET_IN_TESTS}'}
  db: {protocol: socks5, pool: api}
admin: {http: 0.0.0.0:1}
"""
MANY_FOUND = [
    (2, 20, "runtime.workers"),
    (2, 23, "runtime.usr"),
    (2, 44, "runtime.log.level"),
    (3, 29, "defaults.timeouts.idle"),
    (6, 13, "pools.api.policy"),
    (8, 9, "pools.api.backends[0]"),
    (9, 34, "pools.api.backends[1].weight"),
    (9, 41, "pools.api.backends[1].zone"),
    (10, 9, "pools.api.backends[2].address"),
    (11, 3, "pools.api"),
    (12, 3, "pools.Web"),
    (12, 19, "pools.Web.backends"),
    (14, 23, "listeners.web.bind[1]"),
    (14, 30, "listeners.web.bind[2]"),
    (14, 44, "listeners.web.pool"),
    (14, 61, "listeners.web.half_close"),
    (15, 3, "listeners.db.bind"),
    (15, 18, "listeners.db.protocol"),
    (16, 15, "admin.http"),
]


def test_every_problem_of_a_file_is_reported_in_one_pass() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(MANY, name="many.yaml", env={})
    problems = caught.value.problems
    found = [(p.line, p.column, p.path) for p in problems]
    assert found == MANY_FOUND, "\n".join(map(str, problems))
    assert all(p.file == "many.yaml" and p.message for p in problems)
    assert str(caught.value).count("\n") == len(problems) - 1
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, NginyError)


def test_problem_reads_as_one_line() -> None:
    text = "pools: {p: {backends: ['a:1']}}\nlisteners: {l: {bnd: ':0', bind: ':0', pool: p}}"
    assert refused(text, name="n.yaml") == [
        "n.yaml:2:17: listeners.l.bnd: this key is not known here (did you mean `bind`?)"
    ]


SHORT = """\
pools: {p: {backends: ["a:1"], policy: least_conn, health: http}}
listeners: {l: {bind: ":80", pool: p}}
"""
LONG = """\
version: 1
pools:
  p:
    policy: {kind: least_conn}
    backends: [{address: "a:1", weight: 1, state: ready, tier: 0}]
    health: {kind: http, interval: 2s, path: "/"}
listeners:
  l: {bind: ["0.0.0.0:80"], pool: p, protocol: tcp, half_close: true, timeouts: {idle: 15m}}
runtime:
defaults: {}
admin: ~
"""


def test_short_and_long_forms_mean_the_same() -> None:
    assert parse_config(SHORT) == parse_config(LONG)


def test_backends_of_all_pools_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginy.config.cross.BACKENDS_MAX", 3)
    pools = "pools: {p: {backends: ['a:1', 'b:1']}, q: {backends: ['a:1', 'b:1']}}\n"
    [problem] = refused(pools + "listeners: {l: {bind: ':0', pool: p}}")
    assert "<config>:1:24: pools: 4 backends in all pools; at most 3 are allowed" in problem


def test_complaint_of_an_unknown_kind_is_passed_on() -> None:
    assert explain({"type": "new_in_pydantic", "msg": "Input is odd"}, None) == ("input is odd", "")


def test_json_is_accepted_with_tabs() -> None:
    tree = {"pools": {"p": {"backends": ["a:1"]}}, "listeners": {"l": {"bind": ":0", "pool": "p"}}}
    text = json.dumps(tree, indent="\t")
    assert parse_config(text) == parse_config(tree) == parse_config(json.dumps(tree))


def test_words_for_on_and_off() -> None:
    def listener(text: str) -> Listener:
        tree = f"pools: {{p: {{backends: ['a:1']}}}}\nlisteners: {{l: {{bind: ':0', pool: p, {text}}}}}"
        return parse_config(tree).listeners["l"]

    assert [listener(f"half_close: {word}").half_close for word in ("on", "true", "off", "false")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [listener(f"keepalive: {word}").keepalive for word in ("off", "false", "null", "30", "1m")] == [
        None, None, None, 30, 60,
    ]  # fmt: skip


def test_words_of_yaml_1_1_for_off_and_on_are_the_words() -> None:
    text = """
pools: {p: {backends: ["a:1"]}}
listeners: {l: {bind: ":0", pool: p, splice: false}}
runtime: {affinity: true}
"""
    config = parse_config(text)
    assert (config.listeners["l"].splice, config.runtime.affinity) == ("off", "on")


def test_affinity_is_a_word_or_a_list_of_cpus() -> None:
    def affinity(text: str) -> object:
        tree = "pools: {p: {backends: ['a:1']}}\nlisteners: {l: {bind: ':0', pool: p}}\n"
        return parse_config(f"{tree}runtime: {{{text}}}").runtime.affinity

    words = ("", "affinity: off", "affinity: on", "affinity: [3, 0, 3]", "affinity: [7]")
    assert [affinity(text) for text in words] == ["off", "off", "on", (3, 0, 3), (7,)]


def test_tcp_options_are_read_and_have_the_kernels_defaults() -> None:
    text = """
pools: {p: {backends: ["a:1"], tcp: {quickack: on, fastopen: on, congestion: bbr}}, q: {backends: ["a:1"]}}
listeners:
  l: {bind: ":0", pool: p, tcp: {defer_accept: 5s, quickack: off, fastopen: 16, congestion: cubic}}
  m: {bind: [":0", "unix:/m"], pool: q, tcp: {defer_accept: off}}
  n: {bind: "systemd:n", pool: q, tcp: {quickack: off}}
  o: {bind: "unix:/o", pool: q, tcp: }
"""
    config = parse_config(text)
    assert config.pools["p"].tcp == BackTcp(quickack=True, fastopen=True, congestion="bbr")
    assert config.pools["q"].tcp == BackTcp(quickack=False, fastopen=False, congestion=None)
    front = FrontTcp(defer_accept=5.0, quickack=False, fastopen=16, congestion="cubic")
    assert config.listeners["l"].tcp == front
    usual = FrontTcp(defer_accept=None, quickack=True, fastopen=None, congestion=None)
    assert config.listeners["m"].tcp == config.listeners["o"].tcp == usual


def test_backup_is_tier_1() -> None:
    [first, second] = pool_of("[{address: 'a:1', backup: on}, {address: 'b:1', tier: 3}]").backends
    assert (first.tier, first.backup) == (1, True)
    assert (second.tier, second.backup) == (3, True)


def pool_of(backends: str) -> Pool:
    return parse_config(
        f"pools: {{p: {{backends: {backends}}}}}\nlisteners: {{l: {{bind: ':0', pool: p}}}}"
    ).pools["p"]


def test_status_ranges_are_read_and_applied() -> None:
    text = "health: {kind: http, expect: {status: [204, 300-399, '418']}}"
    config = parse_config(
        f"pools: {{p: {{backends: ['a:1'], {text}}}}}\nlisteners: {{l: {{bind: ':0', pool: p}}}}"
    )
    health = config.pools["p"].health
    assert isinstance(health, HttpHealth)
    assert health.expect.status == ("204", "300-399", "418")
    accepted = [code for code in range(100, 600) if health.expect.accepts(code)]
    assert accepted == [204, *range(300, 400), 418]


def test_model_is_frozen_and_strict() -> None:
    config = parse_config(SHORT)
    with pytest.raises(ValidationError):
        config.version = 2  # type: ignore[assignment,misc]
    for wrong in (
        {"address": "a:1", "weight": "3"},
        {"address": "a:1", "weight": True},
        {"address": "a:1", "x": 1},
    ):
        with pytest.raises(ValidationError):
            Backend(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Backend(address="a:1", backup=False, tier=2)


def test_thousand_backends_load_quickly() -> None:
    lines = "\n".join(
        f'      - {{address: "10.0.{n // 250}.{n % 250}:80", weight: {n % 9 + 1}}}' for n in range(1000)
    )
    text = f"pools:\n  p:\n    backends:\n{lines}\nlisteners: {{l: {{bind: ':0', pool: p}}}}"
    took_s = []
    for _ in range(5):
        began_s = time.process_time()
        parse_config(text)
        took_s.append(time.process_time() - began_s)
    assert min(took_s) < 0.15


def test_importing_the_package_loads_neither_yaml_nor_pydantic() -> None:
    program = (
        "import sys, nginy.config; print([name for name in ('yaml', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_libyaml_the_slow_parser_says_so_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, refused_fast = parse_config(LONG), refused(MANY, name="many.yaml", env={})
    monkeypatch.setattr("yaml.__with_libyaml__", False)
    with pytest.warns(RuntimeWarning, match="built without libyaml"):
        assert parse_config(LONG) == fast
    with pytest.warns(RuntimeWarning):
        assert refused(MANY, name="many.yaml", env={}) == refused_fast
