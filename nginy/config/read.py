"""Tree to model objects, along the shapes; every problem is noted at its mark and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from math import isfinite
from typing import Any, Final

from pydantic import ValidationError

from nginy.config.shape import Key, Shape, keys_of
from nginy.config.translate import explain
from nginy.config.tree import Mapping, Node, Path, Place, Problems, Scalar, Sequence, copy_of, describe
from nginy.config.units import UnitError
from nginy.config.values import expected, read_key, read_scalar
from nginy.config.words import is_later, key_hint
from nginy.model import NAME_PATTERN, Model

NAME_MAX_CHARS = 64
INVALID: Final = object()
"""Stands for a value whose problem has been noted."""

_NAME = re.compile(NAME_PATTERN)
_CITED_KINDS = frozenset(("bind", "cert", "loopback", "pool", "socket"))


@dataclass(slots=True)
class Met:
    """A mapping that was read. values: what could be, by key; built: of them; node has the marks, at: of its key."""

    path: Path
    model: type[Model]
    values: dict[str, Any]
    node: Node
    at: Place
    built: Any = None

    def place_of(self, key: str) -> Place:
        """Where the value of a key stands; the mapping itself for a key that stands nowhere."""
        if isinstance(self.node, Mapping) and key in self.node.entries:
            return self.node.entries[key].place
        return self.node.place

    def says(self, key: str) -> bool:
        """Whether a key is there and says something, readable or not."""
        is_there = isinstance(self.node, Mapping) and key in self.node.entries
        return is_there and self.values.get(key, True) not in (None, ())

    def path_of(self, key: str) -> Path:
        """The path of a key; of the mapping itself where a short form stands for it."""
        return (*self.path, key) if isinstance(self.node, Mapping) else self.path


@dataclass(frozen=True, slots=True)
class Cited:
    """A scalar that other parts of the tree may be about. kind: of its shape, such as `bind` or `pool`."""

    kind: str
    value: Any
    place: Place
    path: Path


@dataclass(slots=True)
class Reader:
    """One reading of one tree.

    inheritance: asked once for each mapping of names; what it returns completes each entry before it is read.
    """

    problems: Problems
    inheritance: Callable[[Path, list[Met]], Callable[[Node], Node]]
    met: list[Met] = field(default_factory=list)
    cited: list[Cited] = field(default_factory=list)

    def read(self, node: Node, shape: Shape, path: Path, at: Place) -> Any:
        """The value of a node, or INVALID. at: where its key stands, or the node itself in a list."""
        if isinstance(node, Scalar):
            if node.is_broken:
                return INVALID
            if node.value is None and shape.is_optional:
                return None
            if shape.off and (node.value == "off" or node.value is False):
                return None
            if shape.on and (node.value == "on" or node.value is True):
                node = Mapping(node.place)
        if shape.kind == "mapping":
            return self._mapping(node, shape, path, at)
        if shape.kind == "union":
            return self._union(node, shape, path, at)
        if shape.kind == "names":
            return self._names(node, shape, path)
        if shape.kind in ("ids", "headers"):
            return self._keyed(node, shape, path)
        if shape.kind == "list":
            return self._list(node, shape, path)
        if shape.kind == "arguments":
            return self._arguments(node, shape, path)
        return self._scalar(node, shape, path)

    def _wrong(self, node: Node, path: Path, shape: Shape, also: str = "") -> object:
        self.problems.add(node.place, path, f"expected {expected(shape)}{also}, got {describe(node)}")
        return INVALID

    def _scalar(self, node: Node, shape: Shape, path: Path, key: str = "") -> Any:
        """key: what hints go by, where it is not the last of path."""
        if not isinstance(node, Scalar):
            return self._wrong(node, path, shape)
        if node.is_broken:
            return INVALID
        try:
            value = read_scalar(node, shape, key or _last_key(path))
        except UnitError as error:
            self.problems.add(node.place, path, str(error), error.hint)
            return INVALID
        if shape.kind in _CITED_KINDS:
            self.cited.append(Cited(shape.kind, value, node.place, path))
        return value

    def _list(self, node: Node, shape: Shape, path: Path) -> Any:
        if shape.choices and isinstance(node, Scalar):
            return self._scalar(node, shape, path)
        if shape.item is None or not isinstance(node, Sequence):
            if shape.item is not None and shape.one_or_many and isinstance(node, Scalar):
                value = self.read(node, shape.item, path, node.place)
                return value if value is INVALID else (value,)
            return self._wrong(node, path, shape)
        items = [
            self.read(item, shape.item, (*path, index), item.place) for index, item in enumerate(node.items)
        ]
        return INVALID if any(item is INVALID for item in items) else tuple(items)

    def _names(self, node: Node, shape: Shape, path: Path) -> Any:
        if shape.item is None or not isinstance(node, Mapping):
            return self._wrong(node, path, shape)
        named: dict[str, Any] = {}
        complete = self.inheritance(path, self.met)
        for name, child in node.entries.items():
            self._check_name(name, node.keys[name], (*path, name))
            named[name] = self.read(complete(child), shape.item, (*path, name), node.keys[name])
        return INVALID if any(value is INVALID for value in named.values()) else named

    def _keyed(self, node: Node, shape: Shape, path: Path) -> Any:
        """A mapping whose keys are read too: ids, or names of headers."""
        if shape.item is None or not isinstance(node, Mapping):
            return self._wrong(node, path, shape)
        found, seen = dict[str, Any](), set[str]()
        for written, child in node.entries.items():
            key, value = written, self.read(child, shape.item, (*path, written), node.keys[written])
            try:
                key = read_key(written, shape)
                if key.lower() in seen:
                    raise UnitError(f"the {shape.kind.removesuffix('s')} {key} is given twice", "keep one")
            except UnitError as error:
                self.problems.add(node.keys[written], (*path, written), str(error), error.hint)
                value = INVALID
            seen.add(key.lower())
            found[key] = value
        return INVALID if any(value is INVALID for value in found.values()) else found

    def _arguments(self, node: Node, shape: Shape, path: Path) -> Any:
        if not isinstance(node, Mapping):
            return self._wrong(node, path, shape)
        found: dict[str, Any] = {}
        for name, child in node.entries.items():
            found[name] = self._plain(child, (*path, name))
            if not name.isidentifier() or iskeyword(name):
                self.problems.add(node.keys[name], (*path, name), f"{name!r} cannot be the name of an argument")
                found[name] = INVALID
        return INVALID if any(value is INVALID for value in found.values()) else found

    def _plain(self, node: Node, path: Path) -> Any:
        """A value for Python: text, number, boolean, nothing, lists and mappings of them."""
        if isinstance(node, Mapping):
            inner = {key: self._plain(child, (*path, key)) for key, child in node.entries.items()}
            return INVALID if any(value is INVALID for value in inner.values()) else inner
        if isinstance(node, Sequence):
            items = [self._plain(item, (*path, index)) for index, item in enumerate(node.items)]
            return INVALID if any(item is INVALID for item in items) else items
        if node.is_broken:
            return INVALID
        if isinstance(node.value, float) and not isfinite(node.value):
            self.problems.add(node.place, path, f"expected a finite number, got {node.value}")
            return INVALID
        return node.value

    def _check_name(self, name: str, place: Place, path: Path) -> None:
        if _NAME.fullmatch(name) and len(name) <= NAME_MAX_CHARS:
            return
        ours = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:NAME_MAX_CHARS]
        message = (
            f"a name begins with a-z and goes on with a-z, 0-9, - and _, {NAME_MAX_CHARS} characters at most"
        )
        self.problems.add(place, path, message, f"write {ours}" if _NAME.fullmatch(ours) else "")

    def _mapping(self, node: Node, shape: Shape, path: Path, at: Place) -> Any:
        assert shape.model is not None
        keys = keys_of(shape.model)
        if isinstance(node, Scalar) and node.value is None:
            node = Mapping(at)
        if isinstance(node, Mapping):
            values, failed = self._entries(node, keys, path, shape.model)
        elif isinstance(node, Scalar) and shape.model.short:
            value = self.read(node, keys[shape.model.short].shape, path, at)
            if value is INVALID:
                return INVALID
            values, failed = {shape.model.short: value}, set()
        else:
            also = f" or {expected(keys[shape.model.short].shape)}" if shape.model.short else ""
            return self._wrong(node, path, shape, also)
        return self._build(Met(path, shape.model, values, node, at), failed, at)

    def _union(self, node: Node, shape: Shape, path: Path, at: Place) -> Any:
        variants = dict(shape.variants)
        kinds = Shape("choice", choices=tuple(variants), off=shape.off)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            kind = self._scalar(node, kinds, path)
            node = Mapping(node.place)
        elif not isinstance(node, Mapping):
            return self._wrong(node, path, kinds, " or a mapping with `kind`")
        elif "kind" not in node.entries:
            kind = INVALID
            self.problems.add(at, (*path, "kind"), f"this key is missing; expected {expected(kinds)}")
        else:
            kind = self._scalar(node.entries["kind"], kinds, (*path, "kind"), _last_key(path))
        if kind is INVALID:
            return self._kindless(node, shape, path)
        return self._mapping(node, Shape("mapping", model=variants[kind]), path, at)

    def _kindless(self, node: Mapping, shape: Shape, path: Path) -> object:
        """Note what is wrong in a mapping of an unknown kind, but for keys that differ from kind to kind."""
        every: dict[str, list[Key]] = {}
        for _, model in shape.variants:
            for name, key in keys_of(model).items():
                every.setdefault(name, []).append(key)
        doubtful = {"kind", *(name for name, known in every.items() if len({key.shape for key in known}) > 1)}
        keys = {name: known[0] for name, known in every.items()}
        self._entries(copy_of(node, node.entries.keys() - doubtful), keys, path, shape.variants[-1][1])
        return INVALID

    def _entries(
        self, node: Mapping, keys: dict[str, Key], path: Path, model: type[Model]
    ) -> tuple[dict[str, Any], set[str]]:
        """Values by key, and keys that could not be read. In the order of the model: defaults come early."""
        values: dict[str, Any] = {}
        failed: set[str] = set()
        for name in keys if len(node.entries) > 1 else node.entries:
            if name not in node.entries or name not in keys:
                continue
            value = self.read(node.entries[name], keys[name].shape, (*path, name), node.keys[name])
            if value is INVALID:
                failed.add(name)
            else:
                values[name] = value
        for name in node.entries.keys() - keys.keys():
            self._unknown(name, node.keys[name], (*path, name), model)
            failed.add(name)
        return values, failed

    def _unknown(self, name: str, place: Place, path: Path, model: type[Model]) -> None:
        if is_later(model.__name__, name):
            self.problems.add(place, path, "this key is not in this version yet")
        else:
            self.problems.add(place, path, "this key is not known here", key_hint(model, name))

    def _build(self, met: Met, failed: set[str], at: Place) -> Any:
        """The object, once pydantic has seen ranges and required keys; INVALID when anything was wrong."""
        self.met.append(met)
        try:
            built = met.model.model_validate(met.values)
        except ValidationError as error:
            for trouble in error.errors(include_url=False):
                self._translate(trouble, met, failed, at)
            return INVALID
        met.built = INVALID if failed else built
        return met.built

    def _translate(self, trouble: Any, met: Met, failed: set[str], at: Place) -> None:
        key = str(trouble["loc"][0]) if trouble["loc"] else ""
        # what keys say about each other is not known while one of them could not be read
        if key in failed or not key and failed:
            return
        known = keys_of(met.model).get(key)
        path = met.path_of(key) if known is not None else met.path
        place = at if trouble["type"] == "missing" or known is None else met.place_of(key)
        index = next((step for step in trouble["loc"][1:] if isinstance(step, int)), None)
        items = met.node.entries.get(key) if isinstance(met.node, Mapping) else None
        if known is not None and known.shape.item is not None and index is not None and isinstance(items, Sequence):
            path, place = (*path, index), items.items[index].place
            known = replace(known, shape=known.shape.item)
        self.problems.add(place, path, *explain(trouble, known))
        met.values.pop(key, None)
        failed.add(key)


def _last_key(path: Path) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")
