"""Pools made of pools: one level deep, each with somebody to send to; and which pools a listener reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nginy.config.read import Met
from nginy.config.shape import keys_of
from nginy.config.tree import Mapping, Problems
from nginy.model import Member, Pool


def check_groups(met: list[Met], problems: Problems) -> None:
    """Note every pool that has neither backends nor members, or both, and members that cannot be. met: all of them."""
    pools = {entry.path[1]: entry for entry in met if entry.model is Pool}
    groups = {name for name, entry in pools.items() if entry.says("of")}
    for name, entry in pools.items():
        if name in groups:
            _check_keys(entry, problems)
        elif not entry.says("backends"):
            message = "this key is missing; expected a list"
            problems.add(entry.at, (*entry.path, "backends"), message, "or `of`, for a group of pools")
    members: dict[object, list[Met]] = {}
    for entry in met:
        if entry.model is Member:
            members.setdefault(entry.path[1], []).append(entry)
    for entries in members.values():
        _check_members(entries, groups, problems)


def leaves_of(met: Iterable[Met]) -> Callable[[Met], list[str]]:
    """What tells the pools with backends that a listener reaches, by its routes and through groups, each once."""
    groups = {
        entry.path[1]: [member.pool for member in entry.values["of"]]
        for entry in met
        if entry.model is Pool and entry.values.get("of")
    }

    def reached(listener: Met) -> list[str]:
        pool, routes = listener.values.get("pool"), listener.values.get("routes", ())
        named = [pool] if pool is not None else [name for route in routes for name in route.to]
        return list(dict.fromkeys(leaf for name in named for leaf in groups.get(name, [name])))

    return reached


def _check_keys(entry: Met, problems: Problems) -> None:
    for key in keys_of(Pool).keys() - {"of"}:
        if isinstance(entry.node, Mapping) and key in entry.node.entries:
            message = f"a pool with `of` is a group, which has no `{key}` of its own"
            hint = f"give `{key}` to its members"
            if key == "backends":
                hint = "put them into a pool, and that pool into `of`"
            problems.add(entry.node.keys[key], (*entry.path, key), message, hint)


def _check_members(entries: list[Met], groups: set[str | int], problems: Problems) -> None:
    seen: dict[str, Met] = {}
    for entry in entries:
        pool = entry.values.get("pool")
        if pool is None:
            continue
        first = seen.setdefault(pool, entry)
        if pool in groups:
            what = "this group itself" if pool == entry.path[1] else f"{pool!r}, which is a group too"
            message = f"a group is made of pools with backends, not of {what}"
            problems.add(entry.place_of("pool"), entry.path_of("pool"), message, "name its members here")
        elif first is not entry:
            message = f"{pool!r} is already in this group, at {first.place_of('pool')}"
            problems.add(entry.place_of("pool"), entry.path_of("pool"), message, "use weight for a larger share")
    if all("weight" in entry.values and not entry.values["weight"] for entry in entries):
        path = entries[0].path[:-1]
        message = "every member has weight 0: the group could serve nobody"
        problems.add(entries[0].place_of("weight"), path, message, "give one of them a weight of 1")
