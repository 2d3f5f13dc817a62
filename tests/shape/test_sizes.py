"""Files and functions that a reader can hold in mind."""

from pathlib import Path

import pytest

from tests.shape.sources import CYTHON, PYTHON, cython_functions, module_of, python_functions

MAX_LINES = {".py": 300, ".pyx": 600, ".pxd": 300}
MAX_FUNCTION_LINES = 60
P90_FUNCTION_LINES = 25


@pytest.mark.parametrize("path", [*PYTHON, *CYTHON], ids=lambda p: f"{module_of(p)}{p.suffix}")
def test_file_is_short_enough(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES[path.suffix], "two rooms in one: split it"


def test_functions_are_short() -> None:
    functions = [f for p in PYTHON for f in python_functions(p)] + [f for p in CYTHON for f in cython_functions(p)]
    long = [f"{f.path.name}:{f.line} {f.name} {f.n_lines}" for f in functions if f.n_lines > MAX_FUNCTION_LINES]
    assert not long, long
    sizes = sorted(f.n_lines for f in functions)
    assert len(sizes) > 500, "the reader of functions is broken"
    assert sizes[len(sizes) * 9 // 10] <= P90_FUNCTION_LINES
