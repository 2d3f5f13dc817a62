"""Where clients come in: listeners, and what their sessions may take."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from nginy.model.filter import FILTERS_MAX, Filters
from nginy.model.form import Cap, Congestion, Duration, Form, Listed, Model, Pace, Rate, Size, Switch
from nginy.model.roles import parts_at
from nginy.model.route import ROUTES_MAX, Route
from nginy.model.session import PREREAD_MAX_BYTES, FrontUdp, Session
from nginy.model.tls import FrontTls

LISTENERS_MAX = 1024
DATAGRAM_BINDS_MAX = 1024
HEAD_MAX_BYTES = 16384
FIELDS_MAX = 128
PACE_MAX_S = 30 * 86400

KeepAlive: TypeAlias = Annotated[
    Annotated[float, Form("duration"), Field(ge=1, le=32400)] | None, Form(off=True)]
Deferral: TypeAlias = Annotated[
    Annotated[float, Form("duration"), Field(ge=1, le=3600)] | None, Form(off=True)]
Span: TypeAlias = Annotated[Annotated[float, Form("duration"), Field(ge=0.001, le=86400)] | None, Form(off=True)]
Queue: TypeAlias = Annotated[Annotated[int, Field(ge=1, le=65535)] | None, Form(off=True)]
Splice: TypeAlias = Literal["auto", "off"]


class Timeouts(Model):
    """How long a session may wait for something. UDP has `drain` only; its flows end by `session.idle`."""

    handshake: Duration = Field(default=10.0, description=(
        "TLS: for the whole handshake with a client; then it is reset."))
    connect: Duration = Field(default=3.0, description="To connect to a backend; then the next is tried.")
    idle: Duration = Field(default=900.0, description="Without a byte while both directions are open.")
    half_close: Annotated[Duration, Form("duration", default="as `idle`")] = Field(
        default=900.0, description=(
            "Without a byte in the remaining direction after one side has finished; any byte restarts it."))
    head: Duration = Field(default=10.0, description=(
        "HTTP: for the whole head of a request, from its first byte on; a client that says nothing has as long."))
    keep_alive: Duration = Field(default=75.0, description="HTTP: between two requests of a connection.")
    body: Duration = Field(default=60.0, description=(
        "HTTP: without a byte of a request's body that is waited for, until its response begins; the client gets 408."))
    response: Duration = Field(default=60.0, description=(
        "HTTP: without a byte of the response, or of the request being taken, once a backend has been found."))
    request: Span = Field(default=None, description=(
        "HTTP: for a request, from its whole head to the end of its response, all attempts included; then the client "
        "gets 504, or the response is cut when it has begun. Connections that have changed to another protocol go on. "
        "A time, or `off`."))
    drain: Duration | None = Field(default=None, description=(
        "What sessions get once their listener is removed or nginy drains. Left out: no deadline, or `runtime.drain`. "
        "UDP flows of a removed listener end at once."))

    @model_validator(mode="after")
    def _half_close_follows_idle(self) -> Self:
        if "half_close" not in self.model_fields_set:
            object.__setattr__(self, "half_close", self.idle)
        return self


class RequestRate(Model):
    """How many requests a client may make. Each worker gives it an equal share of this."""

    short: ClassVar[str] = "rate"
    rate: Annotated[Pace, Field(ge=1 / 86400, le=1_000_000)] = Field(description=(
        "On average: `50/s`, `90/m`, `1000/h` or `1000/d`."))
    burst: Annotated[
        Annotated[int, Field(ge=1, le=1_000_000)] | None, Form(default="as many as in a second")] = Field(
        default=None, description="How many may come at once after a while without any.")

    @property
    def at_once(self) -> int:
        """The burst, whoever decided on it."""
        return self.burst if self.burst is not None else max(1, int(self.rate))

    @model_validator(mode="after")
    def _burst_is_over_some_day(self) -> Self:
        if self.at_once / self.rate > PACE_MAX_S:
            raise ValueError(f"a burst of {self.at_once} takes more than 30 days to come again: write a smaller one")
        return self


class Limits(Model):
    """Caps of one listener. Those of flows and datagrams are UDP's: each worker gets an equal share, rounded up."""

    sessions: Cap | None = Field(default=None, description=(
        "Live sessions or flows at most, over all workers; further clients are reset, or their datagrams dropped. "
        "Left out: no cap."))
    retries: int = Field(default=2, ge=0, le=7, description=(
        "Further backends to try when a connection fails before any byte has reached a backend."))
    flows_per_source: Cap | None = Field(default=None, description=(
        "UDP: live flows of one client address; further ones are dropped and counted. Left out: no cap."))
    flow_rate_per_source: Rate | None = Field(default=None, description=(
        "UDP: new flows of one client address. Left out: no cap."))
    flow_rate: Rate | None = Field(default=None, description="UDP: new flows of all clients. Left out: no cap.")
    datagram_rate: Rate | None = Field(default=None, description="UDP: datagrams of all clients. Left out: no cap.")
    bandwidth: Annotated[Size, Field(ge=1, le=2**40)] | None = Field(default=None, description=(
        "UDP: payload of all clients per second. Left out: no cap."))
    head: Annotated[Size, Field(ge=64, le=HEAD_MAX_BYTES)] = Field(default=HEAD_MAX_BYTES, description=(
        "HTTP: of a request's head; a longer one gets 431."))
    fields: int = Field(default=FIELDS_MAX, ge=1, le=FIELDS_MAX, description=(
        "HTTP: header fields in a head; more get 431."))
    target: Annotated[Annotated[Size, Field(ge=1, le=HEAD_MAX_BYTES)] | None, Form(default="as `head`")] = Field(
        default=None, description="HTTP: of a request's target, its path and query; a longer one gets 414.")
    body: Annotated[Size, Field(ge=0, le=2**60)] | None = Field(default=None, description=(
        "HTTP: of a request's body, without what frames it; a larger one gets 413, at once where its length is told. "
        "Left out: no cap."))
    requests: Cap | None = Field(default=None, description=(
        "HTTP: requests of one connection; it ends after the response to the last one. Left out: no cap."))
    request_rate: RequestRate | None = Field(default=None, description=(
        "HTTP: of one client address, of IPv6 one /64; further requests get 429. Left out: no cap."))


