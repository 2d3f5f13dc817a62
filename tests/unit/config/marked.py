"""Bad configurations with the place of their only problem marked by § in the text."""

from typing import Any, NamedTuple

import pytest

from nginy.config import parse_config
from nginy.errors import ConfigError, ConfigProblem

MARK = "§"
NAME = "case.yaml"
ENV = {"PORT": "8080", "WORD": "abc", "EMPTY": "", "LIST": "[1, 2]", "KEYS": "a: 1"}

POOL = 'pools: {p: {backends: ["a:1"]}}\n'
LISTENER = 'listeners: {l: {bind: ":0", pool: p}}\n'


class Bad(NamedTuple):
    """text: § right before the problem.   path: of the key.   says: stands in the message or the hint."""

    text: str
    path: str
    says: str


def whole(text: str, path: str, says: str) -> Bad:
    return Bad(text, path, says)


def top(text: str, path: str, says: str) -> Bad:
    """Lines at the top level, beside a pool and a listener that are fine."""
    return Bad(f"{text}\n{POOL}{LISTENER}", path, says)


def pool(text: str, path: str, says: str) -> Bad:
    """Keys of the only pool, in one line; `backends` is added when it is not among them."""
    backends = "" if "backends" in text else ', backends: ["a:1"]'
    return Bad(f"pools:\n  p: {{{text}{backends}}}\n{LISTENER}", f"pools.p{path}", says)


def backend(text: str, path: str, says: str) -> Bad:
    """The second backend of the only pool."""
    return Bad(
        f"pools:\n  p:\n    backends:\n    - a:1\n    - {text}\n{LISTENER}",
        f"pools.p.backends[1]{path}",
        says,
    )


def listener(text: str, path: str, says: str) -> Bad:
    """Keys of the only listener, in one line; `bind` and `pool` are added when they are not among them."""
    bind = "" if "bind:" in text else ', bind: ":0"'
    name = "" if "pool:" in text else ", pool: p"
    return Bad(f"{POOL}listeners:\n  l: {{{text}{bind}{name}}}\n", f"listeners.l{path}", says)


def place_of(text: str) -> tuple[str, int, int]:
    """The text without its mark, and the mark's line and column."""
    before = text[: text.index(MARK)]
    line = before.count("\n") + 1
    return text.replace(MARK, ""), line, len(before) - (before.rfind("\n") + 1) + 1


def problems_in(text: str) -> list[ConfigProblem]:
    """Everything that is reported about a text; empty when it is accepted."""
    try:
        parse_config(text, name=NAME, env=ENV)
    except ConfigError as error:
        return error.problems
    return []


def refused(given: Any, **options: Any) -> list[str]:
    """What is reported about a tree or a text that has to be refused, as people see it."""
    with pytest.raises(ConfigError) as caught:
        parse_config(given, **options)
    return [str(problem) for problem in caught.value.problems]


def check(bad: Bad) -> None:
    """Exactly one problem, where and what it has to be."""
    text, line, column = place_of(bad.text)
    problems = problems_in(text)
    found = [(problem.line, problem.column, problem.path) for problem in problems]
    assert found == [(line, column, bad.path)], "\n".join(map(str, problems)) or "nothing was reported"
    assert bad.says in f"{problems[0].message} ({problems[0].hint})"
    assert problems[0].file == NAME
