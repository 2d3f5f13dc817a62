"""How one backend of a pool is chosen: the policies, slow start."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from nginy.model.form import Cap, Duration, Kinded, Model, OneKind
from nginy.model.key import AnyKey, Called, CallKey, Key, Patience

MAGLEV_SIZE_MAX = 4_194_301
RING_POINTS_MAX = 2_000_000
"""Of one pool: 16 MiB, which every worker checks in some 5 ms when it takes a new ring."""
RING_POINTS = 160

Factor: TypeAlias = Annotated[float, Field(ge=1.001, le=65)]


class RoundRobin(Kinded):
    """Smooth weighted round robin: turns in proportion to the weights, never in bursts."""

    kind: Literal["round_robin"] = "round_robin"


class LeastConn(Kinded):
    """The backend with the fewest sessions for its weight, counted over all workers."""

    kind: Literal["least_conn"] = "least_conn"


class LeastTime(Kinded):
    """The backend that connects and begins to answer soonest, times its sessions, for its weight."""

    kind: Literal["least_time"] = "least_time"


class Random(Kinded):
    """Drawn by weight."""

    kind: Literal["random"] = "random"


class Random2(Kinded):
    """The less busy of two backends drawn by weight."""

    kind: Literal["random2"] = "random2"


class First(Kinded):
    """The first backend in configured order that has room (`max_conns`): the others stay idle."""

    kind: Literal["first"] = "first"


class SourceHash(Kinded):
    """The client's address decides: the same client meets the same backend while the set stays the same."""

    kind: Literal["source_hash"] = "source_hash"


class ByKey(Kinded):
    """A policy by key: equal keys meet the same backend."""

    key: Key = Field(default=AnyKey(), description=(
        "What decides: a kind, or a mapping with `kind`. A client without such a key goes by `session`."))


class Rendezvous(ByKey):
    """Highest random weight: shares follow the weights exactly, a backend that leaves moves its own keys alone."""

    kind: Literal["rendezvous"] = "rendezvous"


class RingBase(ByKey):
    """A policy over a ring of points."""

    compat: Literal["off", "nginx", "ketama"] = Field(default="off", description=(
        "`nginx`: keys land where nginx has them with `hash … consistent`, the key taken as text and "
        "host names as their addresses (nginx hashes the name: write addresses there too). `ketama`: where libketama "
        "has them. `off`: nginy's own ring."))


    @field_validator("compat")
    @classmethod
    def _compat_has_such_a_key(cls, compat: str, info: ValidationInfo) -> str:
        key = info.data.get("key")
        if compat != "off" and key is not None and key.kind == "listener":
            raise ValueError("it hashes what other programs know too, and the name of a listener is only known here")
        return compat


class Ring(RingBase):
    """Consistent hashing: a backend that leaves moves its own keys alone, to the next ones on the ring."""

    kind: Literal["ring"] = "ring"


class MaglevBase(ByKey):
    """A policy over a Maglev table."""

    size: int = Field(default=65537, ge=3, le=MAGLEV_SIZE_MAX, description=(
        "Slots of the table, a prime; a hundred times the backends or more keeps the shares even."))

    @field_validator("size")
    @classmethod
    def _size_is_prime(cls, size: int) -> int:
        if not _is_prime(size):
            what = "an even number" if size % 2 == 0 else "no prime"
            raise ValueError(f"a Maglev table needs a prime, and {size} is {what}: write {_prime_from(size)}")
        return size


class Maglev(MaglevBase):
    """A Maglev table: the most even shares at the least cost; a backend that leaves moves few other keys."""

    kind: Literal["maglev"] = "maglev"


class Jump(ByKey):
    """Jump hash over the weights in configured order: exact shares; only the last backend can leave cheaply."""

    kind: Literal["jump"] = "jump"


