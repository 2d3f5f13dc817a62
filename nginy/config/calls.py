"""Classes that policies name: can they be had? Asked of a child process, because user code never runs in this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path as FilePath
from time import monotonic

from nginy.config.read import Met
from nginy.config.tree import Problems
from nginy.model import CalledPolicy

TIMEOUT_S = 20.0
_ROOT = FilePath(__file__).resolve().parents[2]
_BOOT = (
    "import sys; sys.path.append({root!r}); from nginy.balancer.load import report; report({calls!r}, {folders!r})"
)
Call = tuple[str, str]
"""A class with the kind of policy that it shall be."""


DONE = ("", "")
"""In place of a class: the child has looked at all of them."""


def check_calls(met: list[Met], problems: Problems, folder: str) -> None:
    """Note every class that cannot be imported or is no policy. folder: where modules are looked for first.

    A class of the program itself (`__main__:…`) is left to the program.
    """
    named = [entry for entry in met if issubclass(entry.model, CalledPolicy) and "call" in entry.values]
    calls = sorted({call_of(entry) for entry in named if not entry.values["call"].startswith("__main__:")})
    if not calls:
        return
    wrong = _ask(calls, folder)
    for entry in named:
        if call_of(entry) in wrong:
            message, remedy = wrong[call_of(entry)]
            problems.add(entry.place_of("call"), entry.path_of("call"), message, remedy)


def call_of(entry: Met) -> Call:
    """What a policy names. entry: of such a policy."""
    return entry.values["call"], entry.model.model_fields["kind"].default


def _ask(calls: list[Call], folder: str) -> dict[Call, tuple[str, str]]:
    """What is wrong, by class: message and remedy. A module that ends the child costs the others a child more."""
    wrong: dict[Call, tuple[str, str]] = {}
    until_s = monotonic() + TIMEOUT_S
    while calls:
        lines, end = _imported(calls, folder, until_s)
        wrong |= {(line[0], line[1]): (line[2], line[3]) for line in lines if len(line) == 4}
        asked = [(line[0], line[1]) for line in lines if len(line) == 2] or calls[:1]
        if asked[-1] == DONE:
            break
        wrong[asked[-1]] = end
        if monotonic() >= until_s:
            break
        calls = calls[calls.index(asked[-1]) + 1 :]
    return wrong


def _imported(calls: list[Call], folder: str, until_s: float) -> tuple[list[list[str]], tuple[str, str]]:
    """What a child process says, and what to say of a class that it does not come back from."""
    # what this program may import, its child may import as well
    boot = _BOOT.format(root=str(_ROOT), calls=calls, folders=[folder, *(place for place in sys.path if place)])
    try:
        done = subprocess.run(
            [sys.executable, "-c", boot], stdin=subprocess.DEVNULL, capture_output=True, cwd=folder,
            timeout=until_s - monotonic(),
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        told = f"its module was not imported within {TIMEOUT_S:g} s"
        return _lines(late.stdout or b"", calls), (told, "an import must not wait")
    except OSError as error:
        return [], (f"no process can be made to import it: {error.strerror}", "")
    text = done.stderr.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
    ended = f"its module ends the program that imports it ({text or done.returncode})"
    return _lines(done.stdout, calls), (ended, "")


def _lines(output: bytes, calls: list[Call]) -> list[list[str]]:
    """The lines of `report` among all that modules may have printed."""
    found = []
    for line in output.decode("utf-8", "replace").splitlines():
        try:
            words = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(words, list) and len(words) in (2, 4) and tuple(words[:2]) in [*calls, DONE]:
            found.append([str(word) for word in words])
    return found
