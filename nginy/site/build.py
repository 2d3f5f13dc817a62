"""A site's block from its rules: hosts, a tree and patterns for each, and what their routes do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nginy._fast import sites
from nginy.site.automaton import Automaton, compile_pattern
from nginy.site.parts import NO_RULES, Action, Cond, Host, Node, Parts, Pattern, Rules
from nginy.site.paths import exact_bytes, prefix_bytes
from nginy.site.tree import Branch, grow


class Rule(NamedTuple):
    """A route and when it is taken. Of path, exact and pattern one at most; none is `/`, all paths.

    hosts: canonical; none: every host that no other rule names.   headers, query: (name, value), None for "is present".
    """

    action: Action
    hosts: tuple[str, ...] = ()
    path: str | None = None
    exact: str | None = None
    pattern: str | None = None
    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, str | None], ...] = ()
    query: tuple[tuple[str, str | None], ...] = ()

    @property
    def is_for_all_paths(self) -> bool:
        """Whether nothing depends on the path, nor is it changed."""
        is_all = self.exact is None and self.pattern is None and not prefix_bytes(self.path or "/")
        return is_all and not self.action.is_cut and not self.action.put


def build(rules: Sequence[Rule], outer: Rules = NO_RULES) -> bytes:
    """The block of these rules, in declared order. outer: what is changed in heads where no route is taken.

    Errors: ValueError for wrong paths, patterns and amounts.
    """
    return sites.pack(_Builder(rules).parts()._replace(rules=outer))


class _Builder:
    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.nodes: list[Node] = []
        self.picks: list[tuple[int, int, int]] = []
        self.conds: list[Cond] = []
        self.patterns: list[Pattern] = []
        self.automata: dict[str, Automaton] = {}
        self.runs = [self._conds_of(rule) for rule in rules]

    def parts(self) -> Parts:
        numbers: dict[str, list[int]] = {}
        for number, rule in enumerate(self.rules):
            for host in dict.fromkeys(rule.hosts) or ("",):
                numbers.setdefault(host, []).append(number)
        hosts, alike = [], {}
        for host, found in numbers.items():
            key = tuple(found)
            if key not in alike:  # hosts with the same routes share their tree
                alike[key] = self._host(found)
            hosts.append(Host(host.removeprefix("*.").encode(), host.startswith("*."), *alike[key]))
        routes = [rule.action for rule in self.rules]
        return Parts(hosts, self.nodes, self.picks, self.conds, self.patterns, routes)

    def _host(self, numbers: list[int]) -> tuple[int, int, int, bool]:
        rules = [(self.rules[number], number) for number in numbers]
        first = len(self.patterns)
        for rule, number in rules:
            if rule.pattern is not None:
                self._pattern(rule.pattern, number)
        n_patterns = len(self.patterns) - first
        if n_patterns > sites.PATTERNS_MOST:
            raise ValueError(f"{n_patterns} patterns of one host; {sites.PATTERNS_MOST} at most")
        exact = ((exact_bytes(rule.exact), number) for rule, number in rules if rule.exact is not None)
        below = (
            (prefix_bytes(rule.path or "/"), number)
            for rule, number in rules if rule.exact is None and rule.pattern is None
        )  # fmt: skip
        root = self._plant(grow(exact, below))
        return root, first, n_patterns, all(rule.is_for_all_paths for rule, _number in rules)

    def _plant(self, root: Branch) -> int:
        """Number the nodes, parents before children; the root's number."""
        first = len(self.nodes)
        waiting = [(root, 0, sites.NONE)]
        for branch, n_over, above in waiting:
            n_path = n_over + len(branch.label)
            mine = len(self.nodes)
            begin = first + len(waiting)
            children = list(range(begin, begin + len(branch.children)))
            exact, below = self._place(branch.exact), self._place(branch.below)
            self.nodes.append(Node(branch.label, n_path, children, exact, below, above))
            over = mine if branch.below else above
            waiting += [(child, n_path, over) for child in branch.children.values()]
        return first

    def _place(self, numbers: Iterable[int]) -> tuple[int, int]:
        first = len(self.picks)
        self.picks += [(number, *self.runs[number]) for number in numbers]
        n = len(self.picks) - first
        if n > sites.AT_MOST:
            raise ValueError(f"{n} routes at one place; {sites.AT_MOST} at most")
        return first, n

    def _pattern(self, text: str, number: int) -> None:
        automaton = self.automata.get(text)
        if automaton is None:
            automaton = self.automata[text] = compile_pattern(text)
        place = self._place([number])
        moves = automaton.moves.tobytes()
        self.patterns.append(Pattern(automaton.classes, automaton.ends, moves, automaton.n_classes, place))

    def _conds_of(self, rule: Rule) -> tuple[int, int]:
        first = len(self.conds)
        if rule.methods:
            self.conds.append(_method_cond(rule.methods))
        for kind, asked in (("header", rule.headers), ("query", rule.query)):
            for name, value in asked:
                text = name.lower() if kind == "header" else name
                self.conds.append(Cond(sites.CONDS[kind], text.encode(), None if value is None else value.encode()))
        n = len(self.conds) - first
        if n > sites.CONDS_MOST:
            raise ValueError(f"{n} conditions of one route; {sites.CONDS_MOST} at most")
        return first, n


def _method_cond(methods: Iterable[str]) -> Cond:
    """GET stands for HEAD too: an answer to HEAD is that to GET without its body (RFC 9110, section 9.3.2)."""
    named = set(methods) | ({"HEAD"} if "GET" in methods else set())
    mask = sum(1 << number for name, number in sites.METHODS.items() if name in named)
    others = "".join(f"{name} " for name in sorted(named - set(sites.METHODS)))
    return Cond(sites.CONDS["method"], others.encode(), None, mask)
