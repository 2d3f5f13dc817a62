"""What routes of HTTP ask for and answer, from text: hosts, paths, patterns, methods, headers. Errors: UnitError."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches

from nginy.config.units import UnitError
from nginy.site.automaton import compile_pattern
from nginy.site.edits import NAME_MOST, VALUE_MOST, VARIABLES, UnknownVariable, template
from nginy.site.paths import canonical_host, exact_bytes, prefix_bytes

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[ -~]*"
_HEADER = re.compile(rf"({_TOKEN})(?:: ?({_VALUE}))?")
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_OURS = frozenset((
    "connection", "content-length", "date", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade",
))  # fmt: skip


def parse_site_host(text: str) -> str:
    """A host in lower case, or `*.` and what is below it."""
    return _said(canonical_host, text)


def parse_site_path(text: str) -> str:
    """A path without a slash at its end, as written."""
    _said(prefix_bytes, text)
    return text.removesuffix("/") or "/"


def parse_site_exact(text: str) -> str:
    """A path, as written."""
    _said(exact_bytes, text)
    return text


def parse_site_pattern(text: str) -> str:
    """A pattern that compiles, as written."""
    _said(compile_pattern, text)
    if not text.startswith(("/", ".", "(", "[")):
        raise UnitError(f"{text!r} is for no path", "a path begins with a slash")
    return text


def _said(read: Callable[[str], object], text: str) -> str:
    try:
        found = read(text)
    except ValueError as error:
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise UnitError(f"{shown!r}: {error}") from None
    return found if isinstance(found, str) else text


def parse_method(text: str) -> str:
    """A method, in upper case as all that are registered."""
    if not re.fullmatch(_TOKEN, text) or text != text.upper():
        hint = f"write {text.upper()}" if re.fullmatch(_TOKEN, text) else ""
        raise UnitError(f"{text!r} is not a method such as GET", hint)
    return text


def parse_header_match(text: str) -> str:
    """`Name`, or `Name: value`."""
    found = _HEADER.fullmatch(text.strip())
    if found is None:
        raise UnitError(f"{text!r} is not a header", "write Name, or Name: value in ASCII")
    return found[1] if found[2] is None else f"{found[1]}: {found[2].strip()}"


def parse_header_line(text: str) -> str:
    """`Name: value`, of a header that is not for the connection alone."""
    line = parse_header_match(text)
    name = line.partition(":")[0]
    if ":" not in line:
        raise UnitError(f"{text!r} has no value", f"write {name}: value")
    if name.lower() in _OURS:
        raise UnitError(f"{name} is nginy's own business", "remove it")
    return line


def parse_header_name(text: str) -> str:
    """The name of a header, as written."""
    if not re.fullmatch(_TOKEN, text) or len(text) > NAME_MOST:
        hint = f"{NAME_MOST} letters, digits and hyphens at most"
        raise UnitError(f"{text[:60]!r} is not the name of a header", hint)
    return text


def parse_header_value(text: str) -> str:
    """A value with variables, as written."""
    if not re.fullmatch(_VALUE, text) or text != text.strip() or len(text) > VALUE_MOST:
        why = f"ASCII without controls, nor spaces at its ends, {VALUE_MOST} characters at most"
        raise UnitError(f"{text[:60]!r} is not the value of a header", why)
    try:
        template(text)
    except UnknownVariable as error:
        near = get_close_matches(error.name, VARIABLES, n=1, cutoff=0.5)
        hint = f"did you mean {{{near[0]}}}?" if near else f"variables: {', '.join(VARIABLES)}"
        raise UnitError(f"there is no variable {{{error.name}}}", hint) from None
    except ValueError as error:
        raise UnitError(f"{text!r}: {error}", "a brace that is meant as one is written twice: {{ or }}") from None
    return text


def parse_query_match(text: str) -> str:
    """`name`, or `name=value`, as they are decoded."""
    if not text.partition("=")[0]:
        raise UnitError(f"{text!r} is not an argument", "write name, or name=value")
    if re.search(r"%[0-9A-Fa-f]{2}", text):
        raise UnitError(f"{text!r} has an escape; arguments are compared decoded", "write the signs themselves")
    if text.startswith("?") or "&" in text:
        raise UnitError(f"{text!r} is a query", "write its arguments as a list")
    return text


def parse_token(text: str) -> str:
    """The name of a header or of a cookie."""
    if not re.fullmatch(_TOKEN, text):
        raise UnitError(f"{text!r} is not a name", "letters, digits and hyphens, as in X-User")
    return text


def parse_load_header(text: str) -> str:
    """The name of a header that may be taken out of responses."""
    name = parse_token(text)
    if name.lower() in (*_OURS, "set-cookie"):
        raise UnitError(f"{name} says something else", "name a header that is for the load alone, such as X-Load")
    return name


def parse_argument(text: str) -> str:
    """The name of an argument, as it stands in a query."""
    if not re.fullmatch(r"[!-~]+", text) or any(sign in text for sign in "?&=#"):
        raise UnitError(f"{text!r} is not the name of an argument", "what is not ASCII stands in a query as %XX")
    return text


def parse_location(text: str) -> str:
    """A URL or a path, as it goes out."""
    if not re.fullmatch(r"[!-~]+", text):
        raise UnitError(f"{text!r} is not a URL", "spaces and what is not ASCII are written as %XX")
    return text


def parse_authority(text: str) -> str:
    """A host, maybe with a port."""
    if not _AUTHORITY.fullmatch(text):
        raise UnitError(f"{text!r} is not a host", "write app.example.org, or app.example.org:8443")
    return text


def parse_file(text: str) -> str:
    """The path of a file."""
    if text.endswith("/"):
        raise UnitError(f"{text!r} is a folder", "name a file in it")
    return text
