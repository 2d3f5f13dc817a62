"""Routes of HTTP listeners that stand in each other's way: what is never taken, what overlaps, what is too much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from nginy.config.read import INVALID, Met
from nginy.config.tree import Problems
from nginy.model import Listener, Route
from nginy.site.automaton import compile_pattern
from nginy.site.compare import compare
from nginy.site.paths import exact_bytes, prefix_bytes

AT_MOST = 256
PATTERNS_MOST = 64
PAIRS_MOST = 20_000  # of states, for all comparisons of patterns of one listener
WARNINGS_MOST = 50

Spot: TypeAlias = tuple[str, str, bytes]


class _Asked(NamedTuple):
    """What a route asks beside its place. methods: None for all."""

    methods: frozenset[str] | None
    headers: frozenset[tuple[str, str | None]]
    query: frozenset[tuple[str, str | None]]

    def covers(self, other: _Asked) -> bool:
        """Whether all that fits the other fits this one."""
        if self.methods is not None and (other.methods is None or not other.methods <= self.methods):
            return False
        return _are_among(self.headers, other.headers) and _are_among(self.query, other.query)


def _are_among(mine: frozenset[tuple[str, str | None]], theirs: frozenset[tuple[str, str | None]]) -> bool:
    names = {name for name, _value in theirs}
    return all(each in theirs or (each[1] is None and each[0] in names) for each in mine)


def asked_of(route: Route) -> _Asked:
    """The conditions of a route, such that equal ones are equal."""
    methods = None if route.method is None else frozenset(route.method) | ({"HEAD"} if "GET" in route.method else set())
    headers = [line.partition(": ") for line in route.header or ()]
    query = [argument.partition("=") for argument in route.query or ()]
    return _Asked(
        methods,
        frozenset((name.lower(), value if colon else None) for name, colon, value in headers),
        frozenset((name, value if sign else None) for name, sign, value in query),
    )


def spots_of(route: Route) -> Iterator[Spot]:
    """Host, kind and path of each place that a route stands at."""
    for host in route.host or ("",):
        if route.exact is not None:
            yield host, "exact", exact_bytes(route.exact)
        elif route.pattern is not None:
            yield host, "pattern", route.pattern.encode()
        else:
            yield host, "path", prefix_bytes(route.path or "/")


def check_shadows(met: list[Met], problems: Problems) -> None:
    """Note routes of HTTP listeners that are too many, and warn of those that are never taken or overlap."""
    https = {entry.path for entry in met if entry.model is Listener and entry.values.get("protocol") == "http"}
    routes: dict[object, list[Met]] = {}
    for entry in met:
        if entry.model is Route and entry.path[:2] in https and entry.built not in (None, INVALID):
            routes.setdefault(entry.path[1], []).append(entry)
    for entries in routes.values():
        _check(entries, problems)
        del problems.warnings[WARNINGS_MOST:]


def _check(entries: list[Met], problems: Problems) -> None:
    spots: dict[Spot, list[tuple[Met, _Asked]]] = {}
    for entry in entries:
        asked, over = asked_of(entry.built), []
        mine = list(spots_of(entry.built))
        for spot in mine:
            there = spots.setdefault(spot, [])
            over.append(next((first for first, theirs in there if theirs.covers(asked)), None))
            there.append((entry, asked))
            if len(there) == AT_MOST + 1:
                message = f"with it, {AT_MOST + 1} routes stand at one place; at most {AT_MOST} are allowed"
                problems.add(entry.node.place, entry.path, message, "let one pool tell them apart")
        if over and None not in over and over[0] is not None:
            message = f"this route is never taken: the one at {over[0].node.place} takes all that fits it"
            problems.warn(entry.node.place, entry.path, message, "remove it, or write it first with one more condition")
    _check_patterns(entries, problems)
    _check_gaps(entries, spots, problems)


def _check_patterns(entries: list[Met], problems: Problems) -> None:
    """Of each host, in the order written: the earlier one takes what both are for."""
    hosts: dict[str, list[tuple[Met, _Asked]]] = {}
    for entry in entries:
        for host in entry.built.host or ("",) if entry.built.pattern is not None else ():
            hosts.setdefault(host, []).append((entry, asked_of(entry.built)))
    told: set[tuple[int, int]] = set()
    n_left = PAIRS_MOST
    for found in hosts.values():
        if len(found) > PATTERNS_MOST:
            last = found[PATTERNS_MOST][0]
            message = f"with it, one host has {len(found)} patterns; at most {PATTERNS_MOST} are allowed"
            problems.add(last.place_of("pattern"), last.path_of("pattern"), message, "use `path` where that is enough")
            continue
        for i, (later, asked) in enumerate(found):
            for earlier, theirs in found[:i]:
                pair = (id(earlier), id(later))
                if n_left <= 0 or pair in told or earlier.built.pattern == later.built.pattern:
                    continue
                told.add(pair)
                n_left -= _compare_two(earlier, later, theirs.covers(asked), n_left, problems)


def _compare_two(earlier: Met, later: Met, is_covered: bool, n_left: int, problems: Problems) -> int:
    first, second = compile_pattern(earlier.built.pattern), compile_pattern(later.built.pattern)
    compared = compare(first, second, n_left)
    place, path = later.place_of("pattern"), later.path_of("pattern")
    if compared is not None and compared.is_within and is_covered:
        message = f"this route is never taken: the pattern at {earlier.place_of('pattern')} fits all of its paths"
        problems.warn(place, path, message, "write it first")
    elif compared is not None and compared.shared is not None and not compared.is_within and is_covered:
        shown = compared.shared.decode(errors="replace")
        first_place = earlier.place_of("pattern")
        message = f"some paths, such as {shown}, fit the pattern at {first_place} too, which comes first"
        problems.warn(place, path, message)
    return min(len(first.ends) * len(second.ends), n_left)


def _check_gaps(entries: list[Met], spots: dict[Spot, list[tuple[Met, _Asked]]], problems: Problems) -> None:
    """Hosts that have routes of their own, but for some paths none, while a route for every host is there."""
    if not any(host == "" for host, _kind, _path in spots):
        return
    for entry in entries:
        for host in entry.built.host or ():
            whole = spots.get((host, "path", b""), [])
            if not whole and spots[next(iter(spots_of(entry.built)))][0][0] is entry:
                spots[host, "path", b""] = [(entry, asked_of(entry.built))]  # told once
                message = f"what no route of {host} fits gets 404: routes without `host` are for other hosts"
                problems.warn(entry.place_of("host"), entry.path_of("host"), message, "give it a route for `/`")
