"""The seam for policies written in Python: five hooks and the words they are told. Nothing calls them yet.

The hooks are the same whatever runs them. A native policy answers inside the worker. A Python policy is asked
under a deadline; when it is late, raises or names nobody, a native one answers for it: no session fails.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeVar, runtime_checkable

OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "connected": "the backend took the connection",
        "refused": "the backend's host answered that nobody listens",
        "timeout": "no answer within timeouts.connect",
        "unreachable": "the network said that there is no way to it",
        "reset": "the connection was reset before it was established",
        "local_error": "nginy itself was short of descriptors, memory or source ports",
        "self_connect": "the kernel joined the socket to itself: nobody listens there",
        "abandoned": "the client left, or a stop came, before it was known",
    }
)
"""How one attempt to reach a backend ended. Counted per backend; told to `release`."""


class Candidate(Protocol):
    """One backend as a policy sees it. id is stable across generations; only usable ones are shown."""

    @property
    def id(self) -> int: ...
    @property
    def address(self) -> str: ...
    @property
    def weight(self) -> int: ...
    @property
    def tier(self) -> int: ...


class Context(Protocol):
    """What is known about the visit. source and destination: `ip:port`."""

    @property
    def source(self) -> str: ...
    @property
    def destination(self) -> str: ...
    @property
    def first_bytes(self) -> bytes: ...


State = TypeVar("State")


@runtime_checkable
class Policy(Protocol[State]):
    """How a backend is chosen. One object per pool; called from one thread, never twice at once.

    No hook may block. State is the policy's own memory of one session, from `start` to its last `release`.
    """

    def build(self, backends: Sequence[Candidate]) -> None:
        """A new generation: the usable backends, in configured order. Called before it serves anybody."""

    def start(self, context: Context) -> State:
        """A session begins. -> what the other hooks of this session get to see."""

    def choose(self, state: State, attempt: int) -> int | None:
        """-> id of the backend for attempt 0, 1, ...; None when there is none to offer."""

    def release(self, state: State, backend: int, outcome: str) -> None:
        """An attempt, or the session it led to, is over. outcome: a key of OUTCOMES."""

    def observe(self, backend: int, measures: Mapping[str, float]) -> None:
        """Something measured about a backend apart from any choice, such as a load that it reports."""
