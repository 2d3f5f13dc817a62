"""Binds that clash: an address twice, or together with the wildcard of its family on the same port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nginy.config.read import Cited, Reader
from nginy.config.transport import protocols_of
from nginy.config.tree import Mapping
from nginy.model import AdminHttp, written_out

_WILDCARDS = frozenset(("0.0.0.0", "[::]"))


def check_clashes(reader: Reader) -> None:
    """Note each bind that another one stands in the way of. TCP and UDP have ports of their own."""
    protocols = protocols_of(reader.met)
    taken: dict[tuple[str, str, str], list[Cited]] = {}
    for cited in _binds(reader):
        protocol = protocols.get(cited.path[:2], "tcp")
        spots = [_host_and_port(address) for address in written_out(cited.value)]
        lists = [taken.setdefault((protocol, _family(host), port), []) for host, port in spots if port != "0"]
        # each one once, whatever number of ports two ranges share
        others = {other.path: other for there in lists for other in there}.values()
        clash = next((other for other in others if _is_clash(cited.value, other.value)), None)
        if clash is not None:
            trouble = "is bound twice" if clash.value == cited.value else f"overlaps with {clash.value}"
            message = f"{cited.value} {trouble}; the other one is at {clash.place}"
            reader.problems.add(cited.place, cited.path, message)
        for there in lists:
            there.append(cited)


def _is_clash(bind: str, other: str) -> bool:
    """Whether two binds that share a port and a family share an address too."""
    hosts = {_host_and_port(bind)[0], _host_and_port(other)[0]}
    return len(hosts) == 1 or bool(hosts & _WILDCARDS)


def _host_and_port(address: str) -> tuple[str, str]:
    if address.startswith(("unix:", "systemd:")):
        return address, ""
    host, _, port = address.rpartition(":")
    return host, port


def _family(host: str) -> str:
    """Addresses clash only within one of these: paths and names each for itself, IPv4, IPv6."""
    if host.startswith(("unix:", "systemd:")):
        return host
    return "v6" if host.startswith("[") else "v4"


def _binds(reader: Reader) -> Iterator[Cited]:
    for cited in reader.cited:
        if cited.kind in ("bind", "loopback"):
            yield cited
        elif cited.kind == "socket":
            yield replace(cited, value=f"unix:{cited.value}")
    for met in reader.met:
        if met.model is AdminHttp and isinstance(met.node, Mapping) and "bind" not in met.node.entries:
            yield Cited("loopback", AdminHttp().bind, met.node.place, met.path)
