"""Stable ids: a name keeps its number for as long as anybody may still count under it.

Pure and immutable: `assigned` returns a new space, so that a reload that fails later changes nothing.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nginy.errors import NginyError

Reusable = Callable[[int, int], bool]
"""(id, retired_gen) -> may another name take this id now?"""

REMEMBERED = 256  # removed names of one kind that keep their id and counters in case they come back


class Retired(NamedTuple):
    """An id without a name: the first generation without it is `gen`."""

    id: int
    gen: int


@dataclass(frozen=True)
class IdSpace:
    """Ids 0..size-1 of one kind.

    live: name to id.   retired: removed names, the oldest first.   fresh: the lowest id that nobody ever had.
    """

    kind: str
    size: int
    remembered: int = REMEMBERED
    live: Mapping[Hashable, int] = field(default_factory=dict)
    retired: Mapping[Hashable, Retired] = field(default_factory=dict)
    fresh: int = 0

    def __getitem__(self, name: Hashable) -> int:
        return self.live[name]

    def assigned(self, names: Iterable[Hashable], gen: int, is_reusable: Reusable) -> tuple["IdSpace", list[int]]:
        """Give each of `names` an id; names that are missing retire at generation `gen`.

        -> (new space, ids that changed their owner: their counters must be forgotten before they are used)
        Errors: NginyError when more names are wanted than there are ids.
        """
        live: dict[Hashable, int] = {}
        retired = dict(self.retired)
        wanted = list(dict.fromkeys(names))
        unknown = []
        for name in wanted:
            if name in self.live:
                live[name] = self.live[name]
            elif name in retired:
                live[name] = retired.pop(name).id
            else:
                unknown.append(name)
        for name, number in self.live.items():
            if name not in live:
                retired[name] = Retired(number, gen)
        supply = _Supply(self, retired, is_reusable)
        for name in unknown:
            live[name] = supply.take()
        # the order of `names`, so that two runs over the same config number alike
        ordered = {name: live[name] for name in wanted}
        space = IdSpace(self.kind, self.size, self.remembered, ordered, retired, supply.fresh)
        return space, supply.reused

    def to_meta(self) -> dict[str, Any]:
        """JSON form; names that are tuples become lists."""
        return {
            "fresh": self.fresh,
            "live": [[name, number] for name, number in self.live.items()],
            "retired": [[name, was.id, was.gen] for name, was in self.retired.items()],
        }

    def from_meta(self, meta: Mapping[str, Any]) -> "IdSpace":
        """The space that `to_meta` described; size and memory stay this build's.

        Errors: KeyError, ValueError.
        """
        live = {_name(name): int(number) for name, number in meta["live"]}
        retired = {_name(name): Retired(int(number), int(gen)) for name, number, gen in meta["retired"]}
        used = [*live.values(), *(was.id for was in retired.values())]
        if len(set(used)) != len(used) or any(not 0 <= number < self.size for number in used):
            raise ValueError(f"{self.kind} ids overlap or are out of range")
        fresh = max([int(meta["fresh"]), *(number + 1 for number in used)])
        return IdSpace(self.kind, self.size, self.remembered, live, retired, fresh)


class _Supply:
    """Where new ids come from: the oldest of those past remembering, then fresh ones, then any reusable."""

    def __init__(self, space: IdSpace, retired: dict[Hashable, Retired], is_reusable: Reusable) -> None:
        self._space = space
        self._retired = retired
        # lazy: asking whether an id still counts is not for free, and most changes need none
        oldest_first = list(retired.items())
        self._usable = (name for name, was in oldest_first if is_reusable(was.id, was.gen))
        self.fresh = space.fresh
        self.reused: list[int] = []

    def take(self) -> int:
        is_full = self.fresh >= self._space.size
        if is_full or len(self._retired) > self._space.remembered:
            name = next(self._usable, None)
            if name is not None:
                number = self._retired.pop(name).id
                self.reused.append(number)
                return number
        if is_full:
            raise NginyError(f"too many {self._space.kind}: all {self._space.size} ids are in use or still counted")
        self.fresh += 1
        return self.fresh - 1


def _name(name: Any) -> Hashable:
    return tuple(name) if isinstance(name, list) else str(name)


@dataclass(frozen=True)
class Ids:
    """All id spaces of one generation, as the snapshot needs them."""

    listeners: IdSpace
    pools: IdSpace
    backends: IdSpace
    sockets: IdSpace

    @classmethod
    def empty(cls) -> "Ids":
        from nginy._fast.door import MAX_BACKENDS, MAX_LISTENERS, MAX_POOLS, MAX_SOCKETS

        return cls(
            IdSpace("listeners", MAX_LISTENERS),
            IdSpace("pools", MAX_POOLS),
            IdSpace("backends", MAX_BACKENDS),
            # a socket has no counters: nothing to remember once every worker has let go of it
            IdSpace("sockets", MAX_SOCKETS, remembered=0),
        )

    def listener(self, name: str) -> int:
        return self.listeners[name]

    def pool(self, name: str) -> int:
        return self.pools[name]

    def backend(self, pool: str, address: str) -> int:
        return self.backends[pool, address]

    def to_meta(self) -> dict[str, Any]:
        return {kind: getattr(self, kind).to_meta() for kind in ("listeners", "pools", "backends", "sockets")}

    def from_meta(self, meta: Mapping[str, Any]) -> "Ids":
        """Errors: KeyError, TypeError, ValueError for a description that is not ours."""
        return Ids(
            self.listeners.from_meta(meta["listeners"]),
            self.pools.from_meta(meta["pools"]),
            self.backends.from_meta(meta["backends"]),
            self.sockets.from_meta(meta["sockets"]),
        )
