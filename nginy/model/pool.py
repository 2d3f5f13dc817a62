"""Where clients are sent: pools, their backends, and how one of them is chosen."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from nginy.model.form import Cap, Congestion, Form, Kinded, Model, Named, Switch
from nginy.model.health import Health

POOLS_MAX = 1024
BACKENDS_MAX = 65535


class RoundRobin(Kinded):
    """Smooth weighted round robin: turns in proportion to the weights, never in bursts."""

    kind: Literal["round_robin"] = "round_robin"


class LeastConn(Kinded):
    """The backend with the fewest sessions for its weight, counted over all workers."""

    kind: Literal["least_conn"] = "least_conn"


class Random2(Kinded):
    """The less busy of two backends drawn by weight."""

    kind: Literal["random2"] = "random2"


class SourceHash(Kinded):
    """The client's address decides: the same client meets the same backend while the set stays the same."""

    kind: Literal["source_hash"] = "source_hash"


Native: TypeAlias = Annotated[RoundRobin | LeastConn | Random2 | SourceHash, Field(discriminator="kind"), Named]


class PythonPolicy(Kinded):
    """A class of yours is asked, in a process of its own; see docs/policies-python.md."""

    kind: Literal["python"] = "python"
    call: Annotated[str, Form("call"), Field(max_length=255)] = Field(description=(
        "The class, as `package.module:Class`; looked for in the folder of the configuration file first."))
    deadline: Annotated[float, Form("duration"), Field(ge=0.001, le=1.0)] = Field(default=0.005, description=(
        "How long a session or flow waits for the answer; then the fallback chooses."))
    fallback: Native = Field(default=RoundRobin(), description=(
        "The policy that chooses where the class is late, raises, or names nobody that may be used."))


Policy: TypeAlias = Annotated[
    RoundRobin | LeastConn | Random2 | SourceHash | PythonPolicy, Field(discriminator="kind"), Named]
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


class Pool(Model):
    """A set of backends with one policy."""

    policy: Policy = Field(default=RoundRobin(), description=(
        "How a backend is chosen for a new session: a name, or a mapping with `kind`."))
    backends: tuple[Backend, ...] = Field(
        min_length=1, max_length=BACKENDS_MAX, strict=False, description="Addresses, or mappings.")
    health: Annotated[Health | None, Form(off=True)] = Field(default=None, description=(
        "Active checks: a kind, a mapping with `kind`, or `off`."))
    resolve: Resolve = Field(default=30.0, description=(
        "How often host names are looked up again; a failed look-up keeps the last addresses."))
    tcp: BackTcp = BackTcp()
    udp: BackUdp = BackUdp()

    @property
    def native(self) -> Native:
        """The policy that workers run themselves."""
        return self.policy.fallback if isinstance(self.policy, PythonPolicy) else self.policy


