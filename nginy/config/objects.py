"""Python objects to the same tree that text becomes: dicts, lists, scalars and models, without marks."""

from __future__ import annotations

import os
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass
from typing import Any

from nginy.config.load import DEPTH_MAX
from nginy.config.scalar import substitute
from nginy.config.shape import keys_of
from nginy.config.tree import Mapping, Node, Path, Place, Problems, Scalar, Sequence
from nginy.model import Model

NODES_MAX = 1_000_000
_NUMBER_MAX_BITS = 256


def read_object(given: Any, name: str, env: Any, problems: Problems) -> Node | None:
    """The tree of a dict, a list, a scalar or a model; None when it is too big. env: as for read_text."""
    reading = _Reading(Place(name), env, problems)
    try:
        return reading.node(given, ())
    except OverflowError as error:
        problems.add(reading.place, (), str(error))
        return None


def _said(given: Model) -> dict[str, Any]:
    """What a model was told, so that `defaults` may still complete the rest; a kind is always told."""
    said = given.model_fields_set | {"kind"}
    keys = keys_of(type(given)).values()
    return {key.name: getattr(given, key.attribute) for key in keys if key.attribute in said}


@dataclass(slots=True)
class _Reading:
    place: Place
    env: Any
    problems: Problems
    n_nodes: int = 0

    def node(self, given: Any, path: Path) -> Node:
        self.n_nodes += 1
        # A cycle has no bottom: depth ends it when it is narrow, the count when it is wide.
        if len(path) > DEPTH_MAX or self.n_nodes > NODES_MAX:
            raise OverflowError(f"nested more than {DEPTH_MAX} levels deep, or more than {NODES_MAX} values")
        if isinstance(given, Model):
            given = _said(given)
        if isinstance(given, AnyMapping):
            return self._mapping(given, path)
        if isinstance(given, (list, tuple)):
            return Sequence([self.node(item, (*path, index)) for index, item in enumerate(given)], self.place)
        return self._scalar(given, path)

    def _mapping(self, given: AnyMapping[Any, Any], path: Path) -> Mapping:
        mapping = Mapping(self.place)
        for key, value in given.items():
            if isinstance(key, str):
                mapping.put(key, self.place, self.node(value, (*path, key)))
            else:
                self.problems.add(self.place, path, f"a key must be a text, got {type(key).__name__}")
        return mapping

    def _scalar(self, given: Any, path: Path) -> Scalar:
        if isinstance(given, os.PathLike):
            given = os.fspath(given)
        if isinstance(given, int) and given.bit_length() > _NUMBER_MAX_BITS:
            self.problems.add(self.place, path, "this number is too large")
            return Scalar(None, self.place)
        if given is None or isinstance(given, (bool, int, float)):
            return Scalar(given, self.place, str(given))
        if not isinstance(given, str):
            message = f"expected text, a number, true, false, a list or a mapping, got {type(given).__name__}"
            self.problems.add(self.place, path, message)
            return Scalar(None, self.place)
        if self.env is None or "${" not in given:
            return Scalar(given, self.place, given, plain=False)
        troubles: list[tuple[str, str]] = []
        text = substitute(given, self.env, troubles)
        for trouble in troubles:
            self.problems.add(self.place, path, *trouble)
        return Scalar(text, self.place, given, plain=False, substituted=True, is_broken=bool(troubles))
