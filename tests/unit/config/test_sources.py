"""Where a configuration comes from: files, the environment, Python objects."""

from pathlib import Path
from typing import Any

import pytest

from nginy.config import config_from, load_config, parse_config
from nginy.errors import ConfigError
from nginy.model import Backend, Config, LeastConn, Listener, Pool, Timeouts

from .marked import refused

SHORT = """\
pools: {p: {backends: ["a:1"], policy: least_conn, health: http}}
listeners: {l: {bind: ":80", pool: p}}
"""


def test_dict_and_paths_in_it_are_accepted() -> None:
    tree = {"pools": {"p": {"backends": ["a:1"]}}, "listeners": {"l": {"bind": ":0", "pool": "p"}}}
    config = config_from(tree | {"runtime": {"pid_file": Path("/run/n.pid")}})
    assert config.runtime.pid_file == "/run/n.pid"


def test_environment_is_substituted_then_read_by_the_scalar_rules() -> None:
    text = "runtime:\n  workers: ${N}\n  user: '${N}'\n  drain: ${T:-5}s\n  pid_file: $${N}-${N}\n" + SHORT
    runtime = parse_config(text, env={"N": "3"}).runtime
    assert (runtime.workers, runtime.user, runtime.drain, runtime.pid_file) == (3, "3", 5.0, "${N}-3")


def test_environment_cannot_add_keys() -> None:
    text = "runtime: \n  user: ${X}\n" + SHORT
    assert parse_config(text, env={"X": "a\nworkers: 3"[:1]}).runtime.user == "a"
    assert "cannot be printed" in refused(text, env={"X": "a\nworkers: 3"})[0]
    assert "expected a mapping" in refused("runtime: ${X}\n" + SHORT, env={"X": "{workers: 3}"})[0]


def test_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS_IN_TEST", "7")
    assert parse_config("runtime:\n  workers: ${WORKERS_IN_TEST}\n" + SHORT).runtime.workers == 7


def test_file_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "n.yaml"
    path.write_text(SHORT)
    assert (
        load_config(path)
        == load_config(str(path))
        == config_from(path)
        == config_from(str(path))
        == parse_config(SHORT)
    )
    path.write_text("pools: 1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.problems[0].file == str(path)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"pools: \xff\n", "byte 0xff is not UTF-8 text"),
        (b"pools: \xc3\n", "byte 0xc3 is not UTF-8 text"),
        ("pools: {}".encode("utf-16"), "seems to be UTF-16"),
        ("pools: {}".encode("utf-16-le"), "a NUL byte"),
        ("pools: {}".encode("utf-8-sig"), "byte order mark"),
        (b"#" * (1 << 20) + b"\n", "larger than 1 MiB"),
        (b"", "the configuration is empty"),
    ],
)
def test_file_that_is_no_text_is_refused(tmp_path: Path, raw: bytes, says: str) -> None:
    path = tmp_path / "n.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    [problem] = caught.value.problems
    assert says in problem.message


def test_place_of_a_bad_byte_is_counted_in_characters(tmp_path: Path) -> None:
    path = tmp_path / "n.yaml"
    path.write_bytes("# é\n# üü ".encode() + b"\xfe\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (2, 6)


@pytest.mark.parametrize("name", ["absent.yaml", ".", "a\0b", "x/y/z"])
def test_file_that_cannot_be_read_is_one_problem(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(f"{tmp_path}/{name}")


def test_endless_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_config("/dev/zero")


def test_model_made_in_python_is_checked_and_completed() -> None:
    made = Config(
        pools={"p": Pool(backends=("A:1", Backend(address="b:2", backup=True)), policy="least_conn")},  # type: ignore[arg-type]
        listeners={"l": Listener(bind=":80", pool="p", timeouts=Timeouts(idle=5))},  # type: ignore[arg-type]
    )
    config = config_from(made)
    assert config.pools["p"].policy == LeastConn()
    assert [backend.address for backend in config.pools["p"].backends] == ["a:1", "b:2"]
    listener = config.listeners["l"]
    assert (listener.bind, listener.timeouts.half_close, listener.timeouts.drain) == (
        ("0.0.0.0:80",),
        5.0,
        None,
    )
    assert config_from(config) == config


def test_model_made_in_python_meets_the_checks_between_mappings() -> None:
    backends = (Backend(address="a:1"),)
    made = Config(
        pools={"p": Pool(backends=backends)}, listeners={"l": Listener(bind=(":80", ":80"), pool="q")}
    )
    with pytest.raises(ConfigError) as caught:
        config_from(made)
    assert [problem.path for problem in caught.value.problems] == [
        "listeners.l.pool",
        "listeners.l.bind[1]",
    ] or [problem.path for problem in caught.value.problems] == ["listeners.l.bind[1]", "listeners.l.pool"]
    assert all(problem.line == 0 for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({1: {}}, "a key must be a text, got int"),
        ({"pools": object()}, "got object"),
        ({"pools": {"p": {"backends": {"a:1"}}}}, "got set"),
        ({"pools": b"x"}, "got bytes"),
        ({"runtime": {"workers": 10**400}}, "this number is too large"),
        ({"runtime": {"drain": 10**70}}, "expected 1ms to 30d"),
        ({"runtime": {"drain": float("nan")}}, "finite"),
    ],
)
def test_objects_that_cannot_stand_in_a_configuration_are_refused(tree: Any, says: str) -> None:
    assert any(says in problem for problem in refused(tree))


def test_objects_that_contain_themselves_are_refused() -> None:
    deep: dict[str, Any] = {}
    deep["pools"] = deep
    wide: list[Any] = []
    wide.extend([wide] * 10)
    for tree in (deep, {"pools": wide}):
        assert "levels deep" in refused(tree)[0]
