"""Which control socket a verb talks to."""

from pathlib import Path

import click
import pytest

from nginy.admin.paths import PATH_MAX_BYTES
from nginy.cli.files import find_socket
from nginy.errors import StartError

POOLS = 'pools: {a: {backends: ["127.0.0.1:1"]}}\nlisteners: {b: {bind: "127.0.0.1:0", pool: a}}\n'


def test_a_named_socket_wins() -> None:
    assert find_socket(Path("/x/c.sock"), Path("/does/not/matter")) == Path("/x/c.sock")


def test_the_configured_one_is_found(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(POOLS + "admin: {socket: run/c.sock}\n")
    assert find_socket(None, path) == tmp_path / "run" / "c.sock"


def test_a_file_that_is_broken_now_still_leads_there(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("pools: 7\nadmin: {socket: 'unix:c.sock', htp: on}\n")
    assert find_socket(None, path) == tmp_path / "c.sock"


@pytest.mark.parametrize(
    "text", ["pools: [", "", "- 1", "admin: 3", "admin: {socket: 4}", "a: !!python/name:os.system x"]
)
def test_a_file_that_says_nothing_leads_to_the_default(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/there")
    path = tmp_path / "web.yaml"
    path.write_text(text)
    assert find_socket(None, path) == Path("/run/there/web.sock")


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="there is no file"):
        find_socket(None, tmp_path / "gone.yaml")


def test_a_path_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(POOLS + f"admin: {{socket: {'d' * PATH_MAX_BYTES}/c.sock}}\n")
    with pytest.raises(StartError, match="at most"):
        find_socket(None, path)
