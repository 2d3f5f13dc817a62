"""Active checks: how it is found out whether a backend is up."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from nginy.model.form import Form, Kinded, Listed, Model, Named, Threshold


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


Health: TypeAlias = Annotated[TcpHealth | HttpHealth, Field(discriminator="kind"), Named]
