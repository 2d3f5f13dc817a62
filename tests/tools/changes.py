"""Configurations that keep changing: each turn has other weights, another backend, pool and listener than
the last."""

from typing import Any

from tests.tools.configs import tcp_config


def changing_config(turn: int, addresses: list[str], extra_address: str, **options: Any) -> dict[str, Any]:
    """The tree of one turn. Three backends stay, one comes or goes; a pool and a listener come and go."""
    backends: list[Any] = [
        {"address": address, "weight": 1 + (turn + nth) % 5} for nth, address in enumerate(addresses)
    ]
    if turn % 2:
        backends.append(extra_address)
    config = tcp_config(backends, **options)
    config["pools"][f"pool-{turn}"] = {"backends": [addresses[turn % len(addresses)]], "policy": "least_conn"}
    config["listeners"][f"listener-{turn}"] = {
        "bind": "127.0.0.1:0",
        "protocol": "tcp",
        "pool": f"pool-{turn}",
    }
    return config
