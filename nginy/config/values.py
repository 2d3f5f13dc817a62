"""Scalars of the tree to values of the model, by shape. Pure; what cannot be read raises UnitError."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from nginy.config import address, matches
from nginy.config.scalar import resolve_plain
from nginy.config.shape import Shape
from nginy.config.tree import Scalar, describe
from nginy.config.units import (
    UnitError,
    format_duration,
    format_pace,
    format_rate,
    format_size,
    parse_duration,
    parse_pace,
    parse_rate,
    parse_size,
)
from nginy.config.words import hint_for, is_later

_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_STATUS_CLASS = re.compile(r"([1-5])xx", re.IGNORECASE)
_SWITCH = {"on": True, "off": False}
_SWITCH_WORD = {True: "on", False: "off"}


def read_scalar(node: Scalar, shape: Shape, key: str) -> Any:
    """The value of a scalar where this shape is expected. key: its name, for hints. Errors: UnitError."""
    if shape.kind in _NUMBERS or shape.choices:
        return _NUMBERS.get(shape.kind, _choice)(node, shape, key)
    text = _text(node, shape.kind)
    if shape.kind == "file":  # as it is written, it stands beside the file that names it
        text = os.path.join(os.path.dirname(os.path.abspath(node.place.file)), text)
    return _TEXTS[shape.kind](text)


def read_key(text: str, shape: Shape) -> str:
    """A key of a mapping whose keys are more than names. Errors: UnitError."""
    if shape.kind == "headers":
        return matches.parse_header_name(text)
    if not re.fullmatch(r"([0-9a-fA-F]{2})+", text):
        raise UnitError(f"an id is hexadecimal, two digits for each byte, got {text!r}")
    return text.lower()


def show(value: Any, shape: Shape) -> str:
    """A value of the model as people write it, for messages."""
    if isinstance(value, (int, float)):
        if shape.kind == "duration" and abs(value) < 1e12:
            return format_duration(value)
        if shape.kind in ("size", "rate"):
            return (format_size if shape.kind == "size" else format_rate)(int(value))
        if shape.kind == "pace":
            return format_pace(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def expected(shape: Shape) -> str:
    """What may stand here, in words: for `expected …`."""
    words = _EXPECTED.get(shape.kind, "a text")
    if shape.kind == "choice":
        choices = [f"`{choice}`" for choice in shape.choices]
        return choices[0] if len(choices) == 1 else "one of " + ", ".join(choices)
    extra = [f"`{choice}`" for choice in shape.choices] + ["`off`"] * shape.off + ["`on`"] * shape.on
    return " or ".join([words, *extra])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong(node: Scalar, shape: Shape, hint: str = "") -> UnitError:
    return UnitError(f"expected {expected(shape)}, got {describe(node)}", hint)


def _number(node: Scalar, shape: Shape, key: str) -> Any:
    value = node.value
    if node.plain and value in shape.choices or isinstance(value, str) and value in shape.choices:
        return value
    if _is_number(value) and (shape.kind == "number" or isinstance(value, int)):
        return float(value) if shape.kind == "number" else value  # type: ignore[arg-type]
    hint = ""
    if isinstance(value, str):
        hint = hint_for(key, value, map(str, shape.choices))
        if _is_number(resolve_plain(value)):
            hint = (
                "remove the quotes"
                if not node.substituted
                else "write ${…} without quotes, on a line of its own"
            )
        elif re.fullmatch(r"0[0-9]+", value):
            hint = "a leading zero makes it a text"
        elif value.endswith("%"):
            hint = "write a share between 0 and 1"
    raise _wrong(node, shape, hint)


def _choice(node: Scalar, shape: Shape, key: str) -> Any:
    for choice in shape.choices:
        if type(node.value) is type(choice) and node.value == choice:
            return choice
    # what a reader of YAML 1.1 makes of the words on and off
    if isinstance(node.value, bool) and _SWITCH_WORD[node.value] in shape.choices:
        return _SWITCH_WORD[node.value]
    if isinstance(node.value, str):
        if is_later(key, node.value):
            raise UnitError(f"{node.value!r} is not in this version yet; expected {expected(shape)}")
        raise _wrong(node, shape, hint_for(key, node.value, map(str, shape.choices)))
    raise _wrong(node, shape, f"write [{node.text}]" if shape.kind == "list" and _is_number(node.value) else "")


def _switch(node: Scalar, shape: Shape, key: str) -> bool:
    if isinstance(node.value, bool):
        return node.value
    if isinstance(node.value, str) and node.value in _SWITCH:
        return _SWITCH[node.value]
    words = {"yes": "on", "y": "on", "enabled": "on", "no": "off", "n": "off", "disabled": "off"}
    ours = words.get(str(node.value).lower(), str(node.value).lower())
    raise _wrong(node, shape, f"write {ours}" if ours in _SWITCH else "")


def _unit(parse: Callable[[Any], float]) -> Callable[[Scalar, Shape, str], float]:
    def read(node: Scalar, shape: Shape, key: str) -> float:
        if not (_is_number(node.value) or isinstance(node.value, str)):
            raise _wrong(node, shape, "a number with a unit")
        if (
            shape.off
            and isinstance(node.value, str)
            and node.value.lower() in ("no", "none", "never", "disabled")
        ):
            raise _wrong(node, shape, "write off")
        return parse(node.value)

    return read


def _text(node: Scalar, kind: str) -> str:
    value = node.value
    if kind == "status" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if kind == "output" and value is False:
        return "off"
    if not isinstance(value, str):
        hint = f'write "{node.text}"' if _is_number(value) or isinstance(value, bool) else ""
        if kind in ("bind", "loopback") and _is_number(value):
            hint = f'write ":{value}"' if kind == "bind" else f"write 127.0.0.1:{value}"
        raise UnitError(f"expected {_EXPECTED[kind]}, got {describe(node)}", hint)
    if kind != "payload" and not value.isprintable():
        raise UnitError(f"expected {_EXPECTED[kind]}, got a text with characters that cannot be printed")
    return value


def _output(text: str) -> str:
    if text.lower() in ("", "on", "stderr", "none", "no", "yes"):
        hint = "stderr carries nginy's own log" if text.lower() == "stderr" else ""
        raise UnitError(f"expected {_EXPECTED['output']}, got {text!r}", hint)
    return text


def _status(text: str) -> str:
    found = _STATUS.fullmatch(text)
    if found is None:
        short = _STATUS_CLASS.fullmatch(text)
        hint = (
            f"write {short[1]}00-{short[1]}99"
            if short
            else "write a code such as 204 or a range such as 200-299"
        )
        raise UnitError(f"expected {_EXPECTED['status']}, got {text!r}", hint)
    if found[2] and found[2] < found[1]:
        raise UnitError(f"the range {text!r} ends before it begins", f"write {found[2]}-{found[1]}")
    return text


def _payload(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UnitError(f"expected {_EXPECTED['payload']}, got half of a character", "give the bytes as {hex: …}")
    return text


def _hex(text: str) -> str:
    if re.fullmatch(r"([0-9a-fA-F]{2})+", text):
        return text.lower()
    plain = re.sub(r"^0[xX]|[ :_-]", "", text)
    is_near = re.fullmatch(r"([0-9a-fA-F]{2})+", plain)
    raise UnitError(
        f"expected {_EXPECTED['hex']}, got {text!r}",
        f'write "{plain.lower()}"' if is_near else "two digits for each byte",
    )


def _pattern(pattern: str, kind: str, hint: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise UnitError(f"expected {_EXPECTED[kind]}, got {text!r}", hint)
        return text

    return read


_EXPECTED = {
    "integer": "a whole number",
    "number": "a number",
    "text": "a text",
    "switch": "`on` or `off`",
    "duration": "a duration such as 500ms, 5s or 1h30m",
    "size": "a size such as 64KiB or 1MiB",
    "address": "an address such as 10.0.0.1:8000",
    "bind": "an address such as 127.0.0.1:8080 or :8080",
    "loopback": "an address such as 127.0.0.1:9901",
    "socket": "the path of a socket",
    "pool": "the name of a pool",
    "cert": "the name of a certificate",
    "rate": "a rate such as 50/s or 90/m",
    "pace": "a rate such as 50/s or 1000/h",
    "network": "an address or a network such as 10.0.0.0/8",
    "hex": "bytes in hexadecimal such as 00ff",
    "payload": "a text",
    "server_name": "the name of a server such as app.example.org or *.example.org",
    "dns_name": "a name such as example.org",
    "status": "a status code or a range of them",
    "output": "`off`, `stdout` or the path of a file",
    "http_path": "a path that begins with / and has no spaces",
    "http_host": "a host name without spaces",
    "site_host": "a host such as app.example.org or *.example.org",
    "site_path": "a path such as /task",
    "site_exact": "a path such as /healthz",
    "site_pattern": "a regular expression for a whole path, such as /users/[0-9]+",
    "method": "a method such as GET",
    "header_match": "a header such as X-Beta or X-Beta: 1",
    "header_line": "a header such as Content-Type: text/plain",
    "header_name": "the name of a header such as X-Team",
    "header_value": "the value of a header",
    "query_match": "an argument such as debug or debug=1",
    "token": "a name such as X-User", "load_header": "the name of a header such as X-Load",
    "argument": "the name of an argument such as user",
    "location": "a URL such as https://example.org/",
    "authority": "a host such as app.example.org",
    "file": "the path of a file",
    "call": "a class such as mypkg.lb:Pick",
    "congestion": "a name such as cubic or bbr",
    "list": "a list",
    "names": "a mapping of names",
    "ids": "a mapping of ids in hexadecimal",
    "headers": "a mapping of values by name of header",
    "arguments": "a mapping of arguments by name",
    "mapping": "a mapping",
    "union": "a mapping with `kind`",
}
_NUMBERS: dict[str, Callable[[Scalar, Shape, str], Any]] = {
    "integer": _number,
    "number": _number,
    "choice": _choice,
    "switch": _switch,
    "duration": _unit(parse_duration),
    "size": _unit(parse_size),
    "rate": _unit(parse_rate),
    "pace": _unit(parse_pace),
}
_TEXTS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "address": address.parse_backend,
    "bind": address.parse_bind,
    "loopback": address.parse_loopback,
    "socket": address.parse_socket,
    "pool": str, "cert": str,
    "network": address.parse_network,
    "hex": _hex,
    "payload": _payload,
    "server_name": address.parse_server_name,
    "dns_name": address.parse_dns_name,
    "status": _status,
    "output": _output,
    "http_path": _pattern(r"/[!-~]*", "http_path", "characters outside ASCII are written as %XX"),
    "http_host": _pattern(r"[!-~]+", "http_host", ""),
    "site_host": matches.parse_site_host,
    "site_path": matches.parse_site_path,
    "site_exact": matches.parse_site_exact,
    "site_pattern": matches.parse_site_pattern,
    "method": matches.parse_method,
    "header_match": matches.parse_header_match,
    "header_line": matches.parse_header_line,
    "header_name": matches.parse_header_name,
    "header_value": matches.parse_header_value,
    "query_match": matches.parse_query_match,
    "token": matches.parse_token, "load_header": matches.parse_load_header,
    "argument": matches.parse_argument, "location": matches.parse_location,
    "authority": matches.parse_authority,
    "file": matches.parse_file,
    "call": _pattern(
        r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", "call", "write the module, a colon, and the class"
    ),
    "congestion": _pattern(r"[A-Za-z0-9_.-]+", "congestion", "leave the key out for the system's own"),
}
