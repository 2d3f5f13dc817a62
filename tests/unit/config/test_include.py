"""Several files to one configuration."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nginy.config import load_config
from nginy.config.include import FILES_MAX
from nginy.errors import ConfigError
from nginy.model import Config

POOL = "pools: {p: {backends: ['a:1']}}\n"
LISTENER = "listeners: {l: {bind: ':0', pool: p}}\n"

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """write(**{name: text}) in a directory of its own, the current one. `__` in a name is a slash."""
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".yaml")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return write


def load() -> Config:
    return load_config("main.yaml", env={"BASE": "base.yaml"})


def problems() -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load()
    return [str(problem) for problem in caught.value.problems]


def test_included_files_are_merged_key_by_key(write: Write) -> None:
    write(
        main=f"include: [base.yaml, more.yaml]\n{LISTENER}runtime: {{workers: 2}}",
        base="version: 1\npools: {p: {backends: ['a:1']}}\nruntime: {user: nobody, log: {level: debug}}",
        more="version: 1\npools: {q: {backends: ['b:1']}}\nruntime: {log: {format: json}}",
    )
    config = load()
    assert list(config.pools) == ["p", "q"]
    runtime = config.runtime
    assert (runtime.workers, runtime.user, runtime.log.level, runtime.log.format) == (
        2,
        "nobody",
        "debug",
        "json",
    )


@pytest.mark.parametrize("asked", ["base.yaml", "./base.yaml", "[base.yaml]", "${BASE}"])
def test_one_file_may_be_asked_for_in_several_ways(write: Write, asked: str) -> None:
    write(main=f"include: {asked}\n{LISTENER}", base=POOL)
    assert list(load().pools) == ["p"]


def test_paths_are_relative_to_the_file_they_stand_in(write: Write, tmp_path: Path) -> None:
    write(
        main=f"include: parts/one.yaml\n{LISTENER}",
        parts__one="include: two.yaml",
        parts__two=f"include: {tmp_path}/three.yaml",
        three=POOL,
    )
    assert list(load().pools) == ["p"]


def test_problem_in_an_included_file_names_that_file(write: Write) -> None:
    write(
        main=f"include: parts/one.yaml\n{LISTENER}runtime: {{workers: 0}}",
        parts__one="# first\npools:\n  p:\n    backends: [a]\n    health: &h {kind: tcp, rise: 0}\n",
    )
    found = problems()
    assert [problem.split(": ")[0] for problem in found] == [
        "main.yaml:3:20",
        "parts/one.yaml:4:16",
        "parts/one.yaml:5:34",
    ]


def test_same_key_in_two_files_names_both_places(write: Write) -> None:
    write(main=f"include: base.yaml\n{POOL}{LISTENER}", base="pools:\n  p:\n    backends: ['b:1']\n")
    assert problems() == [
        "base.yaml:3:5: pools.p.backends: this key is given twice; also at main.yaml:2:13 "
        "(keep pools.p.backends in one of the files)"
    ]


def test_merging_leaves_what_an_alias_shares_alone(write: Write) -> None:
    write(
        main="include: base.yaml\npools: {p: &p {backends: ['a:1']}, q: *p}\n" + LISTENER,
        base="pools: {q: {policy: random2}}",
    )
    config = load()
    assert (config.pools["p"].policy.kind, config.pools["q"].policy.kind) == ("round_robin", "random2")


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"main": "include: main.yaml"}, "include"),
        ({"main": "include: [a.yaml]", "a": "include: b.yaml", "b": "include: ./a.yaml"}, "include"),
        ({"main": "include: [a.yaml]", "a": "include: [main.yaml]"}, "include[0]"),
    ],
)
def test_file_that_includes_itself_is_refused(write: Write, files: dict[str, str], path: str) -> None:
    files["main"] += f"\n{POOL}{LISTENER}"
    write(**files)
    [problem] = problems()
    assert "includes itself" in problem
    assert f": {path}: " in problem


def test_file_that_two_others_include_is_read_once(write: Write) -> None:
    write(main=f"include: [a.yaml, b.yaml]\n{LISTENER}", a="include: c.yaml", b="include: c.yaml", c=POOL)
    assert list(load().pools) == ["p"]


def test_every_broken_file_is_reported(write: Write) -> None:
    write(main=f"include: [a.yaml, b.yaml, gone.yaml, '*.yaml', 3]\n{POOL}{LISTENER}", a="x: [", b="- 1")
    found = [problem.split(": ", 1) for problem in problems()]
    assert sorted(place for place, _ in found) == [
        "a.yaml:2:1",
        "b.yaml:1:1",
        "main.yaml:1:27",
        "main.yaml:1:38",
        "main.yaml:1:48",
    ]
    words = " ".join(message for _, message in found)
    assert "include[2]: cannot read gone.yaml: No such file" in words
    assert "patterns are not expanded" in words
    assert "include[4]: expected the path of a file, got the number 3" in words


def test_empty_included_file_is_fine(write: Write) -> None:
    write(main=f"include: base.yaml\n{POOL}{LISTENER}", base="# all of it is commented out\n")
    assert list(load().pools) == ["p"]


def test_unset_variable_in_an_include_is_one_problem(write: Write) -> None:
    write(main=f"include: ${{NONE}}/x.yaml\n{POOL}{LISTENER}")
    [problem] = problems()
    assert "main.yaml:1:10: include: the environment has no NONE" in problem


def test_total_size_is_bounded(write: Write) -> None:
    big = {f"f{n}": "#" * 1_000_000 for n in range(5)}
    write(main=f"include: [{', '.join(f'{name}.yaml' for name in big)}]\n{POOL}{LISTENER}", **big)
    [problem] = problems()
    assert "main.yaml:1:47: include[4]: all included files together are larger than 4 MiB" in problem


def test_number_of_files_is_bounded(write: Write) -> None:
    files = {f"f{n}": f"include: f{n + 1}.yaml" for n in range(FILES_MAX + 5)}
    write(main=f"include: f0.yaml\n{POOL}{LISTENER}", **files)
    [problem] = problems()
    assert f"more than {FILES_MAX} files" in problem
