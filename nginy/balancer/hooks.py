"""One policy object and how its hooks are called: the same for the policy process and for simulations."""

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from nginy.balancer.api import Backend, Building, Chosen, Context, Outcome, Releasing, Starting

STATES_MAX = 262_144  # visits whose `start` is remembered; the oldest is forgotten first
_MISSING = object()


class Hooks:
    """Calls a policy. One thread. Whatever the policy raises passes through."""

    def __init__(self, policy: Any, kind: str = "python") -> None:
        """kind: `python`, `table` for one that publishes, `call` for one that extracts keys.

        Errors: TypeError for an object that is no policy.
        """
        check_policy(policy, kind)
        self.policy: Any = policy
        self.is_key = kind == "call"
        self.hook = "key" if self.is_key else "choose"
        self.ring = 0  # of door.RINGS: the program that keys are hashed for
        self.backends: dict[int, Backend] = {}
        self.has_release = isinstance(policy, Releasing)
        self._has_start = isinstance(policy, Starting)
        self._states: OrderedDict[Any, Any] = OrderedDict()
        self._choose = getattr(policy, self.hook, None)

    def build(self, backends: Iterable[Backend]) -> None:
        """These are the backends from now on."""
        self.backends = {backend.id: backend for backend in backends}
        if isinstance(self.policy, Building):
            self.policy.build(tuple(self.backends.values()))

    def choose(self, visit: Any, context: Context, attempt: int) -> Any:
        """What `choose` returns: a backend, an id, None, or something to be awaited. visit: any key of the visit.

        What `key` returns where that is asked for.
        """
        assert self._choose is not None
        if self.is_key:
            return self._choose(context)
        if not self._has_start:
            return self._choose(context, attempt)
        state = self._states.get(visit, _MISSING)
        if state is _MISSING:
            state = self.policy.start(context)
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
            self.policy.release(known, outcome)
        if told["is_last"]:
            self._states.pop(visit, None)


def key_of(said: Any) -> bytes | None:
    """The bytes of a key, text as UTF-8, a number as its digits; empty for none; None for what cannot be one."""
    if said is None:
        return b""
    if isinstance(said, bytes):
        return said
    if isinstance(said, str):
        return said.encode("utf-8", "surrogatepass")
    return b"%d" % said if type(said) is int else None


NEEDS = {"python": "choose(context, attempt)", "table": "build(backends)", "call": "key(context)"}
"""The one hook that a class must have, by kind of policy; `call`: of a key."""


def check_policy(policy: Any, kind: str = "python") -> None:
    """Is this a policy of that kind, or a class of them? Errors: TypeError that says what is missing."""
    name = policy.__name__ if inspect.isclass(policy) else type(policy).__name__
    if not callable(getattr(policy, NEEDS[kind].partition("(")[0], None)):
        raise TypeError(f"{name} has no method {NEEDS[kind]}")
    for hook in ("build", "start", "release"):
        if not callable(getattr(policy, hook, check_policy)):
            raise TypeError(f"{name}.{hook} is no method")
