"""Paths and hosts of routes as they are compared: decoded, and never such that two readers could differ."""

from __future__ import annotations

import re

PATH_MOST = 4096
HOST_MOST = 255
WRONG = {"?": "a path has no query; use `query`", "#": "a path has no fragment", "\\": "write a slash"}
ESCAPE = re.compile(rb"%(..?)?", re.S)
HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\]")


def prefix_bytes(path: str) -> bytes:
    """What a route for a path and all below it is compared with: without a slash at its end; `/` is empty.

    Errors: ValueError, saying what is wrong and what to write.
    """
    found = exact_bytes(path)
    return found.removesuffix(b"/")


def exact_bytes(path: str) -> bytes:
    """What a route for one path is compared with: its escapes decoded. Errors: as of prefix_bytes."""
    if not path.startswith("/"):
        raise ValueError("a path begins with a slash")
    for sign, why in WRONG.items():
        if sign in path:
            raise ValueError(f"`{sign}` cannot stand here: {why}")
    found = ESCAPE.sub(_decoded, path.encode())
    if b";" in found:
        raise ValueError("`;` begins parameters, which servers read differently; a route cannot depend on them")
    if len(found) > PATH_MOST:
        raise ValueError(f"it has {len(found)} bytes; at most {PATH_MOST} are allowed")
    if min(found) < 0x20 or 0x7F in found:
        raise ValueError("it has a control character")
    segments = found[1:].split(b"/")
    if b"." in segments or b".." in segments:
        raise ValueError("a segment of dots is never forwarded; write the path that is meant")
    if b"" in segments[:-1]:
        raise ValueError("two slashes in a row are read as one by many; write one")
    return found


def _decoded(escape: re.Match[bytes]) -> bytes:
    try:
        byte = bytes.fromhex((escape[1] or b"").decode())
    except ValueError:
        byte = b""
    if len(byte) != 1:
        raise ValueError("an escape is % and two hexadecimal digits; for the sign itself write %25")
    if byte in (b"/", b"\\", b"\0"):
        raise ValueError(f"{escape[0].decode()} is read differently by servers; a route cannot depend on it")
    return byte


def canonical_host(host: str) -> str:
    """A host as it is compared: lower case, without a dot at its end. Errors: ValueError, saying what to write."""
    found = host.lower().removesuffix(".")
    if len(found) > HOST_MOST:
        raise ValueError(f"it has {len(found)} characters; at most {HOST_MOST} are allowed")
    if found != "*" and re.search(r":\d*$", found) and not found.endswith("]"):
        raise ValueError("a host is compared without its port; leave it out")
    if found.isascii() and HOST.fullmatch(found):
        return found
    hint = "such as app.example.org, *.example.org, 192.0.2.1 or [2001:db8::1]"
    if not found.isascii():
        hint = "in the form that clients send, such as xn--bcher-kva.example"
    raise ValueError(f"expected a host, {hint}; for every host leave it out")
