"""From `mypkg.lb:Pick` to the class. Runs where user code may run: never in control."""

import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from nginy.balancer.hooks import NEEDS, check_policy


class LoadError(Exception):
    """The class cannot be had. `remedy` says what to do about it, where that is known."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def load_class(call: str, kind: str = "python") -> Any:
    """The class that `module:name` means, of this kind of policy. Errors: LoadError."""
    module_name, _, name = call.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            remedy = "it is looked for in the folder of the configuration file, then in PYTHONPATH"
            raise LoadError(f"there is no module {missing!r}", remedy) from None
        raise LoadError(f"{module_name} cannot be imported: it needs {missing!r}") from None
    except Exception as error:
        raise LoadError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise LoadError(f"{module_name} has no class {name!r}", _named_in(module, kind))
    if not isinstance(found, type):
        raise LoadError(f"{call} is no class but {type(found).__name__}", _named_in(module, kind))
    try:
        check_policy(found, kind)
    except TypeError as error:
        raise LoadError(str(error), f"write `def {NEEDS[kind].replace('(', '(self, ')}`") from None
    return found


def _named_in(module: Any, kind: str) -> str:
    """The classes of a module that could be meant."""
    hook = NEEDS[kind].partition("(")[0]
    own = [
        name for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and callable(getattr(value, hook, None))
    ]  # fmt: skip
    return f"classes there: {', '.join(own)}" if own else ""


def extend_path(folders: Sequence[str]) -> None:
    """Look for modules in these folders first."""
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]


def report(calls: Sequence[tuple[str, str]], folders: Sequence[str]) -> None:
    """In a child process: JSON lines on stdout, each [call, kind, message, remedy] of what is wrong with a class.

    calls: with kinds. Each is named as [call, kind] before it is imported, and ["", ""] says that all were: who reads
    this knows then which module has ended the process.
    """
    extend_path(folders)
    for call, kind in calls:
        _say(call, kind)
        try:
            load_class(call, kind)
        except LoadError as error:
            _say(call, kind, str(error), error.remedy)
    _say("", "")


def _say(*words: str) -> None:
    """A line of its own, whatever a module has printed before."""
    sys.stdout.write(f"\n{json.dumps(words)}\n")
    sys.stdout.flush()
