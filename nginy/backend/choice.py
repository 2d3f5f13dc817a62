"""What a trial is asked and answers: clients, choices, what a running nginy knows, ids where nobody has given any."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from nginy._fast.sites import Request
from nginy.backend.owntables import Kept
from nginy.backend.registry import BackendKey, Resolved
from nginy.model import Config

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. local: the address that was asked.   name: server name of a TLS hello.   received: first bytes, or the
    payload of a datagram.   session: what stands for the address where the policy names no key of its own.
    request: of HTTP."""

    ip: IPv4Address | IPv6Address | None = None
    port: int = 0
    local_ip: IPv4Address | IPv6Address | None = None
    local_port: int = 0
    name: str = ""
    received: bytes = b""
    session: bytes | None = None
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A candidate that stood before the chosen one. why: what a user would look at."""

    address: str
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """address: of the chosen backend, None when there is nobody; reason: why then.   pool: of the backend, which may be
    a member of the group that was asked.

    key: bytes that the policy went by, empty when the visit has none of that kind; key_hash: what they came to.
    place: the point on the ring or the slot of the table where the search began, and whose it is.
    unasked: why a class that is asked first was not, or what came of it; empty when its answer is this one.
    """

    pool: str
    policy: str
    address: str | None
    reason: str = ""
    key: bytes = b""
    key_hash: int = 0
    place: str = ""
    passed: tuple[Passed, ...] = ()
    unasked: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a running nginy knows besides.

    own: tables that programs have published.   since: when backends came up, and now_ms: monotonic milliseconds, for
    slow start.   loads_ms: that backends have told of, by pool and address.
    """

    own: Kept = field(default_factory=dict)
    since: Mapping[BackendKey, int] = field(default_factory=dict)
    now_ms: int = 1
    loads_ms: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class Numbers:
    """Ids in configured order, where nobody has given any."""

    pools: dict[str, int] = field(default_factory=dict)
    listeners: dict[str, int] = field(default_factory=dict)
    backends: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config, resolved: Resolved) -> "Numbers":
        """For everything there is."""
        names = [(one.pool, one.address) for some in resolved.values() for one in some]
        return cls(_numbered(config.pools), _numbered(config.listeners), _numbered(names))

    def listener(self, name: str) -> int:
        return self.listeners[name]

    def pool(self, name: str) -> int:
        return self.pools[name]

    def backend(self, pool: str, address: str) -> int:
        return self.backends[pool, address]


def _numbered(names: Iterable[Name]) -> dict[Name, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}
