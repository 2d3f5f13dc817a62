"""Instructions of one thread, by function, from callgrind.

Format: valgrind's manual, "Callgrind Format Specification". Read is what `--separate-threads=yes` writes with positions
in lines: one file for each thread, self cost only.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.tools.servers import need

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 100.0
# Objects of the data plane; the doors are called by Python and are none of the hot paths.
OWN_OBJECT = re.compile(r"/nginy/_fast/(?!(?:test)?door\.)[\w/]+\.[\w.-]*so$")
NAME = re.compile(r"(c?)(ob|fn)=\((\d+)\)(?: (.+))?")

Counts = dict[str, float]
"""Function -> instructions."""


def read(lines: Iterable[str]) -> Counts:
    """Self cost of each function of the data plane. Errors: ValueError for what is no such file."""
    counts: collections.Counter[str] = collections.Counter()
    names: dict[tuple[str, str], str] = {}
    here = {"ob": "", "fn": ""}
    is_call_cost = False
    for line in lines:
        if is_call_cost:  # inclusive, and counted where it is spent
            is_call_cost = False
        elif line.startswith("calls="):
            is_call_cost = True
        elif match := NAME.match(line):
            called, kind, number, name = match.groups()
            name = names.setdefault((kind, number), name)
            if not called:
                here[kind] = name
        elif line[:1] in set("0123456789+-*") and OWN_OBJECT.search(here["ob"]):
            counts[plain_name(here["fn"])] += cost_of(line)
    return dict(counts)


def cost_of(line: str) -> int:
    """`<line> <instructions>`; zeros at the end are left out."""
    words = line.split()
    return int(words[1]) if len(words) > 1 else 0


def plain_name(symbol: str) -> str:
    """`__pyx_f_5nginy_5_fast_3mem_4slab_slab_take.isra.0` -> `mem.slab.slab_take`; any other symbol as it is."""
    rest = symbol.split(".")[0].removeprefix("__pyx_f_")
    if rest == symbol.split(".")[0]:
        return symbol
    parts = []
    while match := re.match(r"(\d+)", rest):
        start, end = match.end(), match.end() + int(match[1])
        parts.append(rest[start:end])
        rest = rest[end:].removeprefix("_")
    return ".".join([*parts, rest]).removeprefix("nginy._fast.")


def count(plays: Sequence[tuple[str, int]]) -> list[Counts]:
    """What the worker of each play of `tests.guard.scenario` has spent. Errors: AssertionError with all it said."""
    valgrind = need("valgrind")
    with tempfile.TemporaryDirectory(prefix="ngg-") as folder:
        out = Path(folder) / "out"
        command = [valgrind, "-q", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}"]
        command += [sys.executable, "-S", "-m", "tests.guard.scenario"]
        command += [str(word) for name_and_count in plays for word in name_and_count]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return [read_file(Path(f"{out}-{thread:02}")) for thread in range(2, len(plays) + 2)]


def read_file(path: Path) -> Counts:
    with path.open() as lines:
        return read(lines)


def count_one(plays: Sequence[str], few: int, many: int) -> dict[str, Counts]:
    """Instructions of one unit of each play: what `many` cost more than `few`, so that start and end do not count."""
    found = count([(name, n) for name in plays for n in (few, many)])
    return {name: difference(found[2 * i], found[2 * i + 1], many - few) for i, name in enumerate(plays)}


def difference(few: Counts, many: Counts, n: int) -> Counts:
    """A unit's share of what was spent more."""
    return {name: (many[name] - few.get(name, 0)) / n for name in many if many[name] > few.get(name, 0)}
