"""What a listener does with a client: which pool serves it, by what it asks for; and answers of nginy's own."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, PrivateAttr

from nginy.model.filter import FILTERS_MAX, Filters
from nginy.model.form import Form, Listed, Model, Switch
from nginy.model.roles import parts_at

ROUTES_MAX = 65536
BODY_MAX_BYTES = 1 << 20
LISTED_MAX = 64

Path: TypeAlias = Annotated[str, Form("site_path")]


class Share(Model):
    """One pool among several. A plain string is its name."""

    short: ClassVar[str] = "pool"
    pool: Annotated[str, Form("pool")] = Field(description="Its name.")
    weight: int = Field(default=1, ge=0, le=65535, description="Share of requests; 0 gets none.")


class Respond(Model):
    """An answer that nginy gives itself."""

    status: int = Field(default=200, ge=200, le=599, description="Its status.")
    headers: Annotated[tuple[Annotated[str, Form("header_line")], ...], Form(one_or_many=True), Listed] = Field(
        default=(), max_length=LISTED_MAX, strict=False, description=(
            "One or a list of `Name: value`, 16 KiB at most. Length and connection are nginy's own business."))
    body: Annotated[str, Form("payload"), Field(max_length=BODY_MAX_BYTES)] | None = Field(
        default=None, description="A text, sent as UTF-8.")
    file: Annotated[str, Form("file")] | None = Field(default=None, description=(
        "In place of `body`: a file of 1 MiB at most, relative to the file of the configuration. It is read when the "
        "configuration is, and again at each reload."))
    _content: bytes | None = PrivateAttr(default=None)

    @property
    def content(self) -> bytes:
        """The body: of the text, or of the file as it was when the configuration was read."""
        return self._content if self._content is not None else (self.body or "").encode()


class Redirect(Model):
    """An answer that sends the client elsewhere. A plain string is its location."""

    short: ClassVar[str] = "location"
    location: Annotated[str, Form("location")] | None = Field(default=None, description=(
        "A URL, or a path, as it goes to the client. Left out: the client's own URL, but for the keys below."))
    status: Literal[301, 302, 303, 307, 308] = Field(default=302, description=(
        "301 and 308 are kept by clients for good; 307 and 308 keep the method."))
    scheme: Literal["http", "https"] | None = Field(default=None, description=(
        "In place of the client's own; its port goes with it."))
    host: Annotated[str, Form("authority")] | None = Field(default=None, description=(
        "In place of the client's own host and port."))
    path: Annotated[str, Form("site_exact")] | None = Field(default=None, description=(
        "In place of the client's own path; its query stays. To change a part of it: `strip`, `add`, `rewrite`."))


class Route(Model):
    """Who serves what. Which of several fits is the same in any order, but for routes at one place and for patterns."""

    one_of: ClassVar[tuple[str, ...]] = parts_at("handler", "route")

    sni: Annotated[tuple[Annotated[str, Form("server_name")], ...], Form(one_or_many=True), Listed] | None = Field(
        default=None, min_length=1, max_length=ROUTES_MAX, strict=False, description=(
            "TCP: one or a list of names as the TLS hello has them: `app.example.org`, or `*.example.org` for all "
            "below it. A full name comes before an asterisk, and a longer one with an asterisk before a shorter one. "
            "Left out: all that no other route is for, and what is no TLS."))
    host: Annotated[tuple[Annotated[str, Form("site_host")], ...], Form(one_or_many=True), Listed] | None = Field(
        default=None, min_length=1, max_length=ROUTES_MAX, strict=False, description=(
            "HTTP: one or a list of hosts, `app.example.org`, or `*.example.org` for all below it, compared without "
            "case, port and a dot at the end. The host decides first, as with `sni`: a request for a host that some "
            "route names is served by the routes that name it, and by no others. Left out: every other host."))
    path: Path | None = Field(default=None, description=(
        "HTTP: a path and all below it: `/task` is for `/task`, `/task/` and `/task/1`, never for `/tasks`. The "
        "longest one wins. Left out: `/`, every path."))
    exact: Annotated[str, Form("site_exact")] | None = Field(default=None, description=(
        "HTTP, in place of `path`: this path alone. It comes before patterns and before `path`."))
    pattern: Annotated[str, Form("site_pattern")] | None = Field(default=None, description=(
        "HTTP, in place of `path`: a regular expression for the whole path, without `^` and `$`. It has `.`, `[a-z]`, "
        "`\\d`, `\\w`, groups, alternatives, `*`, `+`, `?` and `{2,5}`, and nothing that looks back or ahead. Patterns "
        "are tried in the order written, before `path`; 64 of a host at most."))
    method: Annotated[tuple[Annotated[str, Form("method")], ...], Form(one_or_many=True), Listed] | None = Field(
        default=None, min_length=1, max_length=LISTED_MAX, strict=False, description=(
            "HTTP: one or a list of methods. GET stands for HEAD too."))
    header: Annotated[tuple[Annotated[str, Form("header_match")], ...], Form(one_or_many=True), Listed] | None = Field(
        default=None, min_length=1, max_length=8, strict=False, description=(
            "HTTP: one or a list: `Name` has to be there, `Name: value` has to be one of its lines."))
    query: Annotated[tuple[Annotated[str, Form("query_match")], ...], Form(one_or_many=True), Listed] | None = Field(
        default=None, min_length=1, max_length=7, strict=False, description=(
            "HTTP: one or a list: `name` has to be an argument, `name=value` one with this value, both decoded."))
    pool: Annotated[str, Form("pool")] | None = Field(default=None, description=(
        "Name of the pool that serves it. A route has this, or one of the next three."))
    pools: tuple[Share, ...] = Field(default=(), min_length=1, max_length=LISTED_MAX, strict=False, description=(
        "HTTP: several pools, each with a `weight`; each request goes to one of them by chance."))
    respond: Respond | None = Field(default=None, description="HTTP: an answer of nginy's own.")
    redirect: Redirect | None = Field(default=None, description="HTTP: an answer that sends the client elsewhere.")
    strip: Switch = Field(default=False, description=(
        "HTTP: `on` takes what `path` or `exact` says off the front of the path: `/task/1` becomes `/1`."))
    add: Path | None = Field(default=None, description=(
        "HTTP: put in front of the path, after `strip`: `/1` becomes `/v2/1`."))
    rewrite: Path | None = Field(default=None, description=(
        "HTTP: short for `strip: on` and this `add`."))
    filters: Filters = Field(default=(), max_length=FILTERS_MAX, strict=False, description=(
        "HTTP: changes of heads, in the order written; on the way to a backend after those of the listener, on the way "
        "back before them."))

    @property
    def to(self) -> tuple[str, ...]:
        """Names of the pools it may lead to."""
        return (self.pool,) if self.pool is not None else tuple(share.pool for share in self.pools)
