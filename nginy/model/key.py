"""What policies by key go by, and classes that are named."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from nginy.model.form import Form, Kinded, OneKind, Switch
from nginy.model.session import CID_MAX_BYTES, PREREAD_MAX_BYTES, SLICE_MAX_BYTES, BytesKey


class AnyKey(Kinded):
    """What the listener knows a client by: TCP its address, UDP `session.key`."""

    kind: Literal["session"] = "session"


class AddressKey(Kinded):
    """The client's address, whatever its port."""

    kind: Literal["source"] = "source"


class AddressPortKey(Kinded):
    """The client's address and port: every connection for itself."""

    kind: Literal["tuple"] = "tuple"


class DestinationKey(Kinded):
    """The address and port that the client asked."""

    kind: Literal["destination"] = "destination"


class ServerNameKey(Kinded):
    """The server name of the client's TLS hello, in lower case."""

    kind: Literal["sni"] = "sni"


class ListenerKey(Kinded):
    """The listener's name."""

    kind: Literal["listener"] = "listener"


class ConnectionIdKey(Kinded):
    """The destination connection id of a QUIC packet (UDP)."""

    kind: Literal["quic_cid"] = "quic_cid"
    length: int = Field(default=8, ge=0, le=CID_MAX_BYTES, description=(
        "Bytes of the connection ids that the servers issue: packets with a short header do not tell."))


class SliceKey(BytesKey):
    """A slice of a datagram's payload, or of the first bytes of a connection where the listener reads them first."""

    end_most: ClassVar[int] = PREREAD_MAX_BYTES
    end_why: ClassVar[str] = "nobody looks further"
    offset: int = Field(default=0, ge=0, le=PREREAD_MAX_BYTES - 1, description=(
        "Where the slice begins in the payload, in bytes."))


class ConstantKey(Kinded):
    """The same for everybody: one backend serves all, and the next one when it cannot."""

    kind: Literal["constant"] = "constant"
    value: Annotated[str, Form("text"), Field(min_length=1, max_length=SLICE_MAX_BYTES, pattern=r"^[ -~]*$")] = Field(
        default="nginy", description="A text of ASCII characters: other texts lead to other backends.")


Name: TypeAlias = Annotated[str, Form("token"), Field(max_length=SLICE_MAX_BYTES)]


class RequestKey(Kinded):
    """What a request of HTTP says, as it came: nothing of it is decoded."""


class HeaderKey(RequestKey):
    """A header of a request: the value of the first one of this name (HTTP)."""

    kind: Literal["header"] = "header"
    name: Name = Field(description="Its name, in any case.")


class CookieKey(RequestKey):
    """A cookie of a request: the value of the first one of this name (HTTP)."""

    kind: Literal["cookie"] = "cookie"
    name: Name = Field(description="Its name, case and all.")


class PathKey(RequestKey):
    """The path of a request, before a route changes it, or its beginning (HTTP)."""

    kind: Literal["path"] = "path"
    segments: Annotated[int, Field(ge=1, le=255)] | None = Field(default=None, description=(
        "So many segments of it alone: 1 of `/a/b/c` is `/a`; HAProxy calls it `depth`. Left out: all of it."))
    query: Switch = Field(default=False, description="`on`: and the query, as nginx has `$request_uri`.")

    @field_validator("query")
    @classmethod
    def _query_follows_the_whole_path(cls, query: bool, info: ValidationInfo) -> bool:
        if query and info.data.get("segments") is not None:
            raise ValueError("a query follows the whole path: leave out `segments`, or this")
        return query


class QueryKey(RequestKey):
    """An argument in the query of a request: the value of the first one of this name (HTTP)."""

    kind: Literal["query"] = "query"
    name: Annotated[str, Form("argument"), Field(max_length=SLICE_MAX_BYTES)] = Field(description=(
        "Its name, as it stands in the query."))


class HostKey(RequestKey):
    """The host of a request, in lower case, without its port and a dot at its end (HTTP)."""

    kind: Literal["host"] = "host"


Called: TypeAlias = Annotated[str, Form("call"), Field(max_length=255)]
Patience: TypeAlias = Annotated[float, Form("duration"), Field(ge=0.001, le=1.0)]


class CallKey(Kinded):
    """What a class of yours says, in a process of its own; see docs/policies-python.md."""

    kind: Literal["call"] = "call"
    call: Called = Field(description=(
        "The class, as `package.module:Class`; looked for in the folder of the configuration file first."))
    args: dict[str, Any] = Field(default={}, description=(
        "What the class is made with: keyword arguments, of texts, numbers, booleans, lists and mappings."))
    deadline: Patience = Field(default=0.005, description=(
        "How long a session or flow waits for its key; then it goes by `session`."))


Key: TypeAlias = Annotated[
    AnyKey | AddressKey | AddressPortKey | DestinationKey | ServerNameKey | ListenerKey | ConnectionIdKey | SliceKey
    | ConstantKey | CallKey | HeaderKey | CookieKey | PathKey | QueryKey | HostKey, OneKind()]
