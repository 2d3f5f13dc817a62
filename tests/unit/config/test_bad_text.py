"""Texts that cannot be read as one YAML document of plain keys: one problem, at its place."""

import pytest

from nginy.config.load import ALIAS_NODES_MAX, DEPTH_MAX, FILE_MAX_BYTES

from .marked import Bad, check, problems_in, top, whole

SYNTAX = [
    top("runtime:\n§\tworkers: 1", "runtime", "a tab is used for indentation"),
    top("§\truntime: {}", "", "a tab is used for indentation"),
    top("runtime:\n  workers: 1\n§\tuser: x", "runtime.workers", "a tab is used for indentation"),
    whole("runtime: {workers: 1\npools§: {}\n", "runtime", "the { of line 1 may have no end"),
    whole("pools: [1, 2\nlisteners§: {}", "pools[2]", "the [ of line 1 may have no end"),
    whole("runtime: {workers: 1}§}", "", "expected a key here"),
    whole("pools: 'x\n§", "pools", "the text ends inside a quoted value"),
    whole("pools: a§: b", "", "quote a text that contains a colon"),
    whole("pools:\n  a: {}\n §b: {}", "", "check the indentation"),
    whole("- a\n§b: 1", "[1]", "expected a list entry (-)"),
    whole('pools: §"\\q"', "pools", "unknown escape")._replace(text='pools: "§\\q"'),
    whole("pools: §@x", "pools", "no value can begin with this character"),
    whole("pools: §%x", "pools", "no value can begin with this character"),
    whole("pools: §`x", "pools", "no value can begin with this character"),
    whole("pools: §]", "pools", "expected a value here"),
    whole("pools: {a: 1,§, b: 2}", "pools", "expected a value here"),
    whole("{pools: 1}§}", "", "text after the end of the document"),
    whole("pools: 1\n...\n§more: 2", "", "text after the end of the document"),
    whole(
        "listeners: {web: {bind: [§::1]:80}}", "listeners.web.bind[0]", 'such as "[::1]:80" must be quoted'
    ),
    whole("listeners: {web: {bind: §:80}}", "listeners.web.bind", 'such as ":8080" must be quoted'),
    whole("listeners: {web: {bind: *§:80}}", "listeners.web.bind", "begins with * or & must be quoted"),
    whole("runtime: {workers: $§{PORT}}", "runtime", "a value with ${…} must be quoted"),
    whole("pools: 1\n§---\npools: 2", "", "a second document begins here"),
    whole("§? [a]\n: 1", "", "a key must be a word, got a list")._replace(text="? §[a]\n: 1"),
    whole("§[a]: 1", "", "a key must be a word, got a list"),
    whole("§{a: 1}: 1", "", "a key must be a word, got a mapping"),
    whole("x: &a y\n§*a : 1", "", "a key must be a word, got the alias *a"),
    whole("pools: §*nowhere", "pools", "the alias *nowhere has no anchor before it"),
    whole("pools: &p {a: §*p}", "pools.a", "the alias *p refers to what it stands in"),
    whole("pools: " + "[" * (DEPTH_MAX - 1) + "§[", "pools" + "[0]" * (DEPTH_MAX - 1), "64 levels deep"),
    whole("pools: §\0", "", "a NUL byte stands here"),
    whole("pools: a§\x07", "", "the control character U+0007"),
    whole("pools: a§\x7f", "", "the control character U+007F"),
    whole("§\ufeffpools: a", "", "a byte order mark"),
]
READ_ON = [
    whole(
        "pools: {p: {backends: ['a:1']}}\nlisteners: {l: {bind: ':0', pool: p}}\n§pools: {}",
        "pools",
        "first at line 1",
    ),
    top("runtime: {workers: 1, §workers: 2}", "runtime.workers", "this key is given twice"),
    top("runtime: {workers: 1, §'workers': 2}", "runtime.workers", "this key is given twice"),
    top("runtime: {§<<: {workers: 1}}", "runtime.<<", "merge keys")._replace(path='runtime."<<"'),
    top("runtime: {workers: §!!int 3}", "runtime.workers", "tags are not used here, got !!int"),
    top("runtime: {user: §!secret x}", "runtime.user", "tags are not used here, got !secret"),
    top("runtime: §!!map {workers: 1}", "runtime", "tags are not used here, got !!map"),
    whole(
        "§%YAML 1.1\n---\npools: {p: {backends: ['a:1']}}\nlisteners: {l: {bind: ':0', pool: p}}",
        "",
        "nginy reads YAML 1.2",
    ),
    top("runtime: {user: §'${NOBODY_SET_THIS}'}", "runtime.user", "the environment has no NOBODY_SET_THIS"),
    top(
        "defaults: {health: {kind: §'${NOBODY_SET_THIS}'}}", "defaults.health.kind", "the environment has no"
    ),
    top("defaults: {health: §'${NOBODY_SET_THIS}'}", "defaults.health", "the environment has no"),
    top("runtime: {user: §'${2X}'}", "runtime.user", "does not name a variable"),
    top("runtime: {user: §'${}'}", "runtime.user", "does not name a variable"),
    top("runtime: {user: §'${WORD'}", "runtime.user", "is not closed"),
    top("runtime: {user: §'${WORD:-${X}}'}", "runtime.user", "has another ${ inside"),
    top("runtime:\n  workers: §${WORD}", "runtime.workers", "got the text 'abc' from '${WORD}'"),
    top("runtime: {workers: §'${PORT}'}", "runtime.workers", "without quotes, on a line of its own"),
    top("runtime:\n  workers: §${LIST}", "runtime.workers", "got the text '[1, 2]' from"),
    top("runtime:\n  drain: §${EMPTY}", "runtime.drain", "got nothing"),
    top("§include: other.yaml", "include", "only a file can include"),
]
ROOT = [
    whole("§", "", "the configuration is empty"),
    whole("§# nothing but a comment\n", "", "the configuration is empty"),
    whole("§~", "", "the configuration is empty"),
    whole("§[1, 2]", "", "got a list"),
    whole("§text", "", "got the text 'text'"),
    whole("§42", "", "got the number 42"),
]
TABLE = SYNTAX + READ_ON + ROOT


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.text[:40].encode("unicode_escape").decode())
def test_bad_text_is_refused_at_its_place(bad: Bad) -> None:
    check(bad)


