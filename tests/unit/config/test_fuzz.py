"""Whatever is given, the answer is a configuration or a ConfigError with places inside the text."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nginy.config import parse_config, to_yaml
from nginy.config.dump import _flow
from nginy.config.shape import keys_of, walk_models
from nginy.errors import ConfigError
from nginy.model import Config

from .test_bad_keys import TABLE as BAD_KEYS
from .test_bad_text import TABLE as BAD_TEXT
from .test_bad_udp import TABLE as BAD_UDP
from .test_bad_values import TABLE as BAD_VALUES
from .trees import CALM, CONFIGS

KEYS = sorted(
    {key for _, _, model in walk_models(Config) for key in keys_of(model)} | {"include", "tls", "x", "", "<<"}
)
LINE_BREAKS = ("\n", "\r", "\x85", "\u2028", "\u2029")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["tcp", "http", "off", "on", "auto", "a:1", ":80", "[::1]:1", "5s", "64k", "${X}", "200-299", "p",
         "udp", "dns", "5/s", "00ff", "10.0.0.0/8", ":5-9", "\n"]
    ),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner)
    ),
    max_leaves=20,
)
SOME = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), TREES, max_size=6)
WHOLE = st.builds(lambda some, both: some | both, SOME, st.fixed_dictionaries({"pools": TREES, "listeners": TREES}))
PIECES = """pools: listeners: - { } [ ] : , &a *a !x | > ' " # --- ... %YAML ? <<: a 1 ${A} ${ \\ é"""
FRAGMENTS = st.sampled_from(
    [*PIECES.split(), ": ", "- ", "? ", "\n", " ", "  ", "\t", "\r", "\u2028", "\0", "---\n"]
)


def answer(given_tree: Any) -> Config | None:
    try:
        return parse_config(given_tree, name="f", env={"A": "[1]"})
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.file == "f"
            assert problem.message
            assert str(problem).startswith("f")
        return None


def check_places(text: str) -> None:
    """A refusal points into the text, or right behind it."""
    try:
        parse_config(text, name="f", env={"A": "[1]"})
    except ConfigError as error:
        n_lines = 1 + sum(text.count(line_break) for line_break in LINE_BREAKS)
        for problem in error.problems:
            assert 1 <= problem.line <= n_lines + 1
            assert problem.column >= 1


def broken(tree: Any, draw: Any) -> Any:
    """The tree with one value somewhere replaced by any other."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(tree)))
        return tree | {key: broken(tree[key], draw)}
    if isinstance(tree, list) and tree and draw(st.integers(0, 5)):
        index = draw(st.integers(0, len(tree) - 1))
        return [*tree[:index], broken(tree[index], draw), *tree[index + 1 :]]
    return draw(TREES)


@given(SOME | WHOLE)
@settings(CALM, max_examples=300)
def test_any_tree_is_accepted_or_refused(tree: dict[str, Any]) -> None:
    answer(tree)


@given(CONFIGS, st.data())
@settings(CALM, max_examples=300)
def test_valid_tree_with_one_value_replaced_is_accepted_or_refused(
    tree: dict[str, Any], data: st.DataObject
) -> None:
    config = answer(broken(tree, data.draw))
    if config is not None:
        assert parse_config(to_yaml(config), env={}) == config


@given(st.text(max_size=200))
@settings(CALM, max_examples=300)
def test_any_text_is_accepted_or_refused(text: str) -> None:
    check_places(text)


@given(st.lists(FRAGMENTS, max_size=40).map("".join))
@settings(CALM, max_examples=500)
@example("? \n&a")
def test_any_string_of_yaml_pieces_is_accepted_or_refused(text: str) -> None:
    check_places(text)


@given(CONFIGS, st.data())
@CALM
def test_valid_text_with_a_few_characters_changed_is_accepted_or_refused(
    tree: dict[str, Any], data: st.DataObject
) -> None:
    text = _flow(tree) if data.draw(st.booleans()) else to_yaml(parse_config(tree, env={}))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(FRAGMENTS) + text[at + data.draw(st.integers(0, 3)) :]
    check_places(text)


def test_the_set_of_bad_configurations_is_large() -> None:
    texts = {bad.text for table in (BAD_TEXT, BAD_KEYS, BAD_UDP, BAD_VALUES) for bad in table}
    assert len(texts) >= 120
