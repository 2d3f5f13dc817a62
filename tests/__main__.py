"""`python -m tests`: everything a change has to pass. `python -m tests ROOM …`: one room, quickly.

Rooms: lint, unit, conform, shape, flow, fault, real, guard, options, debug, sanitize, wheels; or any path for pytest.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.tools import programs, variants

ROOT = Path(__file__).parents[1]
SUITES = {room: [f"tests/{room}"] for room in ("unit", "conform", "shape", "flow", "fault", "real", "guard")}
VARIANT_TESTS = (
    "tests/unit/engine", "tests/unit/mem", "tests/unit/policy", "tests/unit/site", "tests/unit/balancer",
    "tests/unit/wire",
    "tests/flow/test_integrity.py", "tests/flow/test_resets.py", "tests/flow/test_half_close.py",
    "tests/flow/test_connect.py", "tests/flow/test_http.py", "tests/flow/test_http_chaos.py",
)  # fmt: skip


OPTION_TESTS = tuple(
    f"tests/flow/test_{name}.py"
    for name in (
        "integrity", "half_close", "resets", "connect", "backpressure", "drain", "timeouts", "counting", "reload",
    )  # fmt: skip
)


def call(command: Sequence[str], **environment: str) -> bool:
    """Run it in the checkout, its output as it comes; whether it ended with 0."""
    print("$", " ".join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode == 0


def pytest(*words: str) -> bool:
    return call([sys.executable, "-m", "pytest", "-q", *words])


def lint() -> bool:
    """ruff, mypy and cython-lint; all of them speak before the answer."""
    answers = [
        call([sys.executable, "-m", "ruff", "check", "."]),
        call([sys.executable, "-m", "mypy"]),
        lint_cython(),
    ]
    return all(answers)


def lint_cython() -> bool:
    """It looks for its own tools on PATH, where a virtual environment that is not activated is missing."""
    folder = str(Path(sys.executable).parent)
    sources = [str(p) for p in sorted((ROOT / "nginy/_fast").rglob("*.p[yx]*")) if p.suffix in (".pyx", ".pxd")]
    return call([f"{folder}/cython-lint", *sources], PATH=f"{folder}:{os.environ.get('PATH', '')}")


def options() -> bool:
    """The promises of TCP once more, each option turned to its other side."""
    return call([sys.executable, "-m", "pytest", "-q", *OPTION_TESTS], NGINY_TEST_OPTIONS="every")


def in_process(room: str) -> Callable[[], bool]:
    return lambda: pytest(*SUITES[room])


ROOMS: dict[str, Callable[[], bool]] = {
    "lint": lint,
    **{room: in_process(room) for room in SUITES},
    "options": options,
    "debug": lambda: variants.check("debug", VARIANT_TESTS),
    "sanitize": lambda: variants.check("sanitize", VARIANT_TESTS),
    "wheels": variants.check_wheels,
}


def run(rooms: Sequence[str]) -> list[str]:
    """Run each room and print how long it took; those that failed."""
    failed = []
    for room in rooms:
        print(f"\n=== {room}", flush=True)
        start_s = time.monotonic()
        is_good = ROOMS[room]() if room in ROOMS else pytest(room)
        print(f"=== {room}: {'passed' if is_good else 'FAILED'} in {time.monotonic() - start_s:.0f} s", flush=True)
        if not is_good:
            failed.append(room)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("rooms", nargs="*", help="rooms or pytest paths; all rooms when left out")
    wanted = parser.parse_args().rooms
    if not wanted or {"real", "fault", "flow", "guard"} & set(wanted):
        programs.install_missing()
    failed = run(wanted or list(ROOMS))
    total = len(wanted or ROOMS)
    print(f"\nrooms: {total - len(failed)} passed, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
