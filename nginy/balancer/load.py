"""From `mypkg.lb:Pick` to the class. Runs where user code may run: never in control."""

import importlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from nginy.balancer.hooks import NEEDS, check_policy

NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})
DONE = -1
"""In place of a class: all of them were looked at."""


class LoadError(Exception):
    """The class cannot be had. `remedy` says what to do about it, where that is known.

    argument: the one that is wrong, None when it is not about arguments, empty when it is about one that is missing.
    """

    def __init__(self, message: str, remedy: str = "", argument: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.argument = argument


def load_class(call: str, kind: str = "python", args: Mapping[str, Any] = NO_ARGUMENTS) -> Any:
    """The class that `module:name` means, of this kind of policy, to be called with these. Errors: LoadError."""
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
    check_arguments(found, args)
    return found


def check_arguments(policy_class: type, args: Mapping[str, Any]) -> None:
    """Can it be called with these keyword arguments, and no others? Errors: LoadError."""
    try:
        parameters = inspect.signature(policy_class).parameters.values()
    except (TypeError, ValueError):
        return  # a class that is not written in Python may not tell
    name = policy_class.__name__
    named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    known = [one.name for one in named]
    for one in parameters:
        if one.kind is one.POSITIONAL_ONLY and one.default is one.empty:
            raise LoadError(f"{name} needs {one.name!r} by its position", "arguments are given by name", "")
    for given in args:
        if given not in known and not any(one.kind is one.VAR_KEYWORD for one in parameters):
            remedy = f"it takes {', '.join(known)}" if known else "it takes none"
            raise LoadError(f"{name} takes no argument {given!r}", remedy, given)
    missing = [one.name for one in named if one.default is one.empty and one.name not in args]
    if missing:
        wanted = ", ".join(f"{word}: …" for word in missing)
        message = f"{name} needs {', '.join(map(repr, missing))}"
        raise LoadError(message, f"write `args: {{{wanted}}}`, or give it a default", "")


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


@contextmanager
def looking_in(folder: str) -> Iterator[None]:
    """Look for modules in this folder too, and only meanwhile."""
    is_added = folder not in sys.path
    sys.path[:0] = [folder] * is_added
    try:
        yield
    finally:
        if is_added and folder in sys.path:
            sys.path.remove(folder)


def report(folders: Sequence[str]) -> None:
    """In a child process: JSON lines on stdout, each [number, message, remedy, argument] of what is wrong with a class.

    On stdin: a JSON list of [call, kind, args]. Each is named as [number] before it is imported, and [DONE] says that
    all were: who reads this knows then which module has ended the process.
    """
    calls = json.load(sys.stdin)
    extend_path(folders)
    for number, (call, kind, args) in enumerate(calls):
        _say(number)
        try:
            load_class(call, kind, args)
        except LoadError as error:
            _say(number, str(error), error.remedy, error.argument)
    _say(DONE)


def _say(*words: str | int | None) -> None:
    """A line of its own, whatever a module has printed before."""
    sys.stdout.write(f"\n{json.dumps(words)}\n")
    sys.stdout.flush()
