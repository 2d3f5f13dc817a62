"""How a table policy says what workers shall go by: weights, published whole, whenever it likes."""

from collections.abc import Callable, Mapping

from nginy.balancer.api import Backend

WEIGHT_MAX = 65535
Target = Backend | int | str
"""A backend, its id, or its address."""


class Publisher:
    """What `self.publish` of a table policy is. May be called from any thread.

    send(weights by id): hands them to control.
    """

    def __init__(self, send: Callable[[Mapping[int, int]], object]) -> None:
        self._send = send
        self._ids: dict[int | str, int] = {}

    def show(self, backends: Mapping[int, Backend]) -> None:
        """The backends that weights may be given to from now on."""
        ids: dict[int | str, int] = {id: id for id in backends}
        self._ids = ids | {backend.address: id for id, backend in backends.items()}

    def __call__(self, weights: Mapping[Target, int]) -> None:
        """The weights of all backends from now on; one that is left out gets no new sessions.

        They take the place of the configured ones in the pool's `fallback`, until others are published.
        Errors: KeyError for a backend that the pool does not have; ValueError for a weight outside 0..65535, and for
        weights that are all 0.
        """
        ids = self._ids
        found = dict.fromkeys(ids.values(), 0)
        for target, weight in weights.items():
            id = ids.get(target.id if isinstance(target, Backend) else target)
            if id is None:
                raise KeyError(f"the pool has no backend {target!r}")
            if type(weight) is not int or not 0 <= weight <= WEIGHT_MAX:
                raise ValueError(f"{weight!r} for {target!r} is no weight: whole numbers from 0 to {WEIGHT_MAX} are")
            found[id] = weight
        if not any(found.values()):
            raise ValueError("every weight is 0: the pool could serve nobody")
        self._send(found)
