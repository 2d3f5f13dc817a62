"""`include`: several files to one tree. A file is read once; two that give the same key are in conflict."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from nginy.config.load import FILE_MAX_BYTES, decode, read_text
from nginy.config.tree import (
    Mapping,
    Node,
    Path,
    Place,
    Problems,
    Scalar,
    Sequence,
    copy_of,
    describe,
    format_path,
)

TOTAL_MAX_BYTES = 4 << 20
FILES_MAX = 256


def read_file(name: str, env: Any, problems: Problems) -> Mapping | None:
    """The tree of a file and of all that it includes; None, with problems noted, when it cannot be read.

    Reads files, blocks. Errors: none; all are noted in problems.
    """
    return _Gathering(env, problems).file(name, Place(name), ())


def read_document(text: str, name: str, env: Any, problems: Problems) -> Mapping | None:
    """The tree of a text that is not a file; it cannot include anything."""
    known = len(problems)
    root = read_text(text, name, env, problems)
    tree = _root_mapping(root, name, problems, is_read=len(problems) == known)
    if tree is not None and "include" in tree.entries:
        problems.add(tree.keys["include"], ("include",), "only a file can include other files")
        tree = _without_include(tree)
    return tree


@dataclass(slots=True)
class _Gathering:
    env: Any
    problems: Problems
    total_bytes: int = 0
    open_files: list[str] = field(default_factory=list)
    read_files: set[str] = field(default_factory=set)

    def file(self, name: str, asked_at: Place, path: Path) -> Mapping | None:
        """One file with its includes merged in. asked_at: where it was asked for."""
        identity = os.path.realpath(name.replace("\0", ""))
        if identity in self.open_files:
            self.problems.add(asked_at, path, f"{name} includes itself, directly or through another file")
            return None
        if identity in self.read_files:
            return Mapping(asked_at)
        raw = self._read(name, asked_at, path)
        text = None if raw is None else decode(raw, name, self.problems)
        if text is None:
            return None
        self.read_files.add(identity)
        self.open_files.append(identity)
        known = len(self.problems)
        root = read_text(text, name, self.env, self.problems)
        tree = _root_mapping(
            root, name, self.problems, is_read=len(self.problems) == known, is_part=path != ()
        )
        if tree is not None:
            tree = self._with_includes(tree, name)
        self.open_files.pop()
        return tree

    def _read(self, name: str, asked_at: Place, path: Path) -> bytes | None:
        if len(self.read_files) >= FILES_MAX:
            self.problems.add(asked_at, path, f"more than {FILES_MAX} files are included")
            return None
        try:
            with open(name, "rb") as stream:
                raw = stream.read(FILE_MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = "patterns are not expanded; name each file" if "*" in name and path else ""
            self.problems.add(asked_at, path, f"cannot read {name}: {reason}", hint)
            return None
        self.total_bytes += len(raw)
        if self.total_bytes > TOTAL_MAX_BYTES:
            self.problems.add(asked_at, path, "all included files together are larger than 4 MiB")
            return None
        return raw

    def _with_includes(self, tree: Mapping, name: str) -> Mapping:
        asked = tree.entries.get("include")
        merged = _without_include(tree)
        for entry, path in self._asked_files(asked) if asked is not None else ():
            other = self.file(os.path.join(os.path.dirname(name), str(entry.value)), entry.place, path)
            if other is not None:
                merged = merge(merged, other, (), self.problems)
        return merged

    def _asked_files(self, asked: Node) -> list[tuple[Scalar, Path]]:
        entries: list[tuple[Node, Path]] = [(asked, ("include",))]
        if isinstance(asked, Sequence):
            entries = [(item, ("include", index)) for index, item in enumerate(asked.items)]
        files: list[tuple[Scalar, Path]] = []
        for node, path in entries:
            if isinstance(node, Scalar) and isinstance(node.value, str) and node.value and not node.is_broken:
                files.append((node, path))
            elif not (isinstance(node, Scalar) and node.is_broken):
                self.problems.add(node.place, path, f"expected the path of a file, got {describe(node)}")
        return files


def merge(first: Mapping, second: Mapping, path: Path, problems: Problems) -> Mapping:
    """Both trees in a new one: mappings are merged key by key, any other key given by both is a problem."""
    merged = copy_of(first)
    for key, node in second.entries.items():
        mine = merged.entries.get(key)
        if mine is None:
            merged.put(key, second.keys[key], node)
        elif isinstance(mine, Mapping) and isinstance(node, Mapping):
            merged.put(key, merged.keys[key], merge(mine, node, (*path, key), problems))
        elif not _is_same_version(mine, node, (*path, key)):
            problems.add(
                second.keys[key],
                (*path, key),
                f"this key is given twice; also at {merged.keys[key]}",
                f"keep {format_path((*path, key))} in one of the files",
            )
    return merged


def _is_same_version(mine: Node, other: Node, path: Path) -> bool:
    is_scalar = isinstance(mine, Scalar) and isinstance(other, Scalar)
    return path == ("version",) and is_scalar and mine.value == other.value  # type: ignore[union-attr]


def _without_include(tree: Mapping) -> Mapping:
    return copy_of(tree, tree.entries.keys() - {"include"})


def _root_mapping(
    root: Node | None, name: str, problems: Problems, *, is_read: bool, is_part: bool = False
) -> Mapping | None:
    """The root as a mapping. is_read: the text could be read; is_part: an included file, it may be empty."""
    if isinstance(root, Mapping):
        return root
    place = Place(name, 1, 1) if root is None else root.place
    if root is not None and not (isinstance(root, Scalar) and root.value is None):
        problems.add(
            place, (), f"expected a mapping with keys such as pools and listeners, got {describe(root)}"
        )
    elif is_part and is_read:
        return Mapping(place)
    elif is_read:
        problems.add(place, (), "the configuration is empty", "it needs pools and listeners")
    return None
