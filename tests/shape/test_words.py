"""One word for one thing; and contracts that say they never raise."""

import re
from pathlib import Path

import pytest

from tests.shape.sources import CYTHON, PYTHON, module_of

BANNED = re.compile(r"(?i)(?<![a-z])(manager|utils?|helpers?|misc|master|slave)(?![a-z])")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def words_of(identifier: str) -> str:
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", identifier).replace("_", " ")


@pytest.mark.parametrize("path", [*PYTHON, *CYTHON], ids=lambda p: f"{module_of(p)}{p.suffix}")
def test_identifiers_use_the_houses_words(path: Path) -> None:
    code = re.sub(r'""".*?"""|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*', "", path.read_text(), flags=re.S)
    bad = {name for name in IDENTIFIER.findall(code) if BANNED.search(words_of(name))}
    assert not bad


CONTRACTS = [p for p in CYTHON if p.suffix == ".pxd" and p.stem not in ("rows", "shapes", "logged")]


@pytest.mark.parametrize("path", CONTRACTS, ids=module_of)
def test_every_contract_of_the_data_plane_is_noexcept_nogil(path: Path) -> None:
    text = re.sub(r"\(\n([^()]*(?:\([^()]*\)[^()]*)*)\n\)", lambda m: f"({m[1]})".replace("\n", ""), path.read_text())
    for match in re.finditer(r"^cdef (?!extern|enum|struct|union|class|cppclass)[^\n]*\(.*$", text, re.M):
        line = match[0].split("#")[0].rstrip().rstrip(":")
        assert line.endswith("noexcept nogil"), line


def test_status_codes_have_names_and_are_used() -> None:
    status = next(p for p in CYTHON if p.name == "status.pxd").read_text()
    used = "\n".join(p.read_text() for p in CYTHON if p.name not in ("status.pxd",))
    for name in re.findall(r"^    ((?:REASON|OUTCOME|REFUSAL|DROP)_\w+) =", status, re.M):
        if name != "REFUSAL_NONE":
            assert re.search(rf"\b{name}\b", used), f"{name} is never used"
