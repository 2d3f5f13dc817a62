"""The JSON Schema accepts what nginy accepts, and knows every key."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from nginy.config import json_schema, parse_config, to_yaml
from nginy.config.reference import EXAMPLE, FULL_EXAMPLE
from nginy.config.shape import keys_of, walk_models
from nginy.model import Config

from .marked import MARK
from .test_bad_keys import LATER, UNKNOWN
from .trees import CALM, CONFIGS

jsonschema = pytest.importorskip("jsonschema")


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def errors(tree: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(tree)]


def test_schema_is_valid_2020_12_and_plain_json() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_every_key_has_a_description() -> None:
    schema = json_schema()
    for _, _, model in walk_models(Config):
        properties = schema["$defs"][model.__name__]["properties"]
        assert list(properties) == list(keys_of(model))
        assert [
            key for key, told in properties.items() if key != "kind" and not told.get("description")
        ] == []


@pytest.mark.parametrize("text", [EXAMPLE, FULL_EXAMPLE])
def test_examples_of_the_reference_are_valid(text: str) -> None:
    assert errors(yaml_1_2(text)) == []


def test_committed_examples_are_valid() -> None:
    """Every YAML block of the documentation that is a configuration, and every example file."""
    root = Path(__file__).parents[3]
    pages = [path for path in (root / "README.md", *root.glob("docs/*.md")) if path.exists()]
    blocks = [block.split("```")[0] for page in pages for block in page.read_text().split("```yaml\n")[1:]]
    texts = [block for block in blocks if "listeners:" in block or "pools:" in block]
    texts += [path.read_text() for path in root.glob("**/examples/*.yaml")]
    assert texts
    for text in texts:
        assert errors(yaml_1_2(text)) == [], text


def yaml_1_2(text: str) -> Any:
    """The tree of a text by the rules of this package, as an editor with YAML 1.2 sees it."""
    from nginy.config.load import read_text
    from nginy.config.tree import Mapping, Node, Problems, Sequence

    def plain(node: Node | None) -> Any:
        if isinstance(node, Mapping):
            return {key: plain(value) for key, value in node.entries.items()}
        if isinstance(node, Sequence):
            return [plain(item) for item in node.items]
        return None if node is None else node.value

    return plain(read_text(text, "t", None, Problems()))


@given(CONFIGS)
@CALM
def test_what_is_accepted_is_valid(tree: dict[str, Any]) -> None:
    parse_config(tree, env={})
    assert errors(json.loads(json.dumps(tree))) == []


@given(CONFIGS)
@CALM
def test_what_is_printed_is_valid(tree: dict[str, Any]) -> None:
    assert errors(yaml_1_2(to_yaml(parse_config(tree, env={})))) == []


@pytest.mark.parametrize("bad", UNKNOWN + LATER, ids=lambda bad: bad.path)
def test_unknown_keys_and_words_are_not_valid(bad: Any) -> None:
    assert errors(yaml_1_2(bad.text.replace(MARK, "")))


BASE: dict[str, Any] = {
    "pools": {"p": {"backends": ["a:1"]}},
    "listeners": {"l": {"bind": ":0", "pool": "p"}},
}


@pytest.mark.parametrize(
    "tree",
    [
        {"runtime": {"workers": 0}},
        {"runtime": {"workers": "many"}},
        {"runtime": {"drain": "5 minutes"}},
        {"runtime": {"drain": "5s, or so"}},
        {"runtime": {"buffers": "64QiB"}},
        {"runtime": {"log": {"level": "loud"}}},
        {"pools": {"P": {"backends": ["a:1"]}}},
        {"pools": {"p": {}}},
        {"pools": {"p": {"backends": []}}},
        {"pools": {"p": {"backends": [1]}}},
        {"pools": {"p": None}},
        {"listeners": {"l": {"pool": "p"}}},
        {"listeners": {"l": {"bind": 80, "pool": "p"}}},
        {"listeners": {"l": {"bind": ":0", "pool": "p", "half_close": "yes"}}},
        {"version": 2},
        [],
    ],
)
def test_wrong_values_are_not_valid(tree: Any) -> None:
    assert errors(tree)


def test_variables_are_valid_where_numbers_and_words_stand() -> None:
    text = """
runtime:
  workers: ${N}
  drain: ${D:-5s}
  buffers: ${B}
  log: {level: "${L}"}
include: base.yaml
"""
    assert errors(yaml_1_2(text)) == []