class FrontTcp(Model):
    """TCP options of the connections from clients."""

    defer_accept: Deferral = Field(default=None, description=(
        "The kernel hands over a client when its first bytes are there, and without any after this time, in whole "
        "seconds; or `off`. A client that waits for the server to speak first is delayed by that time or more: "
        "1s -> 1.02s, 5s -> 7.2s measured."))
    quickack: Switch = Field(default=True, description=(
        "`on`: as the kernel does it. `off`: acknowledgements wait for the answer and travel with it."))
    fastopen: Queue = Field(default=None, description=(
        "TCP Fast Open: how many clients may wait whose bytes came with the SYN; or `off`. The network may deliver "
        "such bytes twice: only for requests that may be repeated. Needs `net.ipv4.tcp_fastopen` & 2."))
    congestion: Congestion | None = Field(default=None, description=(
        "Congestion control, such as `cubic` or `bbr`. Left out: the system's."))

    @field_validator("defer_accept")
    @classmethod
    def _deferral_is_whole(cls, seconds: float | None) -> float | None:
        if seconds is not None and seconds % 1:
            raise ValueError("the kernel counts whole seconds here: write 1s, 5s, 1m")
        return seconds


class Preread(Model):
    """What a client has to say before its backend is chosen. All of it is forwarded unchanged."""

    short: ClassVar[str] = "until"
    until: Annotated[int, Field(ge=1, le=PREREAD_MAX_BYTES)] | Literal["tls_hello"] = Field(description=(
        "`tls_hello`: the first message of TLS, for its server name; what is none goes on without one. A number: so "
        "many bytes; a client that has finished sending goes on with fewer."))
    timeout: Duration = Field(default=3.0, description="How long a client has for it; then it is reset.")


