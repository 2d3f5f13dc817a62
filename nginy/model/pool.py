"""Where clients are sent: pools, their backends, and how one of them is chosen."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from nginy.model.form import Cap, Congestion, Duration, Form, Model, Switch
from nginy.model.health import Health
from nginy.model.key import CallKey
from nginy.model.policy import (
    ByKey,
    CalledPolicy,
    Native,
    Policy,
    PythonPolicy,
    RoundRobin,
    SlowStart,
    TablePolicy,
)
from nginy.model.sticky import Sticky

POOLS_MAX = 1024
BACKENDS_MAX = 65535
MEMBERS_MAX = 64


Resolve: TypeAlias = Annotated[float, Form("duration"), Field(ge=0.1, le=86400)]


class BackTcp(Model):
    """TCP options of the connections to the backends of one pool."""

    quickack: Switch = Field(default=False, description=(
        "`off`: the acknowledgement of the backend's SYN travels with the client's first bytes when they are there. "
        "`on`: it is sent at once."))
    fastopen: Switch = Field(default=False, description=(
        "TCP Fast Open: the client's first bytes travel with the SYN, once the backend has given a cookie. The network "
        "may deliver them twice, and a session whose SYN carried them is not retried: only for requests that may be "
        "repeated. Needs `net.ipv4.tcp_fastopen` & 1."))
    congestion: Congestion | None = Field(default=None, description=(
        "Congestion control, such as `cubic` or `bbr`. Left out: the system's."))


class BackUdp(Model):
    """What backends of one pool see of the flows that UDP listeners send them."""

    proxy_protocol: Literal["off", "flow", "datagram"] = Field(default="off", description=(
        "PROXY protocol v2 in front of a flow's first datagram, or of every one. What does not fit any more is "
        "dropped."))
    transparent: Switch = Field(default=False, description=(
        "`on`: the client's own address is the source (IP_TRANSPARENT). Needs CAP_NET_ADMIN in the workers, and routes "
        "that lead the answers back here; backends and clients of the same IP version only."))


class BackHttp(Model):
    """Connections to the backends of one pool that HTTP listeners keep between two requests."""

    kept: int = Field(default=64, ge=0, le=4096, description=(
        "How many may be at rest, per backend and worker; further ones are closed after their response. 0: each "
        "request opens its own."))
    idle: Duration = Field(default=60.0, description=(
        "At rest for longer, and a connection is closed. Less than what the backend itself allows spares retries."))
    age: Annotated[Annotated[float, Form("duration"), Field(ge=0.001, le=86400 * 365)] | None, Form(off=True)] = Field(
        default=None, description="Older connections are closed after their response; or `off`.")


class Backend(Model):
    """One target of a pool. A plain string is its address."""

    short: ClassVar[str] = "address"
    address: Annotated[str, Form("address")] = Field(description=(
        "`host:port`, `[v6]:port` or `unix:/path`. All addresses of a host name become backends."))
    weight: int = Field(default=1, ge=0, le=65535, description="Share of new sessions; 0 gets none.")
    state: Literal["ready", "drain", "maint"] = Field(default="ready", description=(
        "The operator's wish: `ready` serves, `drain` takes no new sessions, `maint` is not checked either."))
    max_conns: Cap | None = Field(default=None, description=(
        "Sessions on this backend at most, over all workers. Left out: no cap."))
    tier: int = Field(default=0, ge=0, le=255, description="Serves while no lower tier has a usable backend.")
    backup: Annotated[Switch, Form(short_for="tier")] = Field(
        default=False, description="Short for `tier: 1`; give one of the two.")

    @model_validator(mode="after")
    def _backup_is_a_tier(self) -> Self:
        if {"backup", "tier"} <= self.model_fields_set and self.backup != (self.tier > 0):
            raise ValueError("`backup` and `tier` say different things: give one of the two")
        if self.backup and not self.tier:
            object.__setattr__(self, "tier", 1)
        object.__setattr__(self, "backup", self.tier > 0)
        return self


class Member(Model):
    """One pool of a group. A plain string is its name."""

    short: ClassVar[str] = "pool"
    pool: Annotated[str, Form("pool")] = Field(description="Its name; a pool with backends of its own.")
    weight: int = Field(default=1, ge=0, le=65535, description="Share of new sessions; 0 gets none.")


class Pool(Model):
    """A set of backends with one policy, or a group of such pools."""

    one_of: ClassVar[tuple[str, ...]] = ("backends", "of")

    policy: Policy = Field(default=RoundRobin(), description=(
        "How a backend is chosen for a new session: a name, or a mapping with `kind`."))
    backends: tuple[Backend, ...] = Field(
        default=(), min_length=1, max_length=BACKENDS_MAX, strict=False, description="Addresses, or mappings.")
    of: tuple[Member, ...] = Field(default=(), min_length=1, max_length=MEMBERS_MAX, strict=False, description=(
        "In place of `backends`: other pools, by name or as mappings with a `weight`. Sessions go to those that have "
        "somebody usable, in turns by weight (smooth round robin), and there as the pool's own policy says; a retry "
        "may go to another one. Checks, limits and everything else belong to the pools."))
    health: Annotated[Health | None, Form(off=True)] = Field(default=None, description=(
        "Active checks: a kind, a mapping with `kind`, or `off`."))
    slow_start: Annotated[SlowStart | None, Form(off=True)] = Field(default=None, description=(
        "A mapping with `window`, or `off`: backends that come up get their share bit by bit."))
    resolve: Resolve = Field(default=30.0, description=(
        "How often host names are looked up again; a failed look-up keeps the last addresses."))
    tcp: BackTcp = BackTcp()
    udp: BackUdp = BackUdp()
    http: BackHttp = BackHttp()
    sticky: Annotated[Sticky | None, Form(off=True)] = Field(default=None, description=(
        "HTTP: a cookie keeps a client at its backend, before the policy is asked: a kind, a mapping with `kind`, or "
        "`off`."))
    load_header: Annotated[Annotated[str, Form("load_header"), Field(max_length=32)] | None, Form(off=True)] = Field(
        default=None, description=(
            "HTTP: a header in which the responses of backends tell their load, in milliseconds; `jump_load` goes by "
            "it. It does not reach clients. Or `off`."))

    @property
    def native(self) -> Native:
        """The policy that workers run themselves."""
        return self.policy.fallback if isinstance(self.policy, CalledPolicy) else self.policy

    @property
    def asked(self) -> PythonPolicy | CallKey | None:
        """What asks a class for each choice: for a backend, or for a key; None where nobody is asked."""
        if isinstance(self.policy, PythonPolicy):
            return self.policy
        native = self.native
        return native.key if isinstance(native, ByKey) and isinstance(native.key, CallKey) else None

    @property
    def called(self) -> PythonPolicy | TablePolicy | CallKey | None:
        """What names a class, if anything does."""
        return self.policy if isinstance(self.policy, TablePolicy) else self.asked


