"""What a site should find, said plainly: no tree, no automaton, every rule looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

from nginy._fast.sites import NO_ROUTE, UNCLEAR, Request
from nginy.site.build import Rule

ESCAPE = re.compile(rb"%([0-9a-fA-F]{2})")


@dataclass(frozen=True)
class Asked:
    """A request, as plain values."""

    host: bytes = b""
    path: bytes = b"/"
    query: bytes = b""
    method: str = "GET"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def request(self) -> Request:
        return Request(self.host, self.path, self.query, self.method, self.headers)


def find(rules: Sequence[Rule], asked: Asked) -> int:
    """The rule's position, or -NO_ROUTE or -UNCLEAR."""
    mine = [(rule, at) for at, rule in enumerate(rules) if host_of(rules, asked.host) in (rule.hosts or ("",))]
    if all(rule.is_for_all_paths for rule, _at in mine):
        return route_of(mine, asked.path, asked)
    if re.search(rb"%(?![0-9a-fA-F]{2})|%00", asked.path):
        return -UNCLEAR
    lenient = re.sub(rb"/+", b"/", re.sub(rb";[^/]*", b"", unquote_to_bytes(asked.path).replace(b"\\", b"/")))
    if {b".", b".."} & set(lenient.split(b"/")):
        return -UNCLEAR
    strict = ESCAPE.sub(lambda m: b"%2F" if m[1].lower() == b"2f" else bytes.fromhex(m[1].decode()), asked.path)
    found = route_of(mine, strict, asked)
    return found if found == route_of(mine, lenient, asked) else -UNCLEAR


def host_of(rules: Sequence[Rule], host: bytes) -> str:
    """The host of a rule that is for this one; empty for the rest."""
    name = re.sub(r":\d*$", "", host.decode("latin-1")).lower()
    name = name[:-1] if name.endswith(".") and len(name) > 1 else name
    known = {each for rule in rules for each in rule.hosts}
    if name in known:
        return name
    labels = name.split(".")
    for at in range(1, len(labels)):
        if labels[0] or at > 1:
            suffix = "*." + ".".join(labels[at:])
            if suffix in known:
                return suffix
    return ""


def route_of(rules: list[tuple[Rule, int]], path: bytes, asked: Asked) -> int:
    fitting = [(rule, at) for rule, at in rules if conditions_fit(rule, asked)]
    for rule, at in fitting:
        if rule.exact is not None and unquote_to_bytes(rule.exact) == path:
            return at
    for rule, at in fitting:
        if rule.pattern is not None and re.fullmatch(rule.pattern.encode(), path, re.DOTALL):
            return at
    prefixes = [
        (len(prefix), -at) for rule, at in fitting
        if rule.exact is None and rule.pattern is None
        and is_below(path, prefix := unquote_to_bytes(rule.path or "/").removesuffix(b"/"))
    ]  # fmt: skip
    return -max(prefixes)[1] if prefixes else -NO_ROUTE


def is_below(path: bytes, prefix: bytes) -> bool:
    return path == prefix or path.startswith(prefix + b"/") or not prefix


def conditions_fit(rule: Rule, asked: Asked) -> bool:
    methods = set(rule.methods) | ({"HEAD"} if "GET" in rule.methods else set())
    if methods and asked.method not in methods:
        return False
    lines = [(name.decode().lower(), value.decode()) for name, value in asked.headers]
    arguments = parse_qsl(asked.query.decode(), keep_blank_values=True)
    return all(is_there(wanted, lines) for wanted in ((n.lower(), v) for n, v in rule.headers)) and all(
        is_there(wanted, arguments) for wanted in rule.query
    )


def is_there(wanted: tuple[str, str | None], pairs: list[tuple[str, str]]) -> bool:
    return any(name == wanted[0] and wanted[1] in (None, value) for name, value in pairs)
