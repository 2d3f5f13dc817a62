"""The package's files and what they import, read as text."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "nginy"
PYTHON = sorted(p for p in PACKAGE.rglob("*.py"))
CYTHON = sorted(p for p in PACKAGE.rglob("*.p[yx]*") if p.suffix in (".pyx", ".pxd"))


def module_of(path: Path) -> str:
    """nginy/control/ids.py -> nginy.control.ids"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_imports(path: Path) -> set[str]:
    """Modules of this package that a Python file names anywhere, also inside functions and for typing only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "nginy"}


CIMPORT = re.compile(r"^\s*from (nginy[\w.]*) cimport (\(.*?\)|[^\n]*)", re.M | re.S)


def cython_cimports(path: Path) -> set[str]:
    """Modules of this package that a Cython file cimports from."""
    found = set()
    for module, names in CIMPORT.findall(path.read_text()):
        folder = ROOT / Path(*module.split("."))
        if folder.is_dir():
            found |= {f"{module}.{name.strip()}" for name in names.strip("()").split(",") if name.strip()}
        else:
            found.add(module)
    return found


@dataclass(frozen=True)
class Function:
    path: Path
    name: str
    line: int
    n_lines: int


def cython_functions(path: Path) -> list[Function]:
    """Each def and cdef function with a body, and how many lines it has."""
    lines = path.read_text().splitlines()
    found = []
    for at, line in enumerate(lines):
        match = re.match(r"(\s*)(?:cdef|def|cpdef)\b.*?(\w+)\(", line)
        if not match or " class " in line or not ends_with_colon(lines, at):
            continue
        end = at + 1
        while end < len(lines) and is_inside(lines[end], len(match[1])):
            end += 1
        while not lines[end - 1].strip():
            end -= 1
        found.append(Function(path, match[2], at + 1, end - at))
    return found


def is_inside(line: str, margin: int) -> bool:
    """Whether a line belongs to the function that began at this margin; `) noexcept nogil:` ends its signature."""
    return not line.strip() or indent(line) > margin or line.strip().startswith(")")


def ends_with_colon(lines: list[str], at: int) -> bool:
    """Whether the signature that begins here has a body (a declaration in a .pxd has none)."""
    for line in lines[at : at + 12]:
        bare = line.split("#")[0].rstrip()
        if bare.endswith(":"):
            return True
        if bare.endswith("nogil") or bare.endswith(")"):
            return False
    return False


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def python_functions(path: Path) -> list[Function]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    ends = [node.end_lineno or node.lineno for node in nodes]
    pairs = zip(nodes, ends, strict=True)
    return [Function(path, node.name, node.lineno, end - node.lineno + 1) for node, end in pairs]
