"""The sockets of UDP listeners: one per worker slot, their queues, and what the kernel tells with each datagram."""

import secrets
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from nginy.control import steer
from nginy.control.plan import BindWish
from nginy.errors import StartError
from nginy.model import Config

SENDING_BYTES = 2**20
"""Answers leave in batches; less than this and a batch of long ones does not fit."""
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE, _SO_RXQ_OVFL = 32, 33, 40
_IP_PKTINFO, _IP_TRANSPARENT = 8, 19
_UDP_GRO = 104
_RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


def open_datagrams(wish: BindWish, slots: int, family: int, address: tuple[str, int]) -> list[socket.socket]:
    """Bound sockets in the order of their slots; the caller owns them.

    A port of 0 is picked by the kernel, once for all.
    Errors: OSError; nothing stays open then.
    """
    socks: list[socket.socket] = []
    try:
        for _ in range(slots):
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            socks.append(sock)
            _set_fixed(sock, wish)
            set_options(sock, wish)
            if slots > 1:
                # until the group is complete a datagram could meet the wrong worker, and its flow would stay there
                steer.shut(sock)
            _bind(sock, address)
            address = sock.getsockname()
        if slots > 1:
            steer_group(socks, wish)
            for sock in socks:
                steer.let_in(sock)
    except BaseException:
        for sock in socks:
            sock.close()
        raise
    return socks


def _bind(sock: socket.socket, address: tuple[str, int]) -> None:
    if address[1]:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        return
    # with the option set, the kernel could pick a port that another group of this user shares
    sock.bind(address)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def tune_datagrams(socks: Sequence[socket.socket], wish: BindWish, before: BindWish) -> None:
    """Bring changed options into force on the living sockets of a group, given in slot order. Errors: OSError."""
    for sock in socks:
        set_options(sock, wish, before)
    if len(socks) > 1 and _key_of(wish) != _key_of(before):
        steer_group(socks, wish)


def steer_group(socks: Sequence[socket.socket], wish: BindWish) -> None:
    """From now on each flow of this group has one socket. Errors: OSError."""
    seed = secrets.randbits(32)
    steer.steer(socks[0], steer.steer_program(*_key_of(wish), len(socks), seed))


def _key_of(wish: BindWish) -> tuple[str, int, int]:
    return wish.steer_by, wish.steer_offset, wish.steer_bytes


def _set_fixed(sock: socket.socket, wish: BindWish) -> None:
    """What no reload changes."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if wish.is_wildcard and sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    elif wish.is_wildcard:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2 < SENDING_BYTES:
        _size_queue(sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF, SENDING_BYTES)


def set_options(sock: socket.socket, wish: BindWish, before: BindWish | None = None) -> None:
    """before: what is set already, None for a fresh socket. Errors: OSError."""
    if before is None or wish.rcvbuf != before.rcvbuf:
        _size_queue(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF, wish.rcvbuf)
    if wish.is_gro != (before is not None and before.is_gro):
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, wish.is_gro)


def _size_queue(sock: socket.socket, forced: int, plain: int, n_bytes: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, n_bytes)
    except PermissionError:
        # without CAP_NET_ADMIN: net.core.rmem_max, wmem_max at most, and no error
        sock.setsockopt(socket.SOL_SOCKET, plain, n_bytes)


def receive_bytes(sock: socket.socket) -> int:
    """How much the receive queue of a socket may hold; 0 once it is closed."""
    if sock.fileno() < 0:
        return 0
    # the kernel doubles what it is asked for, to make room for its own bookkeeping
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def short_queues(queues: Iterable[tuple[BindWish, socket.socket]]) -> list[str]:
    """Which listeners got less than their udp.rcvbuf, one text each that says how to mend it."""
    found: dict[str, str] = {}
    for wish, sock in queues:
        given = receive_bytes(sock)
        if given < wish.rcvbuf:
            found[wish.listener] = (
                f"listeners.{wish.listener}.udp.rcvbuf: {wish.rcvbuf} bytes are asked for, the system gives {given}: "
                f"raise net.core.rmem_max (now {_rmem_max()}) to {wish.rcvbuf}, start with CAP_NET_ADMIN, "
                "or ask for less"
            )
    return list(found.values())


def _rmem_max() -> str:
    try:
        return _RMEM_MAX.read_text().strip()
    except OSError:
        return "unknown"


def check_transparent(config: Config, *, drops_root: bool = False) -> None:
    """May workers send from the addresses of clients, if a pool asks for it?

    drops_root: workers become another user.   Errors: StartError with the key and the remedy.
    """
    name = next((name for name, pool in config.pools.items() if pool.udp.transparent), None)
    if name is None:
        return
    if drops_root:
        raise StartError(
            f"pools.{name}.udp.transparent: workers lose CAP_NET_ADMIN when they become another user; "
            "remove runtime.user and runtime.group, or turn it off"
        )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        except PermissionError as error:
            raise StartError(
                f"pools.{name}.udp.transparent: needs CAP_NET_ADMIN; start as root, give the right, or turn it off"
            ) from error
