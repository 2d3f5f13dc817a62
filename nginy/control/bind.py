"""What TCP and UDP binds have in common: names to addresses, a look at who is there, and what a refusal means."""

import errno
import socket
from collections.abc import Collection
from pathlib import Path

from nginy.control.holder import port_holder, port_inodes, unix_holder
from nginy.control.plan import BindWish

Address = tuple[str, int]
"""As bind(2) takes it; of IPv6 it has four parts."""


def type_of(wish: BindWish) -> socket.SocketKind:
    return socket.SOCK_DGRAM if wish.kind == "udp" else socket.SOCK_STREAM


def resolve(wish: BindWish) -> tuple[int, Address]:
    """Family and address. Errors: OSError for a host that this machine cannot bind."""
    try:
        found = socket.getaddrinfo(wish.target, wish.port, type=type_of(wish), flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, f"{wish.target}: {error.strerror}") from error
    family, _, _, _, address = found[0]
    return family, address  # type: ignore[return-value]


def probe(wish: BindWish, family: int, address: Address, own_inodes: Collection[int]) -> None:
    """Bind once without SO_REUSEPORT: with it, another nginy of this user would share the port unnoticed.

    Errors: OSError, EADDRINUSE for a socket in the way that is not among own_inodes.
    """
    with socket.socket(family, type_of(wish)) as sock:
        if wish.kind == "tcp":
            # for UDP it would let others bind the very same address
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            in_the_way = {inode for inode, _ in port_inodes(wish.kind, family, address[0], address[1])}
            # from a wildcard to one address and back: only sockets that this reload replaces
            if not in_the_way or not in_the_way <= set(own_inodes):
                raise


def explain(wish: BindWish, error: OSError) -> str:
    """Why an address could not be bound, and what to do about it."""
    where = f"{wish.where} (udp)" if wish.kind == "udp" else wish.where
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken by {_taken_by(wish)}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no right to bind {where}: {_right(wish)}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot bind {where}: this machine has no such address ({error.strerror})"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"cannot bind {where}: out of descriptors; raise the limit (ulimit -n, LimitNOFILE=)"
    return f"cannot bind {where}: {error.strerror or error}"


def _right(wish: BindWish) -> str:
    if wish.kind == "unix":
        return f"the folder {Path(wish.target).parent} is not writable for this user"
    if wish.port < 1024:
        return (
            f"port {wish.port} is privileged; start as root (runtime.user drops the right again), "
            "give CAP_NET_BIND_SERVICE, or use a port from 1024 up"
        )
    return "refused by the system's policy"


def _taken_by(wish: BindWish) -> str:
    if wish.kind == "unix":
        holder = unix_holder(wish.target)
    else:
        family, address = resolve(wish)
        holder = port_holder(wish.kind, family, address[0], wish.port)
    return str(holder) if holder is not None else "another process (it cannot be seen from here)"
