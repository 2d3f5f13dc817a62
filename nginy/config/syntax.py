"""What the YAML parser complains about, in plain words. Pure."""

from __future__ import annotations

import re
from typing import Any

_WORDS: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        "a key cannot stand here",
        "check the indentation; quote a text that contains a colon and a space",
    ),
    "did not find expected key": (
        "expected a key here",
        "check the indentation of this line and the one before",
    ),
    "did not find expected '-' indicator": (
        "expected a list entry (-) here",
        "check the indentation of this line",
    ),
    "did not find expected ',' or ']'": (
        "expected , or ] in a list",
        "quote a text that contains [, ] or a comma",
    ),
    "did not find expected ',' or '}'": (
        "expected , or } in a mapping",
        "quote a text that contains {, } or a comma",
    ),
    "did not find expected node content": (
        "expected a value here",
        "quote a text that begins with a special character",
    ),
    "could not find expected ':'": ("expected a colon after this key", "write key: value"),
    "found unexpected end of stream": ("the text ends inside a quoted value", "close the quote"),
    "did not find expected <document start>": (
        "text after the end of the document",
        "an address such as [::1]:80 must be quoted",
    ),
    "block sequence entries are not allowed in this context": (
        "a list entry (-) cannot stand here",
        "begin the list on a line of its own",
    ),
    "did not find expected alphabetic or numeric character": (
        "expected a name after & or *",
        "a text that begins with * or & must be quoted",
    ),
    "found undefined tag handle": ("tags are not used here", "a text that begins with ! must be quoted"),
    "found unknown escape character": (
        "unknown escape after \\ in a quoted value",
        "use 'single quotes', where \\ is an ordinary character",
    ),
    "found character that cannot start any token": (
        "no value can begin with this character",
        "quote the text",
    ),
}
_TAB_WORDS = ("a tab is used for indentation", "indent with spaces")


def explain(error: Any, text: str) -> tuple[int, int, str, str]:
    """Line, column (from 1), message and hint for an error of the parser. text: what it was reading."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    lines = text.split("\n")
    written = lines[line] if line < len(lines) else ""
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent and "\t" in written[: column + 1]:
        return line + 1, indent.index("\t") + 1, *_TAB_WORDS
    trouble = str(getattr(error, "problem", None) or error)
    message, hint = _WORDS.get(trouble, (f"this is not YAML: {trouble}", ""))
    return line + 1, column + 1, message, _hint_at(written, column) or _open_bracket(error, line) or hint


def _hint_at(written: str, column: int) -> str:
    """What the text around the place tells about an address or a variable without quotes; else empty."""
    before = written[: column + 1]
    if "${" in before and ("{" in before.replace("${", "") or "[" in before):
        return "between { } or [ ] a value with ${…} must be quoted"
    if "[" in before and "]:" in written:
        return 'an address such as "[::1]:80" must be quoted'
    if re.match(r"[ ,{\[]:[0-9]", written[max(column - 1, 0) :]):
        return 'between { } or [ ] an address such as ":8080" must be quoted'
    return ""


def _open_bracket(error: Any, line: int) -> str:
    """Where the list or mapping begins that a later line broke, for it may only lack its end."""
    context, mark = str(getattr(error, "context", "")), getattr(error, "context_mark", None)
    if mark is None or mark.line == line or not context.startswith("while parsing a flow"):
        return ""
    return f"the {'[' if 'sequence' in context else '{'} of line {mark.line + 1} may have no end"


def odd_character(character: str, offset: int) -> tuple[str, str]:
    """Message and hint for a character that no YAML text may contain. offset: 0 at the start of the text."""
    if character == "\ufeff" and offset == 0:
        return "the file begins with a byte order mark", "save it as UTF-8 without one"
    if character == "\0":
        return "a NUL byte stands here; this is not a text file", ""
    return (
        f"the control character U+{ord(character):04X} stands here",
        "remove it, or write it as an escape in double quotes",
    )
