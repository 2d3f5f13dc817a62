"""What a site's block is made of, as rows. Bytes are what workers compare; a place is (first pick, how many)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Host(NamedTuple):
    """name: lower case, b"" for every other one; of `*.example.org` what follows the dot. root: a node.

    is_free: nothing depends on its paths.
    """

    name: bytes
    is_suffix: bool
    root: int
    first_pattern: int
    n_patterns: int
    is_free: bool


class Node(NamedTuple):
    """A node of a tree. label: from its parent's path on. n_path: bytes of its own. above: a node, or sites.NONE.

    exact: place for this path alone; below: for it and what follows after a slash.
    """

    label: bytes
    n_path: int
    children: Sequence[int]
    exact: tuple[int, int]
    below: tuple[int, int]
    above: int


class Cond(NamedTuple):
    """A condition. kind: of sites.CONDS. value: None for "is present". mask: of methods, a bit each."""

    kind: int
    name: bytes
    value: bytes | None = None
    mask: int = 0


class Pattern(NamedTuple):
    """An automaton. classes: 256 bytes. ends: a byte for each state. moves: uint16 for each state and class."""

    classes: bytes
    ends: bytes
    moves: bytes
    n_classes: int
    place: tuple[int, int]


class Rules(NamedTuple):
    """What is changed in heads. request, response: edits as workers read them. host: in place of the one that came."""

    request: bytes = b""
    response: bytes = b""
    host: bytes = b""


NO_RULES = Rules()


class Action(NamedTuple):
    """What a route does. kind: of sites.ACTIONS. number: as declared. pools: (id, weight) of each.

    is_cut: what the route's path matched is taken off. put: in front of the path. lines: header lines, each with CR LF.
    location: of a redirect as it is; else scheme, host and path say what differs from the client's own.
    rules: of its listener and its own, as one.
    """

    kind: int
    number: int
    status: int = 0
    pools: tuple[tuple[int, int], ...] = ()
    is_cut: bool = False
    put: bytes = b""
    lines: bytes = b""
    body: bytes = b""
    location: bytes = b""
    scheme: bytes = b""
    host: bytes = b""
    path: bytes = b""
    rules: Rules = NO_RULES


class Parts(NamedTuple):
    """All of a block. picks: (route, first condition, conditions) of each; routes: by number.

    rules: where no route is taken.
    """

    hosts: Sequence[Host]
    nodes: Sequence[Node]
    picks: Sequence[tuple[int, int, int]]
    conds: Sequence[Cond]
    patterns: Sequence[Pattern]
    routes: Sequence[Action]
    rules: Rules = NO_RULES