class JumpLoad(ByKey):
    """Jump hash, and on to the next backend past those that report a high load."""

    kind: Literal["jump_load"] = "jump_load"
    low: Duration = Field(default=0.5, description=(
        "A load up to it is always accepted. It is what `Server.report_load` has told."))
    high: Duration = Field(default=2.0, description="From this load on, one choice in ten is accepted.")

    @field_validator("high")
    @classmethod
    def _low_is_below_high(cls, high: float, info: ValidationInfo) -> float:
        if info.data.get("low", 0) >= high:
            raise ValueError("`high` has to be above `low`")
        return high


class BoundedRing(RingBase):
    """A ring on which nobody gets more than its share of the sessions times a factor."""

    kind: Literal["bounded_ring"] = "bounded_ring"
    factor: Factor = Field(default=1.25, description=(
        "How much over its share of the sessions a backend may have before its keys go to the next one."))


class BoundedMaglev(MaglevBase):
    """A Maglev table with which nobody gets more than its share of the sessions times a factor."""

    kind: Literal["bounded_maglev"] = "bounded_maglev"
    factor: Factor = Field(default=1.25, description=(
        "How much over its share of the sessions a backend may have before its keys go to the next one."))


class HashPreserve(RingBase):
    """A ring on which keys go on to the next backend while the first is saturated, and back when it is free."""

    kind: Literal["hash_preserve"] = "hash_preserve"
    saturated: Cap | None = Field(default=None, description=(
        "Sessions for each unit of weight from which on a backend counts as saturated; when all are, the first serves, "
        "up to its `max_conns`. Left out: `max_conns` alone."))


Native: TypeAlias = Annotated[
    RoundRobin | LeastConn | LeastTime | Random | Random2 | First | SourceHash | Rendezvous | Ring | Maglev | Jump
    | JumpLoad | BoundedRing | BoundedMaglev | HashPreserve, OneKind()]


class CalledPolicy(Kinded):
    """A class of yours, in a process of its own; see docs/policies-python.md."""

    call: Called = Field(description=(
        "The class, as `package.module:Class`; looked for in the folder of the configuration file first."))
    args: dict[str, Any] = Field(default={}, description=(
        "What the class is made with: keyword arguments, of texts, numbers, booleans, lists and mappings."))
    fallback: Native = Field(default=RoundRobin(), description=(
        "The policy that workers run themselves: it chooses where the class is late, raises, or names nobody that may "
        "be used, and by the weights that a table publishes."))

    @field_validator("fallback")
    @classmethod
    def _fallback_asks_nobody(cls, fallback: Native) -> Native:
        if isinstance(fallback, ByKey) and isinstance(fallback.key, CallKey):
            raise ValueError("a fallback chooses at once and asks no class: give it another key")
        return fallback


class PythonPolicy(CalledPolicy):
    """A class of yours is asked for each attempt, in a process of its own; see docs/policies-python.md."""

    kind: Literal["python"] = "python"
    deadline: Patience = Field(default=0.005, description=(
        "How long a session or flow waits for the answer; then the fallback chooses."))


class TablePolicy(CalledPolicy):
    """A class of yours publishes weights whenever it likes, in a process of its own; see docs/policies-python.md."""

    kind: Literal["table"] = "table"


Policy: TypeAlias = Annotated[
    RoundRobin | LeastConn | LeastTime | Random | Random2 | First | SourceHash | Rendezvous | Ring | Maglev | Jump
    | JumpLoad | BoundedRing | BoundedMaglev | HashPreserve | PythonPolicy | TablePolicy,
    OneKind()]


class SlowStart(Model):
    """A backend that came up, or was added, gets its share bit by bit."""

    window: Duration = Field(description="After it the backend has its full share.")
    min: float = Field(default=0.1, ge=0.001, le=1, description="The part of its share that it has at first.")


def _is_prime(number: int) -> bool:
    divisor = 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 1
    return number > 1


def _prime_from(number: int) -> int:
    return next(candidate for candidate in range(number, 2 * number + 2) if _is_prime(candidate))