def test_aliases_that_multiply_are_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    [problem] = problems_in("\n".join(levels))
    assert f"grow by more than {ALIAS_NODES_MAX} values" in problem.message
    assert problem.line < 9


def test_aliases_within_bounds_are_fine() -> None:
    pools = "\n".join(f"  p{n}: {{backends: ['a:1'], health: *check}}" for n in range(200))
    listeners = "listeners: {l: {bind: ':0', pool: p7}}"
    assert problems_in(f"defaults: {{health: &check {{kind: tcp}}}}\npools:\n{pools}\n{listeners}") == []


def test_text_larger_than_1_mib_is_refused() -> None:
    text = "pools: {}\n" + "#" * FILE_MAX_BYTES
    [problem] = problems_in(text)
    assert "larger than 1 MiB" in problem.message


def test_text_of_wide_characters_is_measured_in_bytes() -> None:
    [problem] = problems_in("#" + "\u20ac" * (FILE_MAX_BYTES // 3 + 1))
    assert "larger than 1 MiB" in problem.message


@pytest.mark.parametrize(
    "unit", ["[", "{a: ", "- ", "? ", "a: ", "&a ", "!", "'", "*a ", "\n\t", "#\n", "a\n", "${"]
)
def test_text_of_one_thing_repeated_is_refused_soon(unit: str) -> None:
    assert problems_in(unit * (FILE_MAX_BYTES // len(unit)))
