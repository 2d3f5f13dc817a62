"""What a table policy has published, as its process says it: nothing of it is believed before it was looked at."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nginy.balancer.packed import Packed
from nginy.balancer.publisher import KEYS_MAX, WEIGHT_MAX

FORMS = ("ring", "maglev")


@dataclass(frozen=True, slots=True)
class Table:
    """One of the three. weights: by backend id.   keys: to backend ids.   packed: a ring or a table of ids."""

    weights: Mapping[int, int] | None = None
    keys: Mapping[str | bytes, int] | None = None
    packed: Packed | None = None


def table_of(message: Mapping[str, Any]) -> Table:
    """Errors: LookupError, TypeError, ValueError for what no policy process of ours sends."""
    if message["kind"] == "weights":
        weights = {int(id): int(weight) for id, weight in message["weights"]}
        if not any(weights.values()) or not all(0 <= weight <= WEIGHT_MAX for weight in weights.values()):
            raise ValueError("no weights")
        return Table(weights=weights)
    if message["kind"] == "table":
        return Table(packed=_packed(message))
    keys: dict[str | bytes, int] = {str(key): int(id) for key, id in message["texts"]}
    keys |= {b64decode(key, validate=True): int(id) for key, id in message["bytes"]}
    if len(keys) > KEYS_MAX:
        raise ValueError("too many keys")
    return Table(keys=keys)


def _packed(message: Mapping[str, Any]) -> Packed:
    """What its points and slots are is looked at when the table is built."""
    form, compat = message["form"], message["compat"]
    if form not in FORMS or not (compat is None or isinstance(compat, str)):
        raise ValueError("no table")
    hashes, nodes = (b64decode(message[name], validate=True) for name in ("hashes", "nodes"))
    return Packed(form, tuple(int(id) for id in message["ids"]), hashes, nodes, compat)
