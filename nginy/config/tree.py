"""The tree between text and model: scalars, sequences and mappings that know where they were written."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from nginy.config.scalar import ScalarValue
from nginy.errors import ConfigProblem

Path: TypeAlias = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Place(NamedTuple):
    """Where something was written. line, column: from 1, column in characters; 0: not from text."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(slots=True)
class Scalar:
    """value: after substitution and by the scalar rules.   text: as written.   plain: without quotes.

    is_broken: its substitution failed, which has been noted; there is no telling what it would have been.
    """

    value: ScalarValue
    place: Place
    text: str = ""
    plain: bool = True
    substituted: bool = False
    is_broken: bool = False


@dataclass(slots=True)
class Sequence:
    items: list[Node]
    place: Place


@dataclass(slots=True)
class Mapping:
    """entries: key to value, in the order written.   keys: where each key stands."""

    place: Place
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)

    def put(self, key: str, key_place: Place, node: Node) -> None:
        self.entries[key] = node
        self.keys[key] = key_place


Node: TypeAlias = Scalar | Sequence | Mapping


def copy_of(mapping: Mapping, keys: Container[str] | None = None) -> Mapping:
    """A new mapping with all entries or those in keys. Aliases share nodes: none is changed in place."""
    kept = [key for key in mapping.entries if keys is None or key in keys]
    return Mapping(
        mapping.place, {key: mapping.entries[key] for key in kept}, {key: mapping.keys[key] for key in kept}
    )


def format_path(path: Path) -> str:
    """`pools.api.backends[2].weight`; a key that is not a plain word stands in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        word = step if _BARE_KEY.fullmatch(step) else '"' + step[:64].replace("\n", " ") + '"'
        text += f".{word}" if text else word
    return text


class Problems:
    """What has been found wrong so far. Owned by one load; not shared between threads."""

    def __init__(self) -> None:
        self.found: list[ConfigProblem] = []
        self.warnings: list[ConfigProblem] = []

    def add(self, place: Place, path: Path, message: str, hint: str = "") -> None:
        self.found.append(ConfigProblem(*place, format_path(path), message, hint))

    def warn(self, place: Place, path: Path, message: str, hint: str = "") -> None:
        """Note what is allowed and probably not meant."""
        self.warnings.append(ConfigProblem(*place, format_path(path), message, hint))

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[ConfigProblem]:
        return iter(self.found)


def describe(node: Node) -> str:
    """What was found, in words: for `expected …, got …`."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    found = f"the text {_clip(node.value)}" if isinstance(node.value, str) else f"the number {node.value}"
    return f"{found} from {_clip(node.text)}" if node.substituted else found


def _clip(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
