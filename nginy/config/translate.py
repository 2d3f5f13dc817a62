"""What pydantic complains about, in plain words. Pure."""

from __future__ import annotations

from typing import Any

from nginy.config.shape import Key, Shape
from nginy.config.values import expected, show


def explain(trouble: Any, key: Key | None) -> tuple[str, str]:
    """Message and hint for one entry of ValidationError.errors(). key: None when about the mapping."""
    kind, context = trouble["type"], trouble.get("ctx", {})
    if kind == "missing" and key is not None:
        return f"this key is missing; expected {expected(key.shape)}", _brief(key)
    if kind in ("greater_than_equal", "less_than_equal") and key is not None:
        return f"expected {_range(key.shape)}, got {show(trouble['input'], key.shape)}", ""
    if kind == "too_short":
        return f"needs at least {_entries(context['min_length'])}", ""
    if kind == "too_long":
        return f"has {context['actual_length']} entries; at most {context['max_length']} are allowed", ""
    if kind == "string_too_short":
        return "must not be empty", ""
    if kind == "string_too_long":
        return f"is longer than {context['max_length']} characters", ""
    if kind == "finite_number":
        return f"expected a finite number, got {trouble['input']}", ""
    if kind == "value_error":
        return str(context["error"]), ""
    return str(trouble["msg"])[:1].lower() + str(trouble["msg"])[1:], ""


def _range(shape: Shape) -> str:
    return f"{show(shape.least, shape)} to {show(shape.most, shape)}"


def _brief(key: Key) -> str:
    return key.description.split(". ")[0].rstrip(".").replace("`", "")


def _entries(count: int) -> str:
    return "one entry" if count == 1 else f"{count} entries"
