"""The tree of a host: its paths, with what they have in common written once, cut where segments end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Branch:
    """A path in the tree. exact, below: what stands here, in declared order; a number each."""

    label: bytes = b""
    exact: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)
    children: dict[bytes, Branch] = field(default_factory=dict)

    @property
    def is_joint(self) -> bool:
        """Whether it says nothing of its own and leads to one place alone."""
        return not self.exact and not self.below and len(self.children) == 1


def grow(exact: Iterable[tuple[bytes, int]], below: Iterable[tuple[bytes, int]]) -> Branch:
    """The root of a tree with these paths; each is empty or begins with a slash."""
    root = Branch()
    for path, number in exact:
        _reach(root, path).exact.append(number)
    for path, number in below:
        _reach(root, path).below.append(number)
    root.children = {label: _joined(child) for label, child in root.children.items()}
    return root


def _reach(branch: Branch, path: bytes) -> Branch:
    for segment in path.split(b"/")[1:]:
        label = b"/" + segment
        branch = branch.children.setdefault(label, Branch(label))
    return branch


def _joined(branch: Branch) -> Branch:
    """A chain of joints becomes one branch. Without recursion: a path may have thousands of segments."""
    top = Branch()
    waiting = [(branch, top)]
    while waiting:
        old, over = waiting.pop()
        label = old.label
        while old.is_joint:
            (old,) = old.children.values()
            label += old.label
        new = Branch(label, old.exact, old.below)
        over.children[label] = new
        waiting += [(child, new) for child in old.children.values()]
    (only,) = top.children.values()
    return only
