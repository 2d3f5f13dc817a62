"""Classes that policies name: can they be had? Asked of a child process, because user code never runs in this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path as FilePath
from time import monotonic
from typing import Any

from nginy.config.read import Met
from nginy.config.tree import Mapping, Path, Place, Problems
from nginy.model import CalledPolicy, CallKey

TIMEOUT_S = 20.0
_ROOT = FilePath(__file__).resolve().parents[2]
_BOOT = "import sys; sys.path.append({root!r}); from nginy.balancer.load import report; report({folders!r})"
DONE = -1
"""What the child says in place of a number once it has looked at all of them."""
Call = tuple[str, str, dict[str, Any]]
"""A class with the kind of policy that it shall be, or `call` for a key, and its arguments."""
Wrong = tuple[str, str, str | None]
"""Message, remedy and argument, as LoadError has them."""


def check_calls(met: list[Met], problems: Problems, folder: str) -> None:
    """Note every class that cannot be imported or is no policy. folder: where modules are looked for first.

    A class of the program itself (`__main__:…`) is left to the program.
    """
    named = [entry for entry in met if issubclass(entry.model, CalledPolicy | CallKey) and "call" in entry.values]
    named = [entry for entry in named if "args" in entry.values or not entry.says("args")]
    calls: list[Call] = []
    for call in map(call_of, named):
        if call not in calls and not call[0].startswith("__main__:"):
            calls.append(call)
    if not calls:
        return
    wrong = _ask(sorted(calls, key=lambda call: call[:2]), folder)
    for entry in named:
        for call, (message, remedy, argument) in wrong:
            if call == call_of(entry):
                problems.add(*_place_of(entry, argument), message, remedy)


def _place_of(entry: Met, argument: str | None) -> tuple[Place, Path]:
    """Where the wrong thing stands: an argument, all of them, or the class."""
    if argument is None or not entry.says("args") or not isinstance(entry.node, Mapping):
        return entry.place_of("call"), entry.path_of("call")
    args = entry.node.entries["args"]
    if argument and isinstance(args, Mapping):
        return args.keys[argument], (*entry.path, "args", argument)
    return entry.place_of("args"), entry.path_of("args")


def call_of(entry: Met) -> Call:
    """What a policy or a key names. entry: of such a one."""
    return entry.values["call"], entry.model.model_fields["kind"].default, entry.values.get("args", {})


def _ask(calls: list[Call], folder: str) -> list[tuple[Call, Wrong]]:
    """What is wrong, by class. A module that ends the child costs the others a child more."""
    wrong: list[tuple[Call, Wrong]] = []
    until_s = monotonic() + TIMEOUT_S
    while calls:
        lines, end = _imported(calls, folder, until_s)
        wrong += [(calls[line[0]], (line[1], line[2], line[3])) for line in lines if len(line) == 4]
        last = ([line[0] for line in lines if len(line) == 1] or [0])[-1]
        if last == DONE:
            break
        wrong.append((calls[last], end))
        if monotonic() >= until_s:
            break
        calls = calls[last + 1 :]
    return wrong


def _imported(calls: list[Call], folder: str, until_s: float) -> tuple[list[list[Any]], Wrong]:
    """What a child process says, and what to say of a class that it does not come back from."""
    # what this program may import, its child may import as well
    boot = _BOOT.format(root=str(_ROOT), folders=[folder, *(place for place in sys.path if place)])
    try:
        done = subprocess.run(
            [sys.executable, "-c", boot], input=json.dumps(calls).encode(), capture_output=True, cwd=folder,
            timeout=until_s - monotonic(),
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        told = f"its module was not imported within {TIMEOUT_S:g} s"
        return _lines(late.stdout or b"", len(calls)), (told, "an import must not wait", None)
    except OSError as error:
        return [], (f"no process can be made to import it: {error.strerror}", "", None)
    text = done.stderr.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
    ended = f"its module ends the program that imports it ({text or done.returncode})"
    return _lines(done.stdout, len(calls)), (ended, "", None)


def _lines(output: bytes, n_calls: int) -> list[list[Any]]:
    """The lines of `report` among all that modules may have printed."""
    found = []
    for line in output.decode("utf-8", "replace").splitlines():
        try:
            words = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(words, list) and len(words) in (1, 4) and type(words[0]) is int and DONE <= words[0] < n_calls:
            found.append(words)
    return found
