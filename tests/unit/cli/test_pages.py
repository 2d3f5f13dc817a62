"""Configurations that the documentation shows are fine for `nginy check`, with everything it knows."""

from pathlib import Path

import pytest

from nginy.cli.main import run_cli

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "docs/udp.md")


def blocks() -> list[tuple[str, str]]:
    """Page and number, and the text, of each YAML block."""
    found = []
    for page in PAGES:
        parts = (ROOT / page).read_text().split("```yaml\n")[1:]
        found += [(f"{page} {number}", part.split("```")[0]) for number, part in enumerate(parts, 1)]
    return found


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in blocks()])
def test_a_shown_configuration_is_fine(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nginy.yaml"
    file.write_text(text)
    assert run_cli(["check", str(file)]) == 0, capsys.readouterr().err


def test_each_page_shows_some() -> None:
    assert {name.split()[0] for name, _ in blocks()} == set(PAGES)
