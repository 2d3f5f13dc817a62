"""The typed, frozen configuration that every other room reads.

Durations are float seconds and sizes int bytes here; the units that people write are read by config/units.py.
Field descriptions are the only documentation of a key: the JSON Schema and docs/config.md come from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

WORKERS_MAX = 64
LISTENERS_MAX = 1024
POOLS_MAX = 1024
BACKENDS_MAX = 65535
NAME_PATTERN = r"[a-z][a-z0-9_-]*"
_MONTH_S = 30 * 86400


@dataclass(frozen=True, slots=True)
class Form:
    """How people write a value: `kind` names its reader, empty means as the type says.

    off, on: words that stand for None and for all defaults.   one_or_many: a single value is a list of one.
    default: what the reference prints when the default depends on another key.
    """

    kind: str = ""
    off: bool = False
    on: bool = False
    one_or_many: bool = False
    default: str = ""


class Model(BaseModel):
    """Immutable, strict, no unknown keys. short: the key that a plain string stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    short: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, given: Any) -> Any:
        return {cls.short: given} if cls.short and isinstance(given, str) else given


class Kinded(Model):
    """A model that its `kind` tells from its siblings; the name of the kind alone stands for all defaults."""

    short: ClassVar[str] = "kind"


_Named = BeforeValidator(lambda given: {"kind": given} if isinstance(given, str) else given)
_Listed = BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)

Duration: TypeAlias = Annotated[float, Form("duration"), Field(ge=0.001, le=_MONTH_S)]
Switch: TypeAlias = Annotated[bool, Form("switch")]
Text: TypeAlias = Annotated[str, Form("text"), Field(min_length=1, max_length=4096)]
Threshold: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
Cap: TypeAlias = Annotated[int, Field(ge=1, le=2**31 - 1)]


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


class HealthCheck(Kinded):
    """What every kind of check has."""

    interval: Annotated[float, Form("duration"), Field(ge=0.01, le=86400)] = Field(
        default=2.0, description="Time from the start of one check to the start of the next.")
    jitter: float = Field(default=0.1, ge=0, le=1, description=(
        "Share of the interval, 0 to 1, by which each check is moved at random."))
    timeout: Annotated[float, Form("duration"), Field(ge=0.001, le=3600)] = Field(
        default=1.0, description="A check that takes longer has failed.")
    rise: Threshold = Field(default=1, description="Checks in a row that must pass before a backend is up.")
    fall: Threshold = Field(default=3, description="Checks in a row that must fail before a backend is down.")
    start: Literal["unknown", "down"] = Field(default="unknown", description=(
        "Before the first verdict: `unknown` may be used at once, `down` waits for `rise` passed checks."))
    on_down: Literal["keep", "reset"] = Field(default="keep", description=(
        "Sessions on a backend that goes down: `keep` leaves them, `reset` cuts them."))


class TcpHealth(HealthCheck):
    """A check passes when a connection can be opened."""

    kind: Literal["tcp"] = "tcp"


class Expect(Model):
    """What an answer must look like to pass."""

    status: Annotated[tuple[Annotated[str, Form("status")], ...], Form(one_or_many=True), _Listed] = Field(
        default=("200-399",), min_length=1, strict=False, description=(
            "Status codes that pass: one or a list of codes and ranges such as `200-299`."))

    def accepts(self, status: int) -> bool:
        """Whether this status code passes."""
        bounds = (tuple(map(int, entry.split("-"))) for entry in self.status)
        return any(bound[0] <= status <= bound[-1] for bound in bounds)


class HttpHealth(HealthCheck):
    """A check passes when an HTTP/1.1 request gets an expected answer."""

    kind: Literal["http"] = "http"
    path: Annotated[str, Form("http_path")] = Field(default="/", max_length=2048, description=(
        "Path that is asked for, with its query."))
    host: Annotated[str, Form("http_host"), Field(max_length=255)] | None = Field(
        default=None, description="Host header; left out: the backend's address.")
    method: Literal["GET", "HEAD"] = Field(default="GET", description="Method of the request.")
    expect: Expect = Expect()


Policy: TypeAlias = Annotated[
    RoundRobin | LeastConn | Random2 | SourceHash, Field(discriminator="kind"), _Named]
Health: TypeAlias = Annotated[TcpHealth | HttpHealth, Field(discriminator="kind"), _Named]
KeepAlive: TypeAlias = Annotated[
    Annotated[float, Form("duration"), Field(ge=1, le=32400)] | None, Form(off=True)]
Resolve: TypeAlias = Annotated[float, Form("duration"), Field(ge=0.1, le=86400)]


class Timeouts(Model):
    """How long a session may wait for something."""

    connect: Duration = Field(default=3.0, description="To connect to a backend; then the next is tried.")
    idle: Duration = Field(default=900.0, description="Without a byte while both directions are open.")
    half_close: Annotated[Duration, Form("duration", default="as `idle`")] = Field(
        default=900.0, description=(
            "Without a byte in the remaining direction after one side has finished; any byte restarts it."))
    drain: Duration | None = Field(default=None, description=(
        "What sessions get once their listener is removed or nginy drains. Left out: no deadline, or `runtime.drain`."))

    @model_validator(mode="after")
    def _half_close_follows_idle(self) -> Self:
        if "half_close" not in self.model_fields_set:
            object.__setattr__(self, "half_close", self.idle)
        return self


