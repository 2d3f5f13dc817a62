"""What a table policy has published, as its process says it: nothing of it is believed before it was looked at."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nginy.balancer.publisher import KEYS_MAX, WEIGHT_MAX


@dataclass(frozen=True, slots=True)
class Table:
    """One of the two. weights: by backend id.   keys: to backend ids."""

    weights: Mapping[int, int] | None = None
    keys: Mapping[str | bytes, int] | None = None


def table_of(message: Mapping[str, Any]) -> Table:
    """Errors: LookupError, TypeError, ValueError for what no policy process of ours sends."""
    if message["kind"] == "weights":
        weights = {int(id): int(weight) for id, weight in message["weights"]}
        if not any(weights.values()) or not all(0 <= weight <= WEIGHT_MAX for weight in weights.values()):
            raise ValueError("no weights")
        return Table(weights=weights)
    keys: dict[str | bytes, int] = {str(key): int(id) for key, id in message["texts"]}
    keys |= {b64decode(key, validate=True): int(id) for key, id in message["bytes"]}
    if len(keys) > KEYS_MAX:
        raise ValueError("too many keys")
    return Table(keys=keys)
