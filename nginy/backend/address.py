"""The written form of an address taken apart: `host:port`, `[v6]:port` or `unix:/path`."""

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

_UNIX = "unix:"


class Place(NamedTuple):
    """Where a backend is. Either host and port, or path (then host is empty and port 0)."""

    host: str
    port: int
    path: str = ""

    @property
    def is_name(self) -> bool:
        """Does it need a look-up?"""
        return not self.path and _is_name(self.host)


_ADDRESSES = 65536  # remembered: a reload asks for each of them several times


@lru_cache(maxsize=_ADDRESSES)
def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


@lru_cache(maxsize=_ADDRESSES)
def split_address(address: str) -> Place:
    """Take a canonical address apart. Errors: ValueError for one that is not canonical."""
    if address.startswith(_UNIX):
        path = address.removeprefix(_UNIX)
        if not path:
            raise ValueError("unix: needs a path")
        return Place("", 0, path)
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{address!r}: an IPv6 address with a port is written [address]:port")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not host:port, [v6]:port or unix:/path")
    return Place(host, int(port))


def join_address(ip: str, port: int) -> str:
    """The canonical address of a literal IP and a port."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
