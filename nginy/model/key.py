"""What policies by key go by, and classes that are named."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from nginy.model.form import Form, Kinded, OneKind
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
    | ConstantKey | CallKey, OneKind()]
