"""One policy object and how its hooks are called: the same for the policy process and for simulations."""

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from nginy.balancer.api import Backend, Building, Chosen, Context, Outcome, Policy, Releasing, Starting

STATES_MAX = 262_144  # visits whose `start` is remembered; the oldest is forgotten first
_MISSING = object()


class Hooks:
    """Calls a policy. One thread. Whatever the policy raises passes through."""

    def __init__(self, policy: Any, kind: str = "python") -> None:
        """kind: `python`, or `table` for one that publishes. Errors: TypeError for an object that is no policy."""
        check_policy(policy, kind)
        self.policy: Policy = policy
        self.backends: dict[int, Backend] = {}
        self.has_release = isinstance(policy, Releasing)
        self._has_start = isinstance(policy, Starting)
        self._states: OrderedDict[Any, Any] = OrderedDict()
        self._choose = getattr(policy, "choose", None)

    def build(self, backends: Iterable[Backend]) -> None:
        """These are the backends from now on."""
        self.backends = {backend.id: backend for backend in backends}
        if isinstance(self.policy, Building):
            self.policy.build(tuple(self.backends.values()))

    def choose(self, visit: Any, context: Context, attempt: int) -> Any:
        """What `choose` returns: a backend, an id, None, or something to be awaited. visit: any key of the visit."""
        assert self._choose is not None
        if not self._has_start:
            return self._choose(context, attempt)
        state = self._states.get(visit, _MISSING)
        if state is _MISSING:
            state = self.policy.start(context)  # type: ignore[attr-defined]
            self._states[visit] = state
            if len(self._states) > STATES_MAX:
                self._states.popitem(last=False)
        return self._choose(state, attempt)

    def id_of(self, chosen: Chosen) -> int | None:
        """The id that a choice means; -1 for something that cannot be one."""
        if chosen is None:
            return None
        if isinstance(chosen, Backend):
            return chosen.id
        return chosen if type(chosen) is int and 0 <= chosen < 2**31 else -1

    def release(self, visit: Any, backend: int, told: Mapping[str, Any]) -> None:
        """The end of an attempt or a session. backend: id, -1 for a visit that ended without one.

        told: the fields of an Outcome but for its state.
        """
        known = self.backends.get(backend)
        if known is not None and self.has_release:
            outcome = Outcome(**told, state=self._states.get(visit))
            self.policy.release(known, outcome)  # type: ignore[attr-defined]
        if told["is_last"]:
            self._states.pop(visit, None)


NEEDS = {"python": "choose(context, attempt)", "table": "build(backends)"}
"""The one hook that a class must have, by kind of policy."""


def check_policy(policy: Any, kind: str = "python") -> None:
    """Is this a policy of that kind, or a class of them? Errors: TypeError that says what is missing."""
    name = policy.__name__ if inspect.isclass(policy) else type(policy).__name__
    if not callable(getattr(policy, NEEDS[kind].partition("(")[0], None)):
        raise TypeError(f"{name} has no method {NEEDS[kind]}")
    for hook in ("build", "start", "release"):
        if not callable(getattr(policy, hook, check_policy)):
            raise TypeError(f"{name}.{hook} is no method")
