"""All that one generation stands for, as one value: a change makes the next or leaves this one alone."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from nginy._fast import door
from nginy.backend.registry import Resolved, ResolvedBackend
from nginy.backend.rows import SocketRow
from nginy.control.datagrams import receive_bytes
from nginy.control.ids import Ids, IdSpace, Reusable
from nginy.control.listeners import Group
from nginy.control.plan import BindWish, wanted_binds
from nginy.model import Config, TablePolicy


@dataclass(frozen=True, slots=True)
class World:
    """groups: bind key to its sockets, owned by control for as long as any world lists them.

    published: by pool, weights that a table policy has given to addresses, in place of the configured ones.
    """

    config: Config
    resolved: Resolved
    ids: Ids
    groups: Mapping[str, Group] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def weighed(self) -> Resolved:
        """The backends with the weights that workers go by."""
        if not self.published:
            return self.resolved
        return {pool: self._weighed(pool, entries) for pool, entries in self.resolved.items()}

    def _weighed(self, pool: str, entries: list[ResolvedBackend]) -> list[ResolvedBackend]:
        weights = self.published.get(pool, {})
        found = [replace(entry, weight=weights.get(entry.address, entry.weight)) for entry in entries]
        # those who had all the weight may have left since: the others must not stand idle
        return found if any(entry.weight for entry in found) else entries

    def with_weights(self, pool: str, weights: Mapping[int, int]) -> "World":
        """The same with other published weights, given by backend id; a pool without a table policy has none."""
        if pool not in self.resolved or not isinstance(self.config.pools[pool].policy, TablePolicy):
            return self
        addresses = self.addresses_of(pool)
        found = {addresses[id]: weight for id, weight in weights.items() if id in addresses}
        return replace(self, published={**self.published, pool: found})

    def addresses_of(self, pool: str) -> dict[int, str]:
        """Of its backends, by id."""
        return {self.ids.backend(pool, entry.address): entry.address for entry in self.resolved.get(pool, ())}

    @property
    def addresses(self) -> dict[str, list[str]]:
        """Where each listener really is, in the order of its binds; a range of ports stays a range."""
        found: dict[str, dict[str, None]] = {name: {} for name in self.config.listeners}
        for wish in wanted_binds(self.config):
            if wish.key in self.groups:
                found[wish.listener][wish.text if wish.is_of_range else self.groups[wish.key].address] = None
        return {name: list(addresses) for name, addresses in found.items()}

    def datagram_sockets(self) -> list[tuple[BindWish, socket.socket]]:
        """One for each address of the UDP listeners, with what was wished for it; those of other slots are alike."""
        return [(group.wish, group.members[0].sock) for group in self.groups.values() if group.wish.kind == "udp"]

    @property
    def receive_queues(self) -> dict[str, int]:
        """Bytes that the shortest receive queue of each UDP listener may hold."""
        found: dict[str, int] = {}
        for wish, sock in self.datagram_sockets():
            given = receive_bytes(sock)
            found[wish.listener] = min(given, found.get(wish.listener, given))
        return found

    def sockets(self) -> list[tuple[SocketRow, int]]:
        """Each socket as the snapshot lists it, and its descriptor."""
        rows = []
        for key, group in self.groups.items():
            listener = self.ids.listener(group.wish.listener)
            for place, member in enumerate(group.members):
                row = SocketRow(self.ids.sockets[key, place], listener, member.slot, group.wish.is_wildcard)
                rows.append((row, member.sock.fileno()))
        return rows


Published = Mapping[str, tuple[str, Mapping[str, int]]]
"""By pool, the class of a table policy and the weights that it has given to addresses."""


def published_in(world: World) -> Published:
    """What tables have published, and who."""
    calls = _tables_of(world.config)
    return {pool: (calls[pool], weights) for pool, weights in world.published.items() if pool in calls}


def still_published(before: Published, config: Config) -> Mapping[str, Mapping[str, int]]:
    """What tables have published holds as long as they are the pools' policies."""
    calls = _tables_of(config)
    return {pool: weights for pool, (call, weights) in before.items() if calls.get(pool) == call}


def _tables_of(config: Config) -> dict[str, str]:
    return {name: pool.policy.call for name, pool in config.pools.items() if isinstance(pool.policy, TablePolicy)}


def socket_names(groups: Mapping[str, Group]) -> list[tuple[str, int]]:
    """What socket ids are given to: a place in a group.

    A group that moves to another listener keeps its ids.
    """
    return [(key, place) for key, group in groups.items() for place in range(len(group.members))]


class IdBook:
    """Gives ids to worlds, and sees to it that nobody inherits another one's counters."""

    def __init__(self, board: door.Board) -> None:
        self._board = board

    def assign(self, world: World, gen: int, adopted_by_all: int) -> World:
        """The same world with an id for each of its names.

        gen: the first generation that will show it.   adopted_by_all: what every living worker has by now.
        Errors: NginyError when a kind of id is used up.
        """

        def is_past(_: int, retired_gen: int) -> bool:
            return retired_gen <= adopted_by_all

        def is_idle_listener(number: int, retired_gen: int) -> bool:
            return is_past(number, retired_gen) and self._board.sessions(number) == 0

        def is_idle_backend(number: int, retired_gen: int) -> bool:
            return is_past(number, retired_gen) and self._board.in_flight(number) == 0

        config, ids = world.config, world.ids
        backends = [(entry.pool, entry.address) for entries in world.resolved.values() for entry in entries]
        return replace(
            world,
            ids=Ids(
                listeners=self._space(ids.listeners, list(config.listeners), gen, is_idle_listener),
                pools=self._space(ids.pools, list(config.pools), gen, is_past),
                backends=self._space(ids.backends, backends, gen, is_idle_backend),
                sockets=self._space(ids.sockets, socket_names(world.groups), gen, is_past),
            ),
        )

    def _space(self, space: IdSpace, names: Sequence[object], gen: int, is_reusable: Reusable) -> IdSpace:
        fresh, reused = space.assigned(names, gen, is_reusable)
        for number in reused:
            if space.kind == "listeners":
                self._board.forget_listener(number)
            elif space.kind == "backends":
                self._board.forget_backend(number)
            elif space.kind == "pools":
                self._board.forget_pool(number)
        return fresh
