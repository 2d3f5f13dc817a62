"""The stubs of the compiled modules against the modules."""

import ast
import inspect
from types import ModuleType

import pytest

from nginy._fast import choices, door, mailroom, rings, sites, table
from tests.shape.sources import ROOT

STUB = ast.parse((ROOT / "nginy/_fast/door.pyi").read_text())
TYPING_ONLY = {"Mapping", "Sequence", "Protocol", "TypedDict", "AccessRecord", "RequestRecord"}


def stub_names() -> dict[str, ast.AST]:
    found: dict[str, ast.AST] = {}
    for node in STUB.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
    return found


def is_protocol(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(base, ast.Name) and base.id in ("Protocol", "TypedDict") for base in node.bases
    )


def test_stub_and_door_name_the_same_things() -> None:
    declared = {name for name, node in stub_names().items() if not is_protocol(node)}
    public = {
        name for name, value in vars(door).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }  # fmt: skip
    assert declared - TYPING_ONLY == public


def test_constants_have_the_declared_kind() -> None:
    kinds = {"int": int, "tuple": tuple, "Mapping": dict}
    for name, node in stub_names().items():
        if isinstance(node, ast.AnnAssign):
            kind = ast.unparse(node.annotation).split("[")[0]
            assert isinstance(getattr(door, name), kinds[kind]), name


def test_classes_have_the_declared_methods_and_no_others() -> None:
    for name in ("Board", "Worker"):
        node = stub_names()[name]
        assert isinstance(node, ast.ClassDef)
        methods = {f.name for f in node.body if isinstance(f, ast.FunctionDef)} - {"__init__"}
        fields = {f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)}
        public = {n for n in vars(getattr(door, name)) if not n.startswith("_")}
        assert methods | fields == public


def test_counters_have_the_declared_fields() -> None:
    board = door.Board(door.board_create(1), 1)
    rows = {"Worker": board.worker(0), "Listener": board.listener(0), "Backend": board.backend(0), "Udp": board.udp(0)}
    rows["Pool"] = board.pool(0)
    rows["Http"], rows["HttpPool"] = board.http(0), board.http_pool(0)
    for name, row in rows.items():
        node = stub_names()[f"{name}Counters"]
        assert isinstance(node, ast.ClassDef)
        declared = {f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)}
        assert declared == set(row)
    board.close()


def test_stub_and_flow_table_name_the_same_things() -> None:
    nodes = ast.parse((ROOT / "nginy/_fast/table.pyi").read_text()).body
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    constants = [node.target for node in nodes if isinstance(node, ast.AnnAssign)]
    declared = {target.id for target in constants if isinstance(target, ast.Name)} | {"FlowKey"} | set(classes)
    declared |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    public = {name for name, value in vars(table).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert declared == public
    methods = {node.name for node in classes["FlowTable"].body if isinstance(node, ast.FunctionDef)} - {"__init__"}
    written = {name for name in vars(table.FlowTable) if not name.startswith("_")} | {"__len__", "__contains__"}
    assert methods == written


NAMED = [
    ("rings", rings, {"Walk"}), ("choices", choices, set()), ("mailroom", mailroom, set()),
    ("sites", sites, {"Writer"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "module", "unnamed"), NAMED)
def test_stub_and_module_name_the_same_things(name: str, module: ModuleType, unnamed: set[str]) -> None:
    nodes = ast.parse((ROOT / f"nginy/_fast/{name}.pyi").read_text()).body
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    constants = [node.target for node in nodes if isinstance(node, ast.AnnAssign)]
    declared = {target.id for target in constants if isinstance(target, ast.Name)} | set(classes)
    declared |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    public = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert declared | unnamed == public
    for kind, node in classes.items():
        methods = {f.name for f in node.body if isinstance(f, ast.FunctionDef) and not f.name.startswith("__")}
        methods |= {f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)}
        assert methods == {n for n in vars(getattr(module, kind)) if not n.startswith("__")}, kind
