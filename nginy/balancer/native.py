"""The policies that run inside the workers, by name: what each does, what a choice costs, what may be set.

All of them honour tier, weight, state, verdict, max_conns, slow start and a worker's suspicion.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Parameter:
    """A key that may stand beside `kind`. default: as people write it."""

    name: str
    default: str
    summary: str


@dataclass(frozen=True, slots=True)
class NativePolicy:
    """One policy. cost: of one choice, n = backends in the tier that is used."""

    name: str
    summary: str
    cost: str
    parameters: tuple[Parameter, ...] = ()


_KEY = Parameter("key", "session", "what decides")
_COMPAT = Parameter("compat", "off", "the program whose ring it is: `nginx` or `ketama`")
_SIZE = Parameter("size", "65537", "slots, a prime")
_FACTOR = Parameter("factor", "1.25", "how much over its share a backend may have")
_LOW = Parameter("low", "500ms", "reported load that is always accepted")
_HIGH = Parameter("high", "2s", "from here on one choice in ten is accepted")
_SATURATED = Parameter("saturated", "", "sessions per weight that saturate a backend; left out: `max_conns` alone")
_ALL = (
    NativePolicy(
        "round_robin",
        "Smooth weighted round robin: turns in proportion to the weights, never in bursts.",
        "O(1) with equal weights, else O(n)",
    ),
    NativePolicy(
        "least_conn",
        "The fewest sessions per weight, counted over all workers; may be stale by one loop turn.",
        "O(n)",
    ),
    NativePolicy(
        "least_time",
        "The shortest time to connect and to answer, times the sessions, per weight; each worker learns for itself.",
        "O(n), of 256 at a time",
    ),
    NativePolicy(
        "random",
        "Drawn by weight.",
        "O(log n)",
    ),
    NativePolicy(
        "random2",
        "The less busy of two backends drawn by weight.",
        "O(log n)",
    ),
    NativePolicy(
        "first",
        "The first in configured order that has room (`max_conns`); the others stay idle.",
        "O(n)",
    ),
    NativePolicy(
        "source_hash",
        "The client's address, without its port, decides; weights are shares. A changed set moves clients.",
        "O(log n)",
    ),
    NativePolicy(
        "rendezvous",
        "Highest random weight: exact shares; a backend that leaves moves its own keys alone.",
        "O(n)",
        (_KEY,),
    ),
    NativePolicy(
        "ring",
        "A ring of points: a backend that leaves moves its own keys alone.",
        "O(1)",
        (_KEY, _COMPAT,),
    ),
    NativePolicy(
        "maglev",
        "A table of slots: the most even shares; a backend that leaves moves up to 1 % of other keys.",
        "O(1)",
        (_KEY, _SIZE,),
    ),
    NativePolicy(
        "jump",
        "Jump hash over the weights in configured order; only the last one can leave without moving other keys.",
        "O(log n)",
        (_KEY,),
    ),
    NativePolicy(
        "jump_load",
        "Jump hash, and on to the next one past those that report a high load.",
        "O(log n), O(n) when many are loaded",
        (_KEY, _LOW, _HIGH),
    ),
    NativePolicy(
        "bounded_ring",
        "A ring; whoever has more than its share of the sessions times a factor is passed over.",
        "O(n)",
        (_KEY, _COMPAT, _FACTOR,),
    ),
    NativePolicy(
        "bounded_maglev",
        "A Maglev table; whoever has more than its share of the sessions times a factor is passed over.",
        "O(n)",
        (_KEY, _SIZE, _FACTOR,),
    ),
    NativePolicy(
        "hash_preserve",
        "A ring; on to the next one while the first is saturated, and back when it is free.",
        "O(1)",
        (_KEY, _COMPAT, _SATURATED),
    ),
)

NATIVE: Mapping[str, NativePolicy] = MappingProxyType({policy.name: policy for policy in _ALL})
"""Name to policy, in the order in which the reference shows them."""