class Listener(Model):
    """An entry point: where clients connect, and the pool that serves them."""

    one_of: ClassVar[tuple[str, ...]] = (*parts_at("handler", "listener"), "routes")

    bind: Annotated[tuple[Annotated[str, Form("bind")], ...], Form(one_or_many=True), Listed] = Field(
        min_length=1, max_length=64, strict=False, description=(
            "One or a list: `ip:port`, `:port` (all IPv4), `[v6]:port`, `unix:/path`, `systemd:name`. UDP: IP "
            "addresses only, and ranges of ports such as `:5000-5100`; 1,024 ports at most."))
    protocol: Literal["tcp", "udp", "http"] = Field(default="tcp", description=(
        "What is spoken here. `http`: HTTP/1.1 and 1.0; each request gets a backend of its own."))
    pool: Annotated[str, Form("pool")] | None = Field(default=None, description=(
        "Name of the pool that serves it. A listener has either this or `routes`."))
    routes: tuple[Route, ...] = Field(default=(), min_length=1, max_length=ROUTES_MAX, strict=False, description=(
        "TCP: pools by the server name of the TLS hello; needs `preread: tls_hello`. A name without a route is reset, "
        "as is one whose pool has nobody usable: no other site serves it. HTTP: by host, path and more; a request "
        "without a route gets 404."))
    filters: Filters = Field(default=(), max_length=FILTERS_MAX, strict=False, description=(
        "HTTP: changes of the heads of all its requests and responses, in the order written."))
    preread: Annotated[Preread | None, Form(off=True)] = Field(default=None, description=(
        "TCP: wait for a client's first bytes before choosing a backend: `tls_hello`, a number of bytes, a mapping, or "
        "`off`."))
    tls: Annotated[FrontTls | None, Form(off=True)] = Field(default=None, description=(
        "TLS with clients: names of certificates, or a mapping; or `off`. Needs OpenSSL 3 on the machine (Debian: "
        "`libssl3`)."))
    half_close: Switch = Field(default=True, description=(
        "`on`: a side that has finished sending may go on reading. `off`: one end ends both."))
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    backlog: int = Field(default=4096, ge=1, le=65535, description=(
        "Connections that may wait to be accepted, per socket."))
    keepalive: KeepAlive = Field(default=60.0, description=(
        "Idle time before TCP keepalive probes, on both legs, in whole seconds; or `off`."))
    splice: Splice = Field(default="auto", description=(
        "`auto`: bulk between two TCP legs is moved inside the kernel, through pipes. `off`: all is copied."))
    tcp: FrontTcp = FrontTcp()
    session: Session = Session()
    udp: FrontUdp = FrontUdp()

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that sessions are sent to, each once; groups stand for themselves."""
        named = (self.pool,) if self.pool is not None else tuple(pool for route in self.routes for pool in route.to)
        return tuple(dict.fromkeys(named))

    @property
    def default_pool(self) -> str | None:
        """Who serves what no name decides on; None: nobody, or routes of HTTP say so."""
        if self.protocol == "http" and self.routes:
            return None
        rest = (route.pool for route in self.routes if route.sni is None)
        return self.pool if self.pool is not None else next(rest, None)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The binds one by one, ranges of ports written out."""
        return tuple(address for bind in self.bind for address in written_out(bind))


def written_out(bind: str) -> list[str]:
    """Each address of a canonical bind: one, or one for each port of its range."""
    host, _, ports = bind.rpartition(":")
    first, dash, last = ports.partition("-")
    if not dash or bind.startswith(("unix:", "systemd:")):
        return [bind]
    return [f"{host}:{port}" for port in range(int(first), int(last) + 1)]
