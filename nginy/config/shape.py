"""What may stand where: one table, read from the models. check, schema and reference all go by it. Pure."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from nginy.model import Form, Model


@dataclass(frozen=True, slots=True)
class Shape:
    """One value. kind: mapping (model), union (variants by `kind`), names (item by name), ids (item by hexadecimal
    id), headers (item by name of a header), list (item), arguments (plain values by name), integer, number, text,
    choice (choices), or a name of Form's.

    choices: beside what the kind allows, or all there is for `choice`.   least, most: bounds, inclusive.
    is_optional: null stands for None; off, on, one_or_many: as in Form.
    """

    kind: str
    model: type[Model] | None = None
    variants: tuple[tuple[str, type[Model]], ...] = ()
    item: Shape | None = None
    choices: tuple[str | int, ...] = ()
    least: float | None = None
    most: float | None = None
    is_optional: bool = False
    off: bool = False
    on: bool = False
    one_or_many: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping. default: None for a required key; default_text: when it depends on other keys.

    attribute: what the model calls it.   short_for: the key that says the same; empty as a rule.
    """

    name: str
    attribute: str
    shape: Shape
    is_required: bool
    default: Any
    default_text: str
    short_for: str
    description: str


_SCALARS: dict[type, str] = {int: "integer", float: "number", str: "text", bool: "switch"}


@cache
def keys_of(model: type[Model]) -> dict[str, Key]:
    """The keys of a model, in the order of the model; `kind`, which tells variants apart, first."""
    keys: dict[str, Key] = {}
    for attribute, known in model.model_fields.items():
        shape = _shape(known.annotation, known.metadata)
        text = next((form.default for form in _forms(known.metadata) if form.default), "")
        short_for = next((form.short_for for form in _forms(known.metadata) if form.short_for), "")
        default = None if known.is_required() else known.default
        description = known.description or _model_words(shape)
        # A key such as `from` cannot be the name of an attribute.
        name = known.validation_alias if isinstance(known.validation_alias, str) else attribute
        keys[name] = Key(name, attribute, shape, known.is_required(), default, text, short_for, description)
    return dict(sorted(keys.items(), key=lambda entry: entry[0] != "kind"))


def walk_models(model: type[Model], path: str = "") -> Iterator[tuple[str, str, type[Model]]]:
    """Every mapping below a model as (path, kind, model): ('pools.<name>.health', 'http', HttpHealth)."""
    for key in keys_of(model).values():
        where, shape = f"{path}.{key.name}".lstrip("."), key.shape
        if shape.item is not None:
            where += {"names": ".<name>", "ids": ".<id>"}.get(shape.kind, "[]")
            shape = shape.item
        for kind, inner in shape.variants or ((("", shape.model),) if shape.model else ()):
            yield where, kind, inner
            yield from walk_models(inner, where)


def first_sentence(model: type[Model]) -> str:
    """The sentence that tells what a model is."""
    return (model.__doc__ or "").strip().split("\n")[0].split(". ")[0].rstrip(".") + "."


def _model_words(shape: Shape) -> str:
    return first_sentence(shape.model) if shape.model is not None else ""


def _forms(metadata: Iterable[Any]) -> list[Form]:
    return [entry for entry in metadata if isinstance(entry, Form)]


def _shape(annotation: Any, metadata: Iterable[Any]) -> Shape:
    """The shape of a type. metadata: what Annotated and Field say about it."""
    said = list(_flat(metadata))
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _shape(inner, [*more, *said])
    shape = _bare_shape(annotation)
    for form in _forms(said):
        shape = replace(
            shape,
            kind=form.kind or shape.kind,
            off=shape.off or form.off,
            on=shape.on or form.on,
            one_or_many=shape.one_or_many or form.one_or_many,
        )
    for entry in said:
        shape = replace(shape, least=getattr(entry, "ge", shape.least), most=getattr(entry, "le", shape.most))
    return shape


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for entry in metadata:
        if isinstance(entry, FieldInfo):
            yield from entry.metadata
        else:
            yield entry


def _bare_shape(annotation: Any) -> Shape:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union_shape(inner)
    if origin is Literal:
        return Shape("choice", choices=inner)
    if origin is tuple:
        return Shape("list", item=_shape(inner[0], ()))
    if origin is dict and inner[1] is Any:
        return Shape("arguments")
    if origin is dict:
        return Shape("names", item=_shape(inner[1], ()))
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return Shape("mapping", model=annotation)
    return Shape(_SCALARS[annotation])


def _union_shape(members: tuple[Any, ...]) -> Shape:
    shapes = [_shape(member, ()) for member in members if member is not types.NoneType]
    models = [shape.model for shape in shapes if shape.model is not None]
    if len(models) > 1:
        shape = Shape(
            "union", variants=tuple((model.model_fields["kind"].default, model) for model in models)
        )
    else:
        words = [choice for shape in shapes if shape.kind == "choice" for choice in shape.choices]
        rest = [shape for shape in shapes if shape.kind != "choice"]
        shape = replace(rest[0], choices=tuple(words)) if rest else Shape("choice", choices=tuple(words))
    return replace(shape, is_optional=types.NoneType in members)
