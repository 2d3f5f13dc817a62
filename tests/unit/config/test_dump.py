"""Model to YAML and back."""

from typing import Any

import pytest
import yaml
from hypothesis import given

from nginy.config import config_from, parse_config, to_yaml
from nginy.config.reference import EXAMPLE, FULL_EXAMPLE
from nginy.errors import ConfigError
from nginy.model import Backend, Config, Defaults, Limits, Listener, Pool, Timeouts

from .trees import CALM, CONFIGS


@given(CONFIGS)
@CALM
def test_config_that_was_printed_loads_equal(tree: dict[str, Any]) -> None:
    config = parse_config(tree, env={})
    text = to_yaml(config)
    assert parse_config(text, env={}) == config
    assert to_yaml(parse_config(text, env={})) == text


@given(CONFIGS)
@CALM
def test_checked_config_is_checked_to_itself(tree: dict[str, Any]) -> None:
    config = parse_config(tree, env={})
    assert config_from(config) == config


@given(CONFIGS)
@CALM
def test_other_readers_of_yaml_see_the_same_texts(tree: dict[str, Any]) -> None:
    """PyYAML goes by YAML 1.1: names and addresses must not turn into numbers or booleans there."""
    config = parse_config(tree, env={})
    read = yaml.safe_load(to_yaml(config))
    assert list(read["pools"]) == list(config.pools)
    assert list(read["listeners"]) == list(config.listeners)
    assert all(isinstance(entry["pool"], str) for entry in read["listeners"].values())


def test_smallest_config_prints_as_people_would_write_it() -> None:
    config = parse_config(
        {"pools": {"p": {"backends": ["a:1"]}}, "listeners": {"l": {"bind": ":0", "pool": "p"}}}
    )
    assert to_yaml(config) == (
        "version: 1\n\n"
        'pools:\n  p:\n    backends:\n      - "a:1"\n\n'
        'listeners:\n  l: {bind: "0.0.0.0:0", pool: p}\n'
    )


def test_arguments_of_a_class_print_as_they_were_read() -> None:
    args = {"limit": 3, "ratio": 0.5, "names": ["on", "1", "${HOME}", {"deep": None}], "is_strict": True, "none": {}}

    def config_with(args: dict[str, Any]) -> Config:
        policy = {"kind": "python", "call": "__main__:Pick", "args": args}
        pools = {"p": {"policy": policy, "backends": ["a:1"]}}
        return parse_config({"pools": pools, "listeners": {"l": {"bind": ":0", "pool": "p"}}}, env={"HOME": "there"})

    found = config_with(args).pools["p"].policy.args  # type: ignore[union-attr]
    assert found == args | {"names": ["on", "1", "there", {"deep": None}]}
    for config in (config_with(args), config_with({"it": "$${X}"})):
        assert parse_config(to_yaml(config), env={}) == config


def test_what_defaults_say_is_left_out() -> None:
    text = to_yaml(parse_config(EXAMPLE + "defaults: {timeouts: {idle: 1h}, health: {kind: http, rise: 2}}"))
    assert "timeouts: {idle: 1h}" in text
    assert text.count("1h") == text.count("rise") == 1
    assert "health: {kind: http, interval: 1s, path: /healthz}" in text


def test_tcp_options_are_printed_in_one_line_and_defaults_not_at_all() -> None:
    tree = {
        "defaults": {"splice": "off"},
        "pools": {"p": {"backends": ["a:1"], "tcp": {"quickack": "off", "congestion": "bbr"}}},
        "listeners": {
            "l": {"bind": ":0", "pool": "p", "tcp": {"defer_accept": "off", "fastopen": 16}},
            "m": {"bind": ":0", "pool": "p", "splice": "auto", "tcp": {"quickack": "on"}},
        },
    }
    text = to_yaml(parse_config(tree))
    assert "    tcp: {congestion: bbr}\n" in text
    assert 'l: {bind: "0.0.0.0:0", pool: p, tcp: {fastopen: 16}}\n' in text
    assert 'm: {bind: "0.0.0.0:0", pool: p, splice: auto}\n' in text
    assert text.count("splice: off") == 1
    assert parse_config(text) == parse_config(tree)


def test_names_that_look_like_other_things_are_quoted() -> None:
    names = ["null", "true", "on", "yes", "n", "off"]
    tree = {
        "pools": {name: {"backends": ["a:1"]} for name in names},
        "listeners": {name: {"bind": ":0", "pool": name} for name in names},
    }
    text = to_yaml(parse_config(tree))
    assert list(parse_config(text).pools) == names
    assert list(yaml.safe_load(text)["pools"]) == names


@pytest.mark.parametrize(
    "path",
    ["a b", "x" * 200, "${A}", "$${A}", "'", '"', "\\", "a: b", "a #b", "#a", "*", "é", "[a]", "1", "~"],
)
def test_texts_survive_whatever_they_contain(path: str) -> None:
    pools = {"p": Pool(backends=(Backend(address="a:1"),))}
    listeners = {"l": Listener(bind=(":0",), pool="p")}
    config = Config(pools=pools, listeners=listeners).model_copy(
        update={"runtime": Config.model_fields["runtime"].default.model_copy(update={"pid_file": path})}
    )
    assert parse_config(to_yaml(config), env={}).runtime.pid_file == path


def test_long_lists_get_lines_of_their_own() -> None:
    binds = [f"10.0.0.{n}:80" for n in range(20)]
    tree = {"pools": {"p": {"backends": ["a:1"]}}, "listeners": {"l": {"bind": binds, "pool": "p"}}}
    text = to_yaml(parse_config(tree))
    assert '    bind:\n      - "10.0.0.0:80"\n' in text
    assert max(map(len, text.splitlines())) < 100
    assert parse_config(text) == parse_config(tree)


def test_model_made_in_python_is_printed_as_checked() -> None:
    config = Config(
        defaults=Defaults(timeouts=Timeouts(idle=60.0), limits=Limits(retries=0)),
        pools={"p": Pool(backends=(Backend(address="A:1"),))},
        listeners={"l": Listener(bind=(":80",), pool="p")},
    )
    assert parse_config(to_yaml(config)) == config_from(config)
    assert config_from(config).listeners["l"].timeouts.half_close == 60


def test_model_that_does_not_pass_the_checks_is_not_printed() -> None:
    config = Config(pools={}, listeners={"l": Listener(bind=(":80",), pool="p")})
    with pytest.raises(ConfigError, match="there is no pool 'p'"):
        to_yaml(config)


def test_fuller_example_of_the_reference_survives() -> None:
    config = parse_config(FULL_EXAMPLE.replace("include: [pools.d/db.yaml]\n", ""), env={})
    assert parse_config(to_yaml(config)) == config
