"""Active checks: how it is found out whether a backend is up."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from nginy.model.form import Form, Kinded, Listed, Model, OneKind, Threshold


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
    """What the answer to an HTTP request must look like to pass."""

    status: Annotated[tuple[Annotated[str, Form("status")], ...], Form(one_or_many=True), Listed] = Field(
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


class Payload(Model):
    """Bytes of a datagram. A plain string is its text."""

    short: ClassVar[str] = "text"
    text: Annotated[str, Form("payload"), Field(max_length=4096)] | None = Field(default=None, description=(
        "As text, sent as UTF-8; between double quotes, `\\n` and `\\x00` are read as in C."))
    hex: Annotated[str, Form("hex"), Field(max_length=8192)] | None = Field(
        default=None, description="In hexadecimal, such as `00ff`.")

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if (self.text is None) is (self.hex is None):
            raise ValueError("give `text` or `hex`, one of the two")
        return self

    @property
    def octets(self) -> bytes:
        """The bytes themselves."""
        return bytes.fromhex(self.hex) if self.hex is not None else (self.text or "").encode()


DnsType: TypeAlias = Literal["A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "TXT"]
DnsCode: TypeAlias = Literal["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]


class DnsHealth(HealthCheck):
    """A check passes when a DNS query over UDP gets an answer with an expected response code."""

    kind: Literal["dns"] = "dns"
    name: Annotated[str, Form("dns_name")] = Field(default=".", max_length=253, description=(
        "Name that is asked for: best one that the servers are sure to know. `.` is the root."))
    type: DnsType = Field(default="A", description="Type of the records that are asked for.")
    rcode: Annotated[tuple[DnsCode, ...], Form(one_or_many=True), Listed] = Field(
        default=("NOERROR",), min_length=1, strict=False, description="Response codes that pass: one or a list.")


class UdpExpect(Model):
    """What the answer to a datagram must look like to pass; all that is given must hold."""

    prefix: Payload | None = Field(default=None, description="It begins with this: a text, or `{hex: …}`.")
    contains: Payload | None = Field(default=None, description="This is somewhere in it: a text, or `{hex: …}`.")
    hex: Annotated[str, Form("hex"), Field(max_length=8192)] | None = Field(
        default=None, description="It is exactly this, in hexadecimal.")

    def accepts(self, answer: bytes) -> bool:
        """Whether this payload passes."""
        return (
            (self.prefix is None or answer.startswith(self.prefix.octets))
            and (self.contains is None or self.contains.octets in answer)
            and (self.hex is None or answer == bytes.fromhex(self.hex))
        )


class UdpHealth(HealthCheck):
    """A check passes when a datagram is answered as expected; or, when none is given, is not refused."""

    kind: Literal["udp"] = "udp"
    send: Payload | None = Field(default=None, description=(
        "Payload: a text, or `{hex: …}`. Left out: an empty datagram, and without `expect` only a refusal (ICMP) "
        "fails."))
    expect: UdpExpect | None = Field(default=None, description="Left out: any answer passes.")

    @property
    def needs_answer(self) -> bool:
        """Whether silence is a failure."""
        return self.send is not None or self.expect is not None


Health: TypeAlias = Annotated[TcpHealth | HttpHealth | DnsHealth | UdpHealth, OneKind()]
