"""Read the built objects: below the door no function of the data plane refers to Python."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.shape.sources import CYTHON, ROOT, module_of

ABOVE = (
    "certificates", "choices", "door", "logged", "mailroom", "rings", "rows", "shapes", "sites", "table",
    "testdoor", "testmail", "testpolicy", "testrings", "testwire",
)  # fmt: skip
BELOW = [p for p in CYTHON if p.suffix == ".pyx" and p.stem not in ABOVE]
PYTHON_SYMBOL = re.compile(r"\b(_?Py[A-Z_]\w*|__Pyx_\w+)")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+?)>:$")


def built(path: Path) -> Path:
    found = sorted(path.parent.glob(f"{path.stem}.*.so"))
    assert found, f"{path.stem} is not built"
    return found[-1]


def nogil_functions(path: Path) -> set[str]:
    """C names of the module's own nogil functions."""
    mangled = "__pyx_f_" + "_".join(f"{len(part)}{part}" for part in module_of(path).split("."))
    names = re.findall(r"^cdef [^\n]*?(\w+)\([^\n]*noexcept nogil:", path.read_text(), re.M)
    return {f"{mangled}_{name}" for name in names}


def references(path: Path) -> dict[str, set[str]]:
    """Function in a built object -> Python symbols named by its instructions."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", str(built(path))], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, set[str]] = {}
    current = ""
    for line in listing.splitlines():
        if match := FUNCTION.match(line):
            current = match[1].split(".")[0]
            found.setdefault(current, set())
        elif current and "<" in line:
            found[current] |= {s for s in PYTHON_SYMBOL.findall(line.split("<", 1)[1])}
    return found


@pytest.mark.parametrize("path", BELOW, ids=module_of)
def test_nogil_functions_refer_to_no_python(path: Path) -> None:
    seen = references(path)
    wanted = nogil_functions(path)
    assert wanted, "no nogil function found: the reader is broken"
    present = wanted & set(seen)
    assert present or path.stem in ("clock",), f"none of {sorted(wanted)[:3]} is in the object"
    bad = {name: symbols for name in present if (symbols := seen[name])}
    assert not bad, bad


def test_the_reader_finds_python_where_it_is() -> None:
    seen = references(ROOT / "nginy/_fast/door.pyx")
    assert any("PyErr" in symbol or "Pyx" in symbol for symbols in seen.values() for symbol in symbols)
