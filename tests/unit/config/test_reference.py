"""docs/config.md is what the models say, and what it says is true."""

import subprocess
import sys
from pathlib import Path

import pytest

from nginy.config import parse_config
from nginy.config.reference import EXAMPLE, FULL_EXAMPLE, reference
from nginy.config.shape import keys_of, walk_models
from nginy.errors import ConfigError
from nginy.model import Config

PAGE = Path(__file__).parents[3] / "docs" / "config.md"


def test_committed_page_has_not_drifted() -> None:
    assert PAGE.read_text() == reference(), "run: python -m nginy.config.reference > docs/config.md"


def test_page_is_printed_by_the_module() -> None:
    program = [sys.executable, "-m", "nginy.config.reference"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout == reference()


def test_every_key_of_every_mapping_is_in_the_page() -> None:
    page = reference()
    for path, _, model in walk_models(Config):
        assert f"`{path}`" in page, path
        for key in keys_of(model).values():
            assert f"| `{key.name}` |" in page or key.name == "kind"
            assert key.description in page


def test_short_example_has_ten_lines_and_is_accepted() -> None:
    assert EXAMPLE.count("\n") == 10
    assert list(parse_config(EXAMPLE).listeners) == ["web"]


def test_fuller_example_is_accepted_with_its_include(tmp_path: Path) -> None:
    from nginy.config import load_config

    (tmp_path / "pools.d").mkdir()
    (tmp_path / "pools.d" / "db.yaml").write_text("pools: {db: {backends: ['db:5432']}}\n")
    (tmp_path / "nginy.yaml").write_text(FULL_EXAMPLE)
    config = load_config(tmp_path / "nginy.yaml", env={})
    assert list(config.pools) == ["api", "resolvers", "db"]


def test_problem_that_the_page_shows_is_what_is_reported() -> None:
    bad = EXAMPLE.replace("weight: 2", "wieght: 2")
    with pytest.raises(ConfigError) as caught:
        parse_config(bad, name="nginy.yaml")
    assert f"```\n{caught.value}\n```" in reference()


def test_page_names_each_place_of_a_mapping_once() -> None:
    for line in reference().splitlines():
        if line.startswith("Also under"):
            places = line.removeprefix("Also under ").rstrip(".").split(", ")
            assert len(places) == len(set(places)), line[:200]
