"""The policies that run inside the workers, by name: what each does, what a choice costs, what may be set.

All of them honour tier, weight, state, verdict, max_conns and a worker's suspicion.
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
    NativePolicy("random2", "The less busy of two backends drawn by weight.", "O(log n)"),
    NativePolicy(
        "source_hash",
        "The client's address, without its port, decides; weights are shares. A changed set moves clients.",
        "O(log n)",
    ),
)

NATIVE: Mapping[str, NativePolicy] = MappingProxyType({policy.name: policy for policy in _ALL})
"""Name to policy, in the order in which the reference shows them."""
