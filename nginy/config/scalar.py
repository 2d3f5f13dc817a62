"""Plain scalars by the YAML 1.2 core schema, and ${NAME} in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

ScalarValue: TypeAlias = str | int | float | bool | None

_WORDS: dict[str, ScalarValue] = {"": None, "~": None}
_WORDS |= dict.fromkeys(("null", "Null", "NULL"), None)
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True)
_WORDS |= dict.fromkeys(("false", "False", "FALSE"), False)
# A leading zero makes text: 0755 is 755 to the core schema and 493 to YAML 1.1, so it is neither here.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMBER_MAX_CHARS = 64
_NUMBER_STARTS = frozenset("0123456789+-.")

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_REFERENCE_HINT = "write ${NAME} or ${NAME:-default}"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def resolve_plain(text: str) -> ScalarValue:
    """What an unquoted scalar means: null, true, false, a number, else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _NUMBER_MAX_CHARS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    special = _SPECIAL.fullmatch(text)
    if special is None:
        return text
    return float(special[1] + "inf") if special[2] else float("nan")


def substitute(text: str, env: Mapping[str, str], troubles: list[tuple[str, str]]) -> str:
    """Replace ${NAME} and ${NAME:-default}; `$${` stands for `${`.

    A default is used when the variable is unset or empty. What cannot be replaced stays, and a pair (message,
    hint) is added to troubles.
    """

    def replace(reference: re.Match[str]) -> str:
        if reference[1] is None:
            return "${"
        name, has_default, default = reference[1].partition(":-")
        if not reference[2]:
            is_nested = text[reference.end() : reference.end() + 1] == "{"
            trouble = "has another ${ inside" if is_nested else "is not closed"
            troubles.append((f"{reference[0]!r} {trouble}", _REFERENCE_HINT + "; $${ stands for ${"))
        elif not _NAME.fullmatch(name):
            troubles.append((f"{reference[0]!r} does not name a variable", _REFERENCE_HINT))
        elif has_default:
            return env.get(name) or default
        elif name not in env:
            troubles.append((f"the environment has no {name}", f"set it, or write ${{{name}:-default}}"))
        else:
            return env[name]
        return reference[0]

    return _REFERENCE.sub(replace, text)


def escape(text: str) -> str:
    """Text that substitute() turns back into what is given."""
    return text.replace("${", "$${")
