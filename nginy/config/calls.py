"""Classes that policies name: can they be had? Asked of a child process, because user code never runs in this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path as FilePath

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
    """What is wrong, by class: message and remedy."""
    # what this program may import, its child may import as well
    boot = _BOOT.format(root=str(_ROOT), calls=calls, folders=[folder, *(place for place in sys.path if place)])
    try:
        done = subprocess.run(
            [sys.executable, "-c", boot], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, cwd=folder
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(calls, (f"its module was not imported within {TIMEOUT_S:g} s", "an import must not wait"))
    except OSError as error:
        return dict.fromkeys(calls, (f"no process can be made to import it: {error.strerror}", ""))
    last = done.stdout.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
    try:
        return {(call, kind): (str(message), str(remedy)) for call, kind, message, remedy in json.loads(last)}
    except (ValueError, TypeError):
        text = done.stderr.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
        return dict.fromkeys(calls, (f"its module ends the program that imports it ({text or done.returncode})", ""))
