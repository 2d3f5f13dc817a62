"""Text to tree: YAML events to nodes that keep their marks, bounded in size, depth and growth by aliases.

Syntax errors stop the reading of a text; everything else that is wrong is collected and reading goes on.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from nginy.config import syntax
from nginy.config.scalar import resolve_plain, substitute
from nginy.config.tree import Mapping, Node, Path, Place, Problems, Scalar, Sequence

FILE_MAX_BYTES = 1 << 20
DEPTH_MAX = 64
# Enough for one health check shared by every pool; aliases of aliases of aliases stay far from a gigabyte.
ALIAS_NODES_MAX = 100_000

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\ufeff")
Environment = dict[str, str] | os._Environ[str] | None


class _StopReading(Exception):  # noqa: N818
    """The rest of this text cannot be read; the reason has been noted."""


def decode(raw: bytes, name: str, problems: Problems) -> str | None:
    """UTF-8 to text; None, with a problem noted, for anything else or more than 1 MiB."""
    place = Place(name, 1, 1)
    if len(raw) > FILE_MAX_BYTES:
        problems.add(
            Place(name), (), "the file is larger than 1 MiB", "a configuration can be split with include"
        )
        return None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        problems.add(place, (), "the file is not UTF-8 text, it seems to be UTF-16", "save it as UTF-8")
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8 text"
        problems.add(_place_after(before, name), (), message, "save the file as UTF-8")
        return None


def read_text(text: str, name: str, env: Any, problems: Problems) -> Node | None:
    """Build the tree of one YAML or JSON document.

    env: variables for ${NAME}; None leaves scalars as they are.   Returns None when the text is empty, or
    cannot be read, which is noted in problems.
    """
    if len(text) > FILE_MAX_BYTES or len(text.encode("utf-8", "replace")) > FILE_MAX_BYTES:
        problems.add(
            Place(name), (), "the text is larger than 1 MiB", "a configuration can be split with include"
        )
        return None
    odd = _UNPRINTABLE.search(text)
    if odd is not None:
        problems.add(_place_after(text[: odd.start()], name), (), *syntax.odd_character(odd[0], odd.start()))
        return None
    builder = _Builder(name, env, problems)
    try:
        for event in _events(text):
            builder.take(event)
    except _StopReading:
        return None
    except yaml.YAMLError as error:
        line, column, message, hint = syntax.explain(error, text)
        problems.add(Place(name, line, column), builder.path(), message, hint)
        return None
    return builder.root


def _place_after(before: str, name: str) -> Place:
    lines = before.split("\n")
    return Place(name, len(lines), len(lines[-1]) + 1)


def _events(text: str) -> Iterable[Any]:
    if not yaml.__with_libyaml__:
        warnings.warn(
            "PyYAML was built without libyaml: its slower parser reads the configuration",
            RuntimeWarning,
            stacklevel=2,
        )
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
        return
    parser: Any = yaml.CSafeLoader(text)
    while (event := parser.get_event()) is not None:
        yield event


@dataclass(slots=True)
class _Frame:
    """A collection that is still open."""

    node: Mapping | Sequence
    nodes_before: int
    anchor: str | None
    key: str | None = None
    key_place: Place | None = None
    is_dropped: bool = False


@dataclass(slots=True)
class _Builder:
    name: str
    env: Any
    problems: Problems
    root: Node | None = None
    frames: list[_Frame] = field(default_factory=list)
    anchors: dict[str, tuple[Node, int]] = field(default_factory=dict)
    n_nodes: int = 0
    n_alias_nodes: int = 0
    n_documents: int = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(Mapping(self._place(event)), event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(Sequence([], self._place(event)), event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._document(event)

    def path(self) -> Path:
        """Where the next node belongs."""
        steps = (f.key if isinstance(f.node, Mapping) else len(f.node.items) for f in self.frames)
        return tuple(step for step in steps if step is not None)

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self.name, mark.line + 1, mark.column + 1)

    def _note(self, place: Place, message: str, hint: str = "") -> None:
        self.problems.add(place, self.path(), message, hint)

    def _refuse(self, event: Any, message: str, hint: str = "") -> _StopReading:
        self._note(self._place(event), message, hint)
        return _StopReading()

    def _document(self, event: Any) -> None:
        self.n_documents += 1
        if self.n_documents > 1:
            raise self._refuse(
                event,
                "a second document begins here; a configuration is one document",
                "remove the line ---, or use include",
            )
        if event.version not in (None, (1, 2)):
            self._note(
                self._place(event),
                "this text asks for YAML {}.{}; nginy reads YAML 1.2".format(*event.version),
                "remove the %YAML line",
            )

    def _awaits_key(self) -> bool:
        return bool(self.frames) and isinstance(self.frames[-1].node, Mapping) and self.frames[-1].key is None

    def _scalar(self, event: Any) -> None:
        self._check_tag(event)
        if self._awaits_key():
            self._key(event)
            return
        node = Scalar(event.value, self._place(event), event.value, not event.style)
        if self.env is not None and "${" in event.value:
            self._substitute(node, event.value)
        if node.plain and isinstance(node.value, str):
            node.value = resolve_plain(node.value)
        self.n_nodes += 1
        if event.anchor:
            self.anchors[event.anchor] = (node, 1)
        self._attach(node)

    def _substitute(self, node: Scalar, text: str) -> None:
        troubles: list[tuple[str, str]] = []
        node.value, node.substituted = substitute(text, self.env, troubles), True
        node.is_broken = bool(troubles)
        for trouble in troubles:
            self._note(node.place, *trouble)

    def _key(self, event: Any) -> None:
        frame = self.frames[-1]
        frame.key, frame.key_place, frame.is_dropped = event.value, self._place(event), False
        if event.value == "<<" and not event.style:
            frame.is_dropped = True
            self._note(
                frame.key_place,
                "merge keys (<<) are not part of YAML 1.2",
                "repeat the keys, or give them once under defaults",
            )
        elif isinstance(frame.node, Mapping) and event.value in frame.node.entries:
            frame.is_dropped = True
            self._note(
                frame.key_place,
                f"this key is given twice; first at line {frame.node.keys[event.value].line}",
                "keep one of the two",
            )

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")[:40]
            self._note(
                self._place(event), f"tags are not used here, got {shown}", "quote a value to make it text"
            )

    def _open(self, node: Mapping | Sequence, event: Any) -> None:
        self._check_tag(event)
        if self._awaits_key():
            raise self._refuse(
                event,
                "a key must be a word, got " + ("a mapping" if type(node) is Mapping else "a list"),
                "a text that begins with { or [ must be quoted",
            )
        if len(self.frames) >= DEPTH_MAX:
            raise self._refuse(event, f"nested more than {DEPTH_MAX} levels deep")
        if event.anchor:
            self.anchors.pop(event.anchor, None)
        self.n_nodes += 1
        self.frames.append(_Frame(node, self.n_nodes - 1, event.anchor))

    def _close(self) -> None:
        frame = self.frames.pop()
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.node, self.n_nodes - frame.nodes_before)
        self._attach(frame.node)

    def _alias(self, event: Any) -> None:
        if self._awaits_key():
            raise self._refuse(event, f"a key must be a word, got the alias *{event.anchor}")
        if event.anchor not in self.anchors:
            is_open = any(frame.anchor == event.anchor for frame in self.frames)
            trouble = "refers to what it stands in" if is_open else "has no anchor before it"
            raise self._refuse(
                event, f"the alias *{event.anchor} {trouble}", "a text that begins with * must be quoted"
            )
        node, n_nodes = self.anchors[event.anchor]
        self.n_nodes += n_nodes
        self.n_alias_nodes += n_nodes
        if self.n_alias_nodes > ALIAS_NODES_MAX:
            raise self._refuse(event, f"aliases make this file grow by more than {ALIAS_NODES_MAX} values")
        self._attach(node)

    def _attach(self, node: Node) -> None:
        if not self.frames:
            self.root = node
            return
        frame = self.frames[-1]
        if isinstance(frame.node, Sequence):
            frame.node.items.append(node)
            return
        if not frame.is_dropped and frame.key is not None and frame.key_place is not None:
            frame.node.put(frame.key, frame.key_place, node)
        frame.key = None
