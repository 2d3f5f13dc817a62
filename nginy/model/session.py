"""What only a UDP listener has: what a flow is, and the socket that datagrams arrive at."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from nginy.model.form import Cap, Duration, Form, Kinded, Listed, Model, OneKind, Size, Switch

FLOWS_MAX = 4_194_303
SLICE_MAX_BYTES = 32
DATAGRAM_MAX_BYTES = 65507  # what IPv4 allows
PREREAD_MAX_BYTES = 16384
CID_MAX_BYTES = 20  # RFC 9000, section 17.2
CID_SERVER_MAX_BYTES = 8
NETWORKS_MAX = 1024
CIDS_MAX = 65535

CidMap: TypeAlias = Annotated[dict[str, Annotated[str, Form("address")]], Form("ids")]
Networks: TypeAlias = Annotated[
    tuple[Annotated[str, Form("network")], ...], Form(one_or_many=True), Listed]


class TupleKey(Kinded):
    """A client is its address and port."""

    kind: Literal["tuple"] = "tuple"


class SourceKey(Kinded):
    """A client is its address, whatever its port: all its flows meet the same backend."""

    kind: Literal["source"] = "source"


class BytesKey(Kinded):
    """A client is a slice of the payload; a datagram that is too short for it goes by address and port."""

    kind: Literal["bytes"] = "bytes"
    end_most: ClassVar[int] = DATAGRAM_MAX_BYTES
    end_why: ClassVar[str] = "no datagram is longer"
    offset: int = Field(default=0, ge=0, le=DATAGRAM_MAX_BYTES - 1, description=(
        "Where the slice begins in the payload, in bytes."))
    length: int = Field(ge=1, le=SLICE_MAX_BYTES, description="Length of the slice in bytes.")

    @field_validator("length")
    @classmethod
    def _slice_can_be_there(cls, length: int, info: ValidationInfo) -> int:
        end = info.data.get("offset", 0) + length
        if end > cls.end_most:
            why = f"the slice ends at byte {end}, and {cls.end_why} than {cls.end_most} bytes"
            raise ValueError(f"{why}: write an offset of {cls.end_most - length} or less")
        return length


class CidServer(Model):
    """Where servers encode their own id in the connection ids that they issue."""

    offset: int = Field(default=0, ge=0, le=CID_MAX_BYTES - 1, description=(
        "Where the server's id begins in the connection id, in bytes."))
    length: int = Field(ge=1, le=CID_SERVER_MAX_BYTES, description="Length of the server's id in bytes.")
    map: CidMap = Field(min_length=1, max_length=CIDS_MAX, description=(
        "Which backend each id means: the id in hexadecimal, and the address as it is written in the pool; a host name "
        "means its first address."))

    @field_validator("map")
    @classmethod
    def _ids_have_the_length(cls, given: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        length = info.data.get("length", 0)
        wrong = next((id for id in given if length and len(id) != 2 * length), None)
        if wrong is not None:
            digits = f"the id {wrong!r} has {len(wrong)} hexadecimal digits"
            raise ValueError(f"{digits}; `length: {length}` means {2 * length}")
        return given


class QuicCidKey(Kinded):
    """A client is the destination connection id of its QUIC packets."""

    kind: Literal["quic_cid"] = "quic_cid"
    length: int = Field(default=8, ge=0, le=CID_MAX_BYTES, description=(
        "Bytes of the connection ids that the servers issue: packets with a short header do not tell. A client keeps "
        "its backend when its port changes under the same id, and when its address does: with several workers, which "
        "share clients by address, only with `server`."))
    server: CidServer | None = Field(default=None, description=(
        "Where servers encode their id, so that a client keeps its backend under a fresh id too. Left out: they do "
        "not."))

    @field_validator("server")
    @classmethod
    def _server_lies_within_the_id(cls, server: CidServer | None, info: ValidationInfo) -> CidServer | None:
        length = info.data.get("length")
        if server is not None and length is not None and server.offset + server.length > length:
            raise ValueError(
                f"`offset` and `length` end at byte {server.offset + server.length}, "
                f"but connection ids have {length} bytes")
        return server


SessionKey: TypeAlias = Annotated[
    TupleKey | SourceKey | BytesKey | QuicCidKey, OneKind()]


class Session(Model):
    """What a flow is: the datagrams of one client that go to one backend, and its answers."""

    key: SessionKey = Field(default=TupleKey(), description=(
        "What a client is known by: a kind, or a mapping with `kind`. A new client address always gets a flow of its "
        "own; the key decides on the backend."))
    idle: Duration = Field(default=60.0, description="A flow without a datagram in either direction ends after it.")
    max: int = Field(default=65536, ge=1, le=FLOWS_MAX, description=(
        "Live flows per worker at most. A full table ends the oldest flow that no backend has answered yet; when all "
        "have been answered, datagrams of new flows are dropped and counted."))
    requests: Cap | None = Field(default=None, description=(
        "Datagrams of a client after which the next one begins a new flow. Left out: no bound."))
    responses: Annotated[
        Annotated[int, Field(ge=0, le=2**31 - 2)] | None, Form(default="1 with `check: dns`")
    ] = Field(default=None, description=(
        "Answers of a backend to each datagram of a client. A flow ends when all of them are there and, if `requests` "
        "is given, so many datagrams have come. 0: none are expected. Left out: not known, and only `idle` ends a "
        "flow."))
    per_datagram: Annotated[Switch, Form(short_for="requests")] = Field(default=False, description=(
        "Short for `requests: 1`: a backend is chosen for every datagram."))
    check: Literal["none", "dns"] = Field(default="none", description=(
        "`dns`: an answer passes only with the id and the question of the request that waits for it; each request is "
        "a flow of its own (`requests: 1`)."))
    reuse: Switch = Field(default=False, description=(
        "`on`: the socket towards a backend serves further flows once all answers are there. Needs `requests: 1`, and "
        "`check: dns` or `responses: 0`, so that a late answer reaches no other client."))

    @model_validator(mode="after")
    def _per_datagram_is_one_request(self) -> Self:
        both = {"per_datagram", "requests"} <= self.model_fields_set
        if both and self.per_datagram != (self.requests == 1):
            raise ValueError("`per_datagram` and `requests` say different things: `per_datagram: on` is `requests: 1`")
        if self.per_datagram:
            object.__setattr__(self, "requests", 1)
        object.__setattr__(self, "per_datagram", self.requests == 1)
        return self

    @field_validator("check")
    @classmethod
    def _one_question_per_flow(cls, check: str, info: ValidationInfo) -> str:
        if check == "dns" and (info.data.get("requests") or 1) > 1:
            raise ValueError(
                "a flow remembers one question: `check: dns` goes with `requests: 1`, which is meant when left out")
        return check

    @field_validator("reuse")
    @classmethod
    def _reuse_is_safe(cls, reuse: bool, info: ValidationInfo) -> bool:
        told = info.data
        if not reuse or not {"requests", "responses", "per_datagram", "check"} <= told.keys():
            return reuse
        if told["requests"] != 1 and not told["per_datagram"]:
            raise ValueError(
                "a socket can serve another flow only once this one has ended: `reuse` needs `requests: 1`")
        if told["check"] != "dns" and told["responses"] != 0:
            raise ValueError(
                "a late answer could reach another client: `reuse` needs `check: dns`, which tells answers apart, "
                "or `responses: 0`, where none are passed on")
        return reuse

    @property
    def expected_responses(self) -> int | None:
        """Answers to each datagram of a client; None when that is not known. DNS has one unless told otherwise."""
        return 1 if self.responses is None and self.check == "dns" else self.responses


class TrustedSenders(Model):
    """Who may say where a datagram comes from."""

    model_config = ConfigDict(populate_by_name=True)
    senders: Networks = Field(
        validation_alias="from", min_length=1, max_length=NETWORKS_MAX, strict=False, description=(
            "One or a list of addresses and networks, such as `10.0.0.0/8`. A datagram from there may begin with a "
            "PROXY protocol v2 header; from elsewhere nothing is looked for."))


class FrontUdp(Model):
    """The sockets that datagrams of clients arrive at."""

    rcvbuf: Annotated[Size, Field(ge=4096, le=2**30)] = Field(default=4 * 2**20, description=(
        "Receive queue of each socket (SO_RCVBUF). Without CAP_NET_ADMIN the kernel gives `net.core.rmem_max` at most; "
        "the log tells when it gave less."))
    gro: Switch = Field(default=False, description=(
        "`on`: runs of equally long datagrams of one client may be received as one (UDP_GRO). Without effect where "
        "each datagram is looked at: `requests`, `responses: 0`, `check: dns`, a key of `bytes`, `proxy_protocol`."))
    proxy_protocol: Annotated[TrustedSenders | None, Form(off=True)] = Field(default=None, description=(
        "PROXY protocol v2 from other balancers: a mapping that says whose headers are believed, or `off`."))
