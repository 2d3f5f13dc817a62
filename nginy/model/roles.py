"""What can be done with a client, and where each of it may stand: one table. Models, checks and the reference go by it.

A handler answers or forwards, a filter changes what passes, a balancer chooses a backend. Filters of a listener come
first on the way to a backend and last on the way back; a route's own are in between; of one place they run as they are
written.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["handler", "filter", "balancer"]
Place: TypeAlias = Literal["listener", "route", "pool"]


class Part(NamedTuple):
    """One thing that can be done. name: its key in the configuration; of a balancer, its `kind`."""

    name: str
    role: Role
    places: tuple[Place, ...]


PARTS = (
    Part("pool", "handler", ("listener", "route")),
    Part("pools", "handler", ("route",)),
    Part("respond", "handler", ("route",)),
    Part("redirect", "handler", ("route",)),
    Part("request", "filter", ("listener", "route")),
    Part("response", "filter", ("listener", "route")),
    *(
        Part(name, "balancer", ("pool",))
        for name in (
            "round_robin", "least_conn", "least_time", "random", "random2", "first", "source_hash", "rendezvous",
            "ring", "maglev", "jump", "jump_load", "bounded_ring", "bounded_maglev", "hash_preserve", "python", "table",
        )
    ),
)  # fmt: skip


def parts_at(role: Role, place: Place) -> tuple[str, ...]:
    """Names of what may stand there, in the order of the table."""
    return tuple(part.name for part in PARTS if part.role == role and place in part.places)