class Limits(Model):
    """Caps of one listener."""

    sessions: Cap | None = Field(default=None, description=(
        "Live sessions at most, over all workers; further clients are reset. Left out: no cap."))
    retries: int = Field(default=2, ge=0, le=7, description=(
        "Further backends to try when a connection fails before any byte has reached a backend."))


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
    backup: Switch = Field(default=False, description="Short for `tier: 1`; give one of the two.")

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


class Listener(Model):
    """An entry point: where clients connect, and the pool that serves them."""

    bind: Annotated[tuple[Annotated[str, Form("bind")], ...], Form(one_or_many=True), _Listed] = Field(
        min_length=1, max_length=64, strict=False, description=(
            "One or a list: `ip:port`, `:port` (all IPv4), `[v6]:port`, `unix:/path`, `systemd:name`."))
    protocol: Literal["tcp"] = Field(default="tcp", description="What is spoken here.")
    pool: Annotated[str, Form("pool")] = Field(description="Name of the pool that serves it.")
    half_close: Switch = Field(default=True, description=(
        "`on`: a side that has finished sending may go on reading. `off`: one end ends both."))
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    backlog: int = Field(default=4096, ge=1, le=65535, description=(
        "Connections that may wait to be accepted, per socket."))
    keepalive: KeepAlive = Field(default=60.0, description=(
        "Idle time before TCP keepalive probes, on both legs, in whole seconds; or `off`."))


class Defaults(Model):
    """Values for all listeners and pools that do not say otherwise."""

    timeouts: Timeouts = Field(default=Timeouts(), description="For listeners, key by key.")
    limits: Limits = Field(default=Limits(), description="For listeners, key by key.")
    half_close: Switch = Field(default=True, description="For listeners.")
    keepalive: KeepAlive = Field(default=60.0, description="For listeners.")
    policy: Policy = Field(default=RoundRobin(), description="For pools.")
    health: Annotated[Health | None, Form(off=True)] = Field(default=None, description=(
        "For pools, key by key; a pool of another `kind` takes over only the keys that all kinds have."))
    resolve: Resolve = Field(default=30.0, description="For pools.")


class Log(Model):
    """nginy's own log, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Events below this level are not written.")
    format: Literal["text", "json"] = Field(default="text", description="Lines for people, or JSON lines.")


class AccessLog(Model):
    """One record per session. A plain string is its output."""

    short: ClassVar[str] = "output"
    output: Annotated[str, Form("output")] = Field(default="off", description="`off`, `stdout` or a file.")
    format: Literal["json", "logfmt"] = Field(default="json", description="How a record is written.")


class Runtime(Model):
    """The process as a whole. Relative paths start at the directory that nginy was started in."""

    workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] | Literal["auto"] = Field(
        default="auto", description="Number of workers; `auto`: one per core, at most 64.")
    user: Text | None = Field(default=None, description="User that workers run as, once sockets are bound.")
    group: Text | None = Field(default=None, description="Group that workers run as; left out: the user's.")
    pid_file: Text | None = Field(default=None, description="File that holds the process id while it runs.")
    drain: Duration = Field(default=30.0, description=(
        "What sessions get to finish at a stop; after it they are cut."))
    log: Log = Log()
    access_log: AccessLog = AccessLog()
    buffers: Annotated[int, Form("size"), Field(ge=128 * 1024, le=2**40)] = Field(
        default=64 * 2**20, description="Memory per worker for bytes in flight, in buffers of 64 KiB.")
    sessions: Cap | None = Field(default=None, description=(
        "Live sessions per worker at most. Left out: what descriptors allow."))


class AdminHttp(Model):
    """Read-only HTTP: `/metrics`, `/healthz`, `/readyz`. A plain string is its address."""

    short: ClassVar[str] = "bind"
    bind: Annotated[str, Form("loopback")] = Field(default="127.0.0.1:9901", description=(
        "`ip:port`; a loopback address, as nothing here asks for a password."))


class Admin(Model):
    """How a running nginy is watched and steered."""

    socket: Annotated[str, Form("socket")] | None = Field(default=None, description=(
        "Path of the control socket (mode 0600), with or without `unix:`. Left out: chosen by nginy."))
    http: Annotated[AdminHttp | None, Form(off=True, on=True)] = Field(
        default=None, description="Metrics and health over HTTP: an address, a mapping, `on` or `off`.")


class Config(Model):
    """A whole configuration, with all defaults filled in."""

    version: Literal[1] = Field(default=1, description="Version of this format.")
    runtime: Runtime = Runtime()
    defaults: Defaults = Defaults()
    pools: dict[str, Pool] = Field(max_length=POOLS_MAX, description="Sets of backends, by name.")
    listeners: dict[str, Listener] = Field(
        min_length=1, max_length=LISTENERS_MAX, description="Entry points, by name.")
    admin: Admin = Admin()
