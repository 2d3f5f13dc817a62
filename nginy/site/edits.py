"""Changes of heads: what several filters do one after another, as the one run of edits that a worker applies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nginy._fast import sites

NAME_MOST = 128
VALUE_MOST = 2048
CONSTANTS = ("listener", "route")
"""Variables that the configuration knows already."""
VARIABLES = (*sites.VARIABLES, *CONSTANTS)

REQUEST_VARIABLES = ("host", "method", "path")
"""Variables that only requests have: when the response comes, the request may be gone."""

_LONGEST = {"client": 45, "request_id": 32, "backend": 112}
_FRAMING = frozenset((
    "connection", "content-length", "expect", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
))  # fmt: skip
_OURS = frozenset((
    "forwarded", "traceparent", "tracestate", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    "x-request-id",
))  # fmt: skip
_PIECE = re.compile(r"\{\{|\}\}|\{([A-Za-z0-9_]*)\}|[{}]|[^{}]+")
_BRACES = {"{{": "{", "}}": "}"}


class UnknownVariable(ValueError):
    """name: without its braces."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Change(NamedTuple):
    """What one filter does. Names are compared without case; values are templates."""

    set: Sequence[tuple[str, str]] = ()
    add: Sequence[tuple[str, str]] = ()
    remove: Sequence[str] = ()


def refused(name: str, is_request: bool) -> tuple[str, str] | None:
    """Why no rule may name this header, and what to do; None for all others."""
    plain = name.lower().replace("_", "-")
    if plain in _FRAMING:
        return f"{name} is for one connection or says where a message ends: no rule may name it", "remove it"
    if plain != name.lower() and (plain in _OURS or plain in ("host", "cookie", "set-cookie")):
        return f"many servers take {name} for {plain}", "write it with hyphens"
    if is_request and plain in _OURS:
        return f"{name} is nginy's own business in requests", "remove it"
    return None


def is_host(text: str) -> bool:
    """Whether workers take a text for a host, with a port or without."""
    return sites.is_authority(text.encode())


def template(text: str) -> list[tuple[bool, str]]:
    """Pieces of a value: (is a variable, its name or text). Errors: UnknownVariable; ValueError for a lone brace."""
    pieces = []
    for found in _PIECE.finditer(text):
        if found[1] is not None:
            if found[1] not in VARIABLES:
                raise UnknownVariable(found[1])
            pieces.append((True, found[1]))
        elif found[0] in "{}":
            raise ValueError(f"the brace at character {found.start() + 1} begins or ends no variable")
        else:
            pieces.append((False, _BRACES.get(found[0], found[0])))
    return pieces


def literal(text: str) -> str:
    """A text as a value that has it for its own."""
    return text.replace("{", "{{").replace("}", "}}")


def fold(changes: Iterable[Change]) -> list[tuple[str, str, str]]:
    """What is left when they run one after another: (set, add or remove, name, value), each name replaced once."""
    gone: dict[str, str] = {}
    lines: list[tuple[str, str]] = []
    for change in changes:
        for name in (*(name for name, _value in change.set), *change.remove):
            gone.setdefault(name.lower(), name)
            lines = [line for line in lines if line[0].lower() != name.lower()]
        lines += [*change.set, *change.add]
    edits = []
    for name, value in lines:
        edits.append(("set" if gone.pop(name.lower(), None) is not None else "add", name, value))
    return [*edits, *(("remove", name, "") for name in gone.values())]


def packed(edits: Iterable[tuple[str, str, str]], constants: Mapping[str, str]) -> bytes:
    """Edits as workers read them. constants: what is known of CONSTANTS."""
    return b"".join(
        sites.pack_edit(sites.EDITS[kind], name.encode(), written(value, constants)) for kind, name, value in edits
    )


def has_variables(text: str) -> bool:
    """Whether a value says something else for each request."""
    return any(is_variable and piece not in CONSTANTS for is_variable, piece in template(text))


def written(text: str, constants: Mapping[str, str]) -> bytes:
    """A value as workers read it: a byte stands for each variable that they know."""
    return b"".join(
        piece.encode() if not is_variable
        else constants[piece].encode() if piece in CONSTANTS
        else bytes((sites.VARIABLES[piece],))
        for is_variable, piece in template(text)
    )


def packed_bytes(name: str, value: str) -> int:
    """The most that a line of a response takes, whatever its variables stand for."""
    return len(name) + 4 + sum(
        _LONGEST.get(piece, 64) if is_variable else len(piece) for is_variable, piece in template(value)
    )
