"""The exception tree. All that nginy raises on purpose is a NginyError; the CLI ends with its exit_code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class NginyError(Exception):
    """Root of the tree: something that the caller or the operator can act on."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong in a configuration.

    file: name as the user gave it.   line, column: from 1; 0 when the configuration did not come from text.
    path: `pools.api.backends[2].weight`, empty for the file as a whole.
    message: what is wrong and what was expected.   hint: what to write instead, or empty.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {path}{self.message}{hint}"


Problem = ConfigProblem


class ConfigError(NginyError):
    """The configuration is refused. `problems` holds every reason, in the order of the file; never empty."""

    exit_code = 2

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems: list[ConfigProblem] = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StartError(NginyError):
    """nginy cannot start here: port taken, right missing, too few descriptors, another nginy running."""

    exit_code = 2


class ControlError(NginyError):
    """A running nginy could not be reached, or refused what was asked of it."""
