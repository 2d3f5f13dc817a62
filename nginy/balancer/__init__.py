"""How backends are chosen: rings and tables as a library, and the policy seam for Python users.

`from nginy.balancer import Ring, Maglev, Rendezvous, Jump, BoundedLoad` loads nothing of the proxy; `simulate` does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nginy.balancer.rings import BoundedLoad, Jump, Maglev, Rendezvous, Ring
    from nginy.balancer.simulation import Simulator, simulate

__all__ = ["BoundedLoad", "Jump", "Maglev", "Rendezvous", "Ring", "Simulator", "simulate"]

_ROOMS = dict.fromkeys(__all__, "nginy.balancer.rings")
_ROOMS |= dict.fromkeys(("Simulator", "simulate"), "nginy.balancer.simulation")


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ROOMS[name]), name)
