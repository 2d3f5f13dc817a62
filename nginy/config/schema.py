"""The models as a JSON Schema that editors complete from. `nginy check` has the last word, this the first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nginy.config.plain import plain_value
from nginy.config.shape import Key, Shape, first_sentence, keys_of
from nginy.config.units import DURATION_PATTERN, PACE_PATTERN, RATE_PATTERN, SIZE_PATTERN
from nginy.config.values import expected, show
from nginy.model import NAME_PATTERN, Config, Model

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SUBSTITUTED = {"$ref": "#/$defs/substituted"}
_PATTERNS = {"duration": DURATION_PATTERN, "size": SIZE_PATTERN, "rate": RATE_PATTERN, "pace": PACE_PATTERN}
_COUNTED = {"duration": "seconds", "size": "bytes", "rate": "per second", "pace": "per second"}
_KEYS = {"names": f"^{NAME_PATTERN}$", "ids": "^([0-9a-fA-F]{2})+$", "headers": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}
_INCLUDE = {
    "description": "Files to merge into this one, relative to it: a path or a list of paths.",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of a configuration file, with every short form that is accepted.

    A file that is included need not be whole, so no key is required at the top. What one value alone cannot
    tell (references, clashes) is not in it.
    """
    definitions: dict[str, Any] = {
        "substituted": {
            "description": "A value that the environment gives: ${NAME} or ${NAME:-default}.",
            "type": "string",
            "pattern": r"\$\{",
        }
    }
    root = _object(Config, definitions)
    root["properties"]["include"] = _INCLUDE
    del root["required"]
    return {"$schema": DIALECT, "title": "nginy configuration", **root, "$defs": definitions}


def _object(model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    keys = keys_of(model)
    described: dict[str, Any] = {"description": first_sentence(model), "type": "object"}
    described["properties"] = {name: _property(key, definitions) for name, key in keys.items()}
    required = [name for name, key in keys.items() if key.is_required]
    if required:
        described["required"] = required
    if model.one_of:
        described["oneOf"] = [{"required": [name]} for name in model.one_of]
    return described | {"additionalProperties": False}


def _property(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    described = {"description": key.description} if key.description else {}
    if not (key.is_required or key.default_text or key.default is None or key.shape.kind == "mapping"):
        described["default"] = plain_value(key.default, key.shape)
    return described | _value(key.shape, definitions)


def _value(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    forms = _forms(shape, definitions)
    if shape.off:
        forms.append({"enum": ["off", False]})
    if shape.on:
        forms.append({"enum": ["on", True]})
    # An empty value is no value: a section may be there with all its keys commented out.
    is_empty_allowed = shape.model is not None and not (
        shape.model.one_of or any(key.is_required for key in keys_of(shape.model).values())
    )
    if shape.is_optional or is_empty_allowed:
        forms.append({"type": "null"})
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _forms(shape: Shape, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """The ways to write a value, the fullest first."""
    if shape.kind == "mapping" and shape.model is not None:
        short = (
            _value(keys_of(shape.model)[shape.model.short].shape, definitions) if shape.model.short else None
        )
        return [_reference(shape.model, definitions)] + ([short] if short else [])
    if shape.kind == "union":
        kinds = {"enum": [kind for kind, _ in shape.variants]}
        return [*(_reference(model, definitions) for _, model in shape.variants), kinds, _SUBSTITUTED]
    if shape.kind in _KEYS and shape.item is not None:
        named = {_KEYS[shape.kind]: _value(shape.item, definitions)}
        return [{"type": "object", "patternProperties": named, "additionalProperties": False}]
    if shape.kind == "list" and shape.item is not None:
        item = _value(shape.item, definitions)
        return [
            {"type": "array", "items": item, "minItems": 1},
            *([item] if shape.one_or_many else []),
            *([_choices(shape), _SUBSTITUTED] if shape.choices else []),
        ]
    return _scalar_forms(shape)


def _reference(model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    name = model.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(model, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _scalar_forms(shape: Shape) -> list[dict[str, Any]]:
    if shape.kind in ("integer", "number"):
        choices = [_choices(shape)] if shape.choices else []
        return [_number(shape, shape.kind), *choices, _SUBSTITUTED]
    if shape.kind in _PATTERNS:
        pattern = f"^({_PATTERNS[shape.kind]})$"
        written = {"type": "string", "pattern": pattern, "description": _bounds(shape)}
        return [written, _number(shape, "integer" if shape.kind == "rate" else "number"), _SUBSTITUTED]
    if shape.kind == "choice":
        return [_choices(shape), _SUBSTITUTED]
    if shape.kind == "switch":
        return [{"enum": ["on", "off", True, False]}, _SUBSTITUTED]
    if shape.kind == "arguments":
        return [{"type": "object"}]
    if shape.kind in ("payload", "header_value"):
        return [{"type": "string"}]
    text: dict[str, Any] = {"type": "string", "minLength": 1, "description": expected(shape)}
    if shape.kind == "status":
        return [text, _number(replace(shape, least=100, most=599), "integer")]
    return [text, {"const": False}] if shape.kind == "output" else [text]


def _choices(shape: Shape) -> dict[str, Any]:
    words: list[Any] = list(shape.choices)
    return {"enum": words + [False] * ("off" in words) + [True] * ("on" in words)}


def _number(shape: Shape, kind: str) -> dict[str, Any]:
    bounds = {"type": kind, "minimum": shape.least, "maximum": shape.most}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _bounds(shape: Shape) -> str:
    return f"{show(shape.least, shape)} to {show(shape.most, shape)}; a number counts {_COUNTED[shape.kind]}"
