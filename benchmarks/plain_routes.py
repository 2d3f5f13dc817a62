"""Routing as one writes it in plain Python, for comparison."""

import re
from collections.abc import Sequence
from typing import Any


class RegexList:
    """One expression after the other, in order; the longest path first, so that the longest prefix wins."""

    def __init__(self, paths: Sequence[str]) -> None:
        order = sorted(range(len(paths)), key=lambda i: -len(paths[i]))
        self.routes = [(re.compile(re.escape(paths[i]) + r"(/.*)?"), i) for i in order]

    def __getitem__(self, path: str) -> int:
        return next(i for expression, i in self.routes if expression.fullmatch(path))


class Trie:
    """A dict for each segment."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.root: dict[str, Any] = {}
        for i, path in enumerate(paths):
            node = self.root
            for segment in path.split("/")[1:]:
                node = node.setdefault(segment, {})
            node[""] = i

    def __getitem__(self, path: str) -> int:
        node, found = self.root, self.root.get("", -1)
        for segment in path.split("/")[1:]:
            after = node.get(segment)
            if not isinstance(after, dict):
                break
            node = after
            found = node.get("", found)
        return int(found)


class Starlette:
    """Its router: asked as it asks its own routes, one after the other."""

    def __init__(self, paths: Sequence[str]) -> None:
        from starlette.routing import Match, Route

        self.full = Match.FULL
        self.routes = [Route(f"{path}/{{rest:path}}", print, methods=["GET"]) for path in paths]

    def __getitem__(self, path: str) -> int:
        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        return next(i for i, route in enumerate(self.routes) if route.matches(scope)[0] is self.full)
