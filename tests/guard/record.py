"""What a session and a round trip cost, as recorded. `python -m tests.guard.record` records anew what is built now."""

import datetime
import json
import platform
import re
import sys
from pathlib import Path
from typing import Any

from nginy._fast import door
from tests.guard.callgrind import Counts, count_one

PATH = Path(__file__).with_name("instructions.json")
COMMAND = "python -m tests.guard.record"
PLAYS = ("session", "round_trip", "datagrams")
FEW, MANY = 20, 620
GROWTH_MAX = 1.10
STRANGER_MAX = 1.5  # for a compiler or an architecture that nobody has recorded
SHRUNK = 0.90  # below this a record is out of date
BLAMED = 5
COMPILER = re.compile(rb"(GCC: \([^)]*\) ([\d.]+)|\w* ?clang version ([\d.]+)[^\0]*)")

Record = dict[str, Any]
"""date, compiler, and for each play its instructions, whole and by function."""


def compiler() -> tuple[str, str]:
    """(`gcc 12`, all it says of itself): what the loaded data plane was built with, from its objects' comment section.

    Errors: ValueError.
    """
    path = Path(door.__file__)
    found = COMPILER.search(path.read_bytes())
    if found is None:
        raise ValueError(f"{path} does not tell its compiler: build it with GCC or clang")
    kind, version = ("gcc", found[2]) if found[2] else ("clang", found[3])
    return f"{kind} {version.decode().split('.')[0]}", found[1].decode()


def key() -> str:
    """What counts can be compared within: `x86_64 gcc 12`."""
    return f"{platform.machine()} {compiler()[0]}"


def load() -> dict[str, Record]:
    """The records by key."""
    records: dict[str, Record] = json.loads(PATH.read_text())["records"]
    return records


def measure() -> dict[str, Counts]:
    """One unit's cost of each play."""
    return count_one(PLAYS, FEW, MANY)


def total(counts: Counts) -> float:
    return sum(counts.values())


def make(measured: dict[str, Counts]) -> Record:
    """A record of now."""
    record: Record = {"date": datetime.date.today().isoformat(), "compiler": compiler()[1]}
    for play, counts in measured.items():
        by_cost = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
        record[play] = {"instructions": round(total(counts)), "functions": {name: round(n, 1) for name, n in by_cost}}
    return record


def complaint(play: str, counts: Counts, records: dict[str, Record], own_key: str) -> str:
    """Why these counts are too many; empty when they are not. Errors: ValueError without any record."""
    if not records:
        raise ValueError(f"{PATH.name} holds no record: {COMMAND}")
    is_own = own_key in records
    factor = GROWTH_MAX if is_own else STRANGER_MAX
    name = own_key if is_own else max(records, key=lambda k: int(records[k][play]["instructions"]))
    known = records[name][play]
    now, before = total(counts), known["instructions"]
    if now <= before * factor:
        return ""
    return "\n".join([
        f"one {play} takes {now:.0f} instructions, recorded are {before} ({name}, {records[name]['date']}): "
        f"{now / before - 1:+.0%}, allowed {factor - 1:+.0%}",
        *(f"  {line}" for line in grown(counts, known["functions"])),
        f"when that is what it should cost: {COMMAND}",
    ])  # fmt: skip


def grown(counts: Counts, known: Counts) -> list[str]:
    """The functions that grew most, as lines."""
    by = {name: n - known.get(name, 0) for name, n in counts.items()}
    worst = [name for name in sorted(by, key=lambda name: -by[name]) if by[name] > 0][:BLAMED]
    return [f"{name}: {known.get(name, 0):.0f} -> {counts[name]:.0f} ({by[name]:+.0f})" for name in worst]


def main() -> int:
    measured = measure()
    records = load() if PATH.exists() else {}
    for play, counts in measured.items():
        before = records.get(key(), {}).get(play, {}).get("instructions", "nothing")
        print(f"{play}: {total(counts):.0f} instructions, recorded were {before}")
        for name, n in sorted(counts.items(), key=lambda row: -row[1]):
            print(f"{n:9.1f}  {name}")
    records[key()] = make(measured)
    PATH.write_text(json.dumps({"command": COMMAND, "records": records}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
