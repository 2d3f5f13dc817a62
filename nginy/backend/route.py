"""`nginy route`: which pool and backend a client would get, and why; how clients are shared, and what moves."""

import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from typing import Any

from nginy._fast.choices import Visit
from nginy.backend.address import join_address, split_address
from nginy.backend.choice import Choice, Client
from nginy.backend.trial import Trial
from nginy.errors import ControlError

COUNT_MAX = 10_000
SHARED_CLIENTS = 20_000
"""How many made-up clients a distribution is drawn from."""
DRAWN_BYTES = 64
ADDRESS_KEY = 17  # 16 bytes and the family


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, as the command line and the control socket put it. Addresses: `ip` or `ip:port`.

    received: first bytes, or the payload of a datagram.   count: so many choices in a row.   distribution: how made-up
    clients would be shared; without: and what would move if this backend were removed.   seed: of what is made up.
    """

    listener: str
    source: str = ""
    destination: str = ""
    sni: str = ""
    received: bytes = b""
    count: int = 1
    distribution: bool = False
    without: str = ""
    seed: int = 1

    @classmethod
    def read(cls, *, bytes: str = "", **others: Any) -> "Ask":
        """bytes: `received` in hexadecimal. Errors: ControlError for what is none; TypeError for an unknown name."""
        try:
            return cls(received=b"".fromhex(bytes), **others)
        except ValueError:
            raise ControlError(f"bytes {bytes!r} are no hexadecimal digits, two for each byte") from None


Asked = Callable[[Client], str | None]
"""A class, asked about a client: the address that it names, None for what it leaves open. Errors: what it raises."""
UNASKED = "user code runs in the policy process alone"


def route(trial: Trial, ask: Ask, asked: Mapping[str, Asked] | None = None, why: str = UNASKED) -> dict[str, Any]:
    """The answer as JSON values. asked: classes by pool; why: none of the others is.

    Errors: ControlError for what does not exist or makes no sense.
    """
    if ask.listener not in trial.config.listeners:
        known = ", ".join(sorted(trial.config.listeners))
        raise ControlError(f"there is no listener {ask.listener!r}; there are: {known}")
    if not 0 < ask.count <= COUNT_MAX:
        raise ControlError(f"count {ask.count} is not in 1..{COUNT_MAX}")
    client = client_of(ask)
    pool = trial.pool_of(ask.listener, client)
    if pool is None:
        nobody: dict[str, Any] = {"pool": "", "policy": "", "address": None, "reason": "no_route", "passed": []}
        nothing = dict.fromkeys(("pool", "policy", "key", "key_hash", "place"), "")
        return {"listener": ask.listener, **nothing, "choices": [nobody]}
    return {"listener": ask.listener} | choose_in(trial, ask, pool, client, asked, why)


def choose_in(
    trial: Trial, ask: Ask, pool: str, client: Client, asked: Mapping[str, Asked] | None = None, why: str = UNASKED
) -> dict[str, Any]:
    """What a pool has for a client of the listener; the rest is as with `route`."""
    visit = trial.visit(ask.listener, client)
    choices = [_choose(trial, pool, client, visit, asked or {}, why) for _ in range(ask.count)]
    first = choices[0]
    answer: dict[str, Any] = {
        "pool": pool,
        "policy": "group" if trial.config.pools[pool].of else first.policy,
        "key": key_text(first.key),
        "key_hash": f"{first.key_hash:016x}" if first.key_hash else "",
        "place": first.place,
        "choices": [_written(choice) for choice in choices],
    }
    called = trial.config.pools[first.pool].called
    if called is not None and called.kind != "table":
        answer["asked_first"] = called.call
        answer["unasked"] = first.unasked
    if ask.distribution or ask.without:
        answer |= _distribution(trial, ask, pool)
    return answer


def _choose(
    trial: Trial, pool: str, client: Client, visit: Visit, asked: Mapping[str, Asked], why: str
) -> Choice:
    """One choice. A class that can be asked comes first, its fallback where it leaves the choice open."""
    choice = trial.explain(trial.choose(pool, visit), visit)
    called = trial.config.pools[choice.pool].called
    if called is None or called.kind == "table":
        return choice
    if choice.pool not in asked:
        return replace(choice, unasked=why)
    try:
        address = asked[choice.pool](client)
    except Exception as error:
        return replace(choice, unasked=f"it raised {type(error).__name__}: {error}")
    if address is None:
        return replace(choice, unasked="it named nobody that may be used")
    return Choice(choice.pool, called.kind, address)


def client_of(ask: Ask) -> Client:
    """Who asks. Errors: ControlError for an address that is none."""
    ip, port = _address(ask.source, "source")
    local_ip, local_port = _address(ask.destination, "destination")
    return Client(ip, port, local_ip, local_port, ask.sni, ask.received)


def _address(text: str, what: str) -> tuple[Any, int]:
    if not text:
        return None, 0
    try:
        return ip_address(text.strip("[]")), 0
    except ValueError:
        pass
    try:
        place = split_address(text)
        return ip_address(place.host), place.port
    except ValueError:
        raise ControlError(f"{what} {text!r} is no address: write ip, ip:port, v6 or [v6]:port") from None


def key_text(key: bytes) -> str:
    """A key for a person: an address as one, text as text, all else in hexadecimal; empty when there is none."""
    if len(key) in (ADDRESS_KEY, ADDRESS_KEY + 2) and key[16] in (0, 4, 6):
        ip = {0: "no address", 4: str(ip_address(key[:4])), 6: str(ip_address(key[:16]))}[key[16]]
        return join_address(ip, int.from_bytes(key[17:], sys.byteorder)) if key[17:] else ip
    text = key.decode("ascii", "replace")
    return f"{key.hex()} ({text})" if text.isprintable() and "\ufffd" not in text and key else key.hex()


def _written(choice: Choice) -> dict[str, Any]:
    return {
        "pool": choice.pool,
        "policy": choice.policy,
        "address": choice.address,
        "reason": choice.reason,
        "passed": [{"address": one.address, "why": one.why} for one in choice.passed],
    }


def _distribution(trial: Trial, ask: Ask, pool: str) -> Mapping[str, Any]:
    addresses = trial.addresses(pool)
    if ask.without and ask.without not in addresses:
        raise ControlError(f"there is no backend {ask.without} in pool {pool}; there are: {', '.join(addresses)}")
    draw = random.Random(ask.seed)
    visits = [trial.visit(ask.listener, _stranger(draw, number)) for number in range(SHARED_CLIENTS)]
    chosen = trial.again().shares(pool, visits)  # turns begin anew on both sides, so that only what moves differs
    counts = Counter(chosen)
    answer: dict[str, Any] = {
        "clients": SHARED_CLIENTS,
        "shares": {address: counts[address] for address in addresses},
        "nobody": counts[None],
    }
    if ask.without:
        later = trial.again(pool, ask.without).shares(pool, visits)
        stayed = [(was, now) for was, now in zip(chosen, later, strict=True) if was != ask.without]
        answer["without"] = ask.without
        answer["moved"] = sum(was != now for was, now in stayed)
        answer["had_to_move"] = len(chosen) - len(stayed)
    return answer


def _stranger(draw: random.Random, number: int) -> Client:
    """A client of whom everything differs that a key may be made of."""
    return Client(
        ip=IPv4Address(draw.getrandbits(32)),
        port=draw.randrange(1024, 65536),
        name=f"name-{number}.example.org",
        received=draw.randbytes(DRAWN_BYTES),
    )
