"""Classes that policies name are looked for before anything starts, and never in this process."""

import sys
from pathlib import Path

import pytest

from nginy.config import load_config
from nginy.errors import ConfigError, ConfigProblem

MODULE = """
class Pick:
    def choose(self, context, attempt):
        return None

class Empty:
    pass

class Extract:
    def key(self, context):
        return None

class Odd(Pick):
    build = 3

class Table:
    def build(self, backends):
        pass

class Limited(Pick):
    def __init__(self, limit, *, names=(), **more):
        pass

class Strict(Pick):
    def __init__(self, limit, ratio=0.5):
        pass

pick = Pick()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own_policies.py").write_text(MODULE)
    (tmp_path / "broken_policies.py").write_text("1 / 0\n")
    (tmp_path / "ending_policies.py").write_text("import os\nos._exit(4)\n")
    (tmp_path / "needing_policies.py").write_text("import no_such_module\n")
    return tmp_path


def problems_of(folder: Path, policy: str) -> list[ConfigProblem]:
    path = folder / "nginy.yaml"
    pools = f"pools: {{p: {{policy: {policy}, backends: ['10.0.0.1:80']}}}}"
    path.write_text(f"version: 1\n{pools}\nlisteners: {{l: {{bind: ':4000', pool: p}}}}\n")
    try:
        load_config(path)
    except ConfigError as error:
        return list(error.problems)
    return []


def test_a_class_beside_the_file_is_found_and_not_imported_here(folder: Path) -> None:
    assert problems_of(folder, '{kind: python, call: "own_policies:Pick"}') == []
    assert "own_policies" not in sys.modules


def test_nothing_is_imported_where_only_the_socket_is_looked_for(folder: Path) -> None:
    assert problems_of(folder, '{kind: python, call: "nowhere_policies:Pick"}')
    assert load_config(folder / "nginy.yaml", imports=False).admin.socket is None


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        ("nowhere_policies:Pick", "there is no module 'nowhere_policies'", "folder of the configuration file"),
        ("own_policies:Nick", "own_policies has no class 'Nick'", "classes there: Pick"),
        ("own_policies:pick", "own_policies:pick is no class but Pick", "classes there: Pick"),
        ("own_policies:Empty", "Empty has no method choose(context, attempt)", "def choose(self, context, attempt)"),
        ("own_policies:Odd", "Odd.build is no method", ""),
        ("broken_policies:Pick", "broken_policies cannot be imported: ZeroDivisionError", ""),
        ("needing_policies:Pick", "needing_policies cannot be imported: it needs 'no_such_module'", ""),
        ("ending_policies:Pick", "its module ends the program that imports it", ""),
    ],
)
def test_a_class_that_cannot_be_had_is_a_problem_at_its_place(folder: Path, call: str, message: str, hint: str) -> None:
    (problem,) = problems_of(folder, f'{{kind: python, call: "{call}"}}')
    assert problem.path == "pools.p.policy.call"
    assert (problem.line, problem.column) == (2, 42)
    assert message in problem.message
    assert hint in problem.hint


def test_a_module_that_ends_the_program_is_told_apart_from_the_others(folder: Path) -> None:
    (folder / "leaving_policies.py").write_text("import sys\nprint('[]')\nsys.exit('out of here')\n")
    names = ["ending", "leaving", "own", "broken"]
    calls = [f"{name}_policies:Pick" for name in names] + ["own_policies:Nick"]
    pools = "".join(
        f"  p{number}: {{policy: {{kind: python, call: '{call}'}}, backends: ['10.0.0.1:80']}}\n"
        for number, call in enumerate(calls)
    )
    path = folder / "nginy.yaml"
    path.write_text(f"pools:\n{pools}listeners: {{l: {{bind: ':4000', pool: p0}}}}\n")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    told = {problem.path.split(".")[1]: problem.message for problem in refused.value.problems}
    assert sorted(told) == ["p0", "p1", "p3", "p4"]
    assert "ends the program that imports it (4)" in told["p0"]
    assert "ends the program that imports it (out of here)" in told["p1"]
    assert "has no class 'Nick'" in told["p4"]
    assert "cannot be imported: ZeroDivisionError" in told["p3"]


def test_a_table_needs_build_and_not_choose(folder: Path) -> None:
    assert problems_of(folder, '{kind: table, call: "own_policies:Table"}') == []
    (problem,) = problems_of(folder, '{kind: table, call: "own_policies:Pick"}')
    assert problem.message == "Pick has no method build(backends)"
    assert problem.hint == "write `def build(self, backends)`"


@pytest.mark.parametrize(
    "args",
    ["Limited, args: {limit: 3}", "Limited, args: {limit: 3, names: [a, {b: 1.5}], other: true}",
     "Strict, args: {limit: null}", "Pick, args: {}"],
)  # fmt: skip
def test_arguments_that_the_class_takes_are_accepted(folder: Path, args: str) -> None:
    name, _, rest = args.partition(",")
    assert problems_of(folder, f'{{kind: python, call: "own_policies:{name}",{rest}}}') == []


@pytest.mark.parametrize(
    ("policy", "path", "column", "message", "hint"),
    [
        ("Limited", "call", 42, "Limited needs 'limit'", "write `args: {limit: …}`, or give it a default"),
        ("Limited, args: {names: []}", "args", 72, "Limited needs 'limit'", "write `args: {limit: …}`"),
        ("Strict, args: {limit: 1, up: 2}", "args.up", 82, "Strict takes no argument 'up'", "it takes limit, ratio"),
        ("Pick, args: {limit: 1}", "args.limit", 70, "Pick takes no argument 'limit'", "it takes none"),
        ("Limited, args: [1]", "args", 72, "expected a mapping of arguments by name, got a list", ""),
        ("Limited, args: {limit: .nan}", "args.limit", 80, "expected a finite number, got nan", ""),
        ("Limited, args: {limit: 1, a-b: 1}", 'args.a-b', 83, "'a-b' cannot be the name of an argument", ""),
    ],
)  # fmt: skip
def test_arguments_that_the_class_does_not_take_are_a_problem_at_their_place(
    folder: Path, policy: str, path: str, column: int, message: str, hint: str
) -> None:
    name, comma, rest = policy.partition(",")
    (problem,) = problems_of(folder, f'{{kind: python, call: "own_policies:{name}"{comma}{rest}}}')
    assert (problem.path, problem.line) == (f"pools.p.policy.{path}", 2)
    assert message in problem.message and hint in problem.hint
    assert problem.column == column


def test_two_pools_may_give_one_class_different_arguments(folder: Path) -> None:
    pools = "".join(
        f"  p{number}: {{policy: {{kind: python, call: 'own_policies:Strict', args: {args}}}, backends: ['a:80']}}\n"
        for number, args in enumerate(["{limit: 1}", "{limit: 2}", "{}"])
    )
    path = folder / "nginy.yaml"
    path.write_text(f"pools:\n{pools}listeners: {{l: {{bind: ':4000', pool: p0}}}}\n")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert [problem.path for problem in refused.value.problems] == ["pools.p2.policy.args"]


@pytest.mark.parametrize(
    ("keys", "path", "message"),
    [
        ('call: "own_policies.Pick"', "call", "expected a class such as mypkg.lb:Pick"),
        ('call: "own_policies:Pick", deadline: 0', "deadline", "expected 1ms to 1s, got 0s"),
        ('call: "own_policies:Pick", deadline: 2s', "deadline", "expected 1ms to 1s, got 2s"),
        ('call: "own_policies:Pick", fallback: robin', "fallback", "expected one of"),
        ('call: "own_policies:Pick", fallback: python', "fallback", "expected one of"),
        ("deadline: 5ms", "call", "this key is missing"),
    ],
)
def test_keys_that_mean_nothing_are_problems(folder: Path, keys: str, path: str, message: str) -> None:
    (problem,) = problems_of(folder, f"{{kind: python, {keys}}}")
    assert problem.path == f"pools.p.policy.{path}"
    assert message in problem.message


@pytest.mark.parametrize("kind", ["ring", "maglev", "rendezvous", "jump", "bounded_ring", "hash_preserve"])
def test_a_key_may_be_asked_of_a_class(folder: Path, kind: str) -> None:
    assert problems_of(folder, f'{{kind: {kind}, key: {{kind: call, call: "own_policies:Extract"}}}}') == []


@pytest.mark.parametrize(
    ("key", "path", "message", "hint"),
    [
        ('call: "own_policies:Pick"', "key.call", "Pick has no method key(context)", "write `def key(self, context)`"),
        ('call: "own_policies:Nobody"', "key.call", "has no class 'Nobody'", "classes there: Extract"),
        ('call: "nowhere_policies:Extract"', "key.call", "there is no module 'nowhere_policies'", "PYTHONPATH"),
        ('call: "own_policies:Extract", deadline: 0', "key.deadline", "expected 1ms to 1s, got 0s", ""),
        ("deadline: 5ms", "key.call", "this key is missing", ""),
        ('call: "own_policies:Extract", fallback: source', "key.fallback", "is not known here", ""),
    ],
)
def test_keys_that_no_class_gives_are_problems(folder: Path, key: str, path: str, message: str, hint: str) -> None:
    (problem,) = problems_of(folder, f"{{kind: ring, key: {{kind: call, {key}}}}}")
    assert problem.path == f"pools.p.policy.{path}"
    assert message in problem.message
    assert hint in problem.hint


def test_a_policy_without_keys_asks_no_class_for_one(folder: Path) -> None:
    (problem,) = problems_of(folder, '{kind: round_robin, key: {kind: call, call: "own_policies:Extract"}}')
    assert problem.path == "pools.p.policy.key"


@pytest.mark.parametrize("kind", ["python", "table"])
def test_a_fallback_asks_no_class(folder: Path, kind: str) -> None:
    call = "own_policies:Pick" if kind == "python" else "own_policies:Table"
    fallback = '{kind: ring, key: {kind: call, call: "own_policies:Extract"}}'
    (problem,) = problems_of(folder, f'{{kind: {kind}, call: "{call}", fallback: {fallback}}}')
    assert problem.path.startswith("pools.p.policy")
    assert "a fallback chooses at once" in problem.message
