"""Model to YAML for people: what defaults say is left out; loading the text gives an equal model. Pure."""

from __future__ import annotations

import re
from typing import Any

from nginy.config.check import config_from
from nginy.config.plain import plain_config
from nginy.config.scalar import resolve_plain
from nginy.model import Config

_LINE_MAX_CHARS = 100
_BARE = re.compile(
    r"[A-Za-z_][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*|(/[A-Za-z0-9_.-]+)+|[0-9]+[A-Za-z]+[0-9A-Za-z]*|[0-9]+/s"
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Words that other readers of YAML, who still go by version 1.1, take for booleans.
_YAML_1_1 = frozenset(("y", "n", "yes", "no", "on", "off"))


def to_yaml(config: Config) -> str:
    """The configuration as text; load it, and the result is equal to config_from(config).

    Errors: ConfigError for a model that was made in Python and does not pass the checks.
    """
    lines: list[str] = []
    for key, value in plain_config(config_from(config)).items():
        if lines and isinstance(value, dict):
            lines.append("")
        _write(lines, "", key, value)
    return "\n".join(lines) + "\n"


def _write(lines: list[str], indent: str, key: str, value: Any) -> None:
    """`key: value` in one line when it is short and has no structure worth lines of its own."""
    line = f"{indent}{_text(key)}: {_flow(value)}"
    is_deep = not indent or _depth(value) > 2 or _has_backends(key, value)
    if len(line) <= _LINE_MAX_CHARS and not (is_deep and isinstance(value, (dict, list))):
        lines.append(line)
    elif isinstance(value, dict):
        lines.append(f"{indent}{_text(key)}:")
        for inner_key, inner in value.items():
            _write(lines, indent + "  ", inner_key, inner)
    elif isinstance(value, list):
        lines.append(f"{indent}{_text(key)}:")
        lines.extend(f"{indent}  - {_flow(item)}" for item in value)
    else:
        lines.append(line)


def _has_backends(key: str, value: Any) -> bool:
    return key == "backends" or isinstance(value, dict) and "backends" in value


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    return value if value in ("on", "off") else _text(value)


def _text(text: str) -> str:
    """A text so that every reader of YAML takes it for one."""
    if _BARE.fullmatch(text) and resolve_plain(text) == text and text.lower() not in _YAML_1_1:
        return text
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in _ESCAPES or character.isprintable():
        return _ESCAPES.get(character, character)
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
