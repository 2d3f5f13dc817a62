"""Listening sockets: bound by control, one per worker slot, never closed while somebody may queue on them."""

import errno
import os
import socket
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from nginy.backend.address import join_address
from nginy.control.bind import explain, probe, resolve
from nginy.control.datagrams import open_datagrams, tune_datagrams
from nginy.control.options import set_options, set_quickack
from nginy.control.plan import BindWish
from nginy.errors import StartError

STALE_CHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class Member:
    """One socket of a group. slot: the worker that serves it, or SHARED_SLOT. The group owns the socket."""

    slot: int
    sock: socket.socket


@dataclass(frozen=True, slots=True)
class Group:
    """All sockets of one bind address. address: the real one.

    node: (device, inode) of a unix socket's file.
    """

    wish: BindWish
    address: str
    members: tuple[Member, ...]
    node: tuple[int, int] | None = None

    def close(self) -> None:
        """Close control's copies. The file of a unix socket stays: workers may still serve it."""
        for member in self.members:
            member.sock.close()

    def unlink(self) -> None:
        """Remove the file of a unix socket, unless somebody else has put another in its place."""
        if self.node is not None and _node(self.wish.target) == self.node:
            with suppress(OSError):
                os.unlink(self.wish.target)

    def tune(self, wish: BindWish) -> None:
        """Bring changed options into force on the living sockets: those of UDP, or backlog and those of TCP.

        Errors: OSError.
        """
        if wish.kind == "udp":
            tune_datagrams([member.sock for member in self.members], wish, self.wish)
            return
        for member in self.members:
            if wish.backlog != self.wish.backlog and wish.kind != "systemd":
                member.sock.listen(wish.backlog)
            if member.sock.family != socket.AF_UNIX:
                set_options(member.sock, wish, self.wish)


def open_group(
    wish: BindWish,
    slots: int,
    shared_slot: int,
    inherited: Mapping[str, Sequence[int]],
    own_inodes: Collection[int] = (),
) -> Group:
    """Bind one address for `slots` workers.

    inherited: descriptors of socket activation by name.   own_inodes: sockets of ours that may overlap it.
    Errors: StartError that says why and, when the address is taken, by whom. Nothing stays open then.
    """
    try:
        if wish.kind == "tcp":
            return _open_tcp(wish, slots, own_inodes)
        if wish.kind == "udp":
            return _open_udp(wish, slots, own_inodes)
        if wish.kind == "unix":
            return _open_unix(wish, shared_slot)
        return _open_inherited(wish, shared_slot, inherited)
    except OSError as error:
        raise StartError(f"listener {wish.listener}: {explain(wish, error)}") from error


def _open_tcp(wish: BindWish, slots: int, own_inodes: Collection[int]) -> Group:
    family, address = resolve(wish)
    if wish.port:
        probe(wish, family, address, own_inodes)
    members: list[Member] = []
    try:
        for slot in range(slots):
            sock = _tcp_socket(family, wish)
            members.append(Member(slot, sock))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # the kernel never shares a port that it picks itself, so the first of a group needs no probe
            sock.bind(address)
            address = sock.getsockname()
        for member in members:
            member.sock.listen(wish.backlog)
            set_quickack(member.sock, wish.is_quickack)
    except BaseException:
        for member in members:
            member.sock.close()
        raise
    return Group(wish, join_address(address[0], address[1]), tuple(members))


def _open_udp(wish: BindWish, slots: int, own_inodes: Collection[int]) -> Group:
    family, address = resolve(wish)
    if wish.port:
        probe(wish, family, address, own_inodes)
    socks = open_datagrams(wish, slots, family, address)
    return Group(wish, real_address(socks[0]), tuple(Member(slot, sock) for slot, sock in enumerate(socks)))


def _tcp_socket(family: int, wish: BindWish) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # accepted sockets inherit these: set once here, not per session
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    set_options(sock, wish, _untouched(wish))
    return sock


def _untouched(wish: BindWish) -> BindWish:
    """The options of a socket that was just made."""
    return replace(wish, keepalive_s=0, defer_s=0, is_quickack=True, fastopen=0, congestion="")


def _open_unix(wish: BindWish, shared_slot: int) -> Group:
    path = wish.target
    _clear_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.bind(path)
        sock.listen(wish.backlog)
    except BaseException:
        sock.close()
        raise
    return Group(wish, f"unix:{path}", (Member(shared_slot, sock),), _node(path))


def _clear_stale(path: str) -> None:
    """Remove the file of a socket that nobody serves.

    Errors: OSError EADDRINUSE when somebody does, EEXIST for other files.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "the file exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(STALE_CHECK_S)
        try:
            sock.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except PermissionError:
            raise
        except OSError:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from None
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _open_inherited(wish: BindWish, shared_slot: int, inherited: Mapping[str, Sequence[int]]) -> Group:
    fds = inherited.get(wish.target, ())
    if not fds:
        names = ", ".join(sorted(inherited)) or "none"
        raise StartError(
            f"listener {wish.listener}: no socket named {wish.target!r} was passed (passed: {names}); "
            "name it with FileDescriptorName= in the .socket unit"
        )
    members: list[Member] = []
    try:
        for fd in fds:
            members.append(Member(shared_slot, socket.socket(fileno=os.dup(fd))))
        for member in members:
            _check_inherited(wish, member.sock)
    except BaseException:
        for member in members:
            member.sock.close()
        raise
    return Group(wish, ", ".join(real_address(member.sock) for member in members), tuple(members))


def _check_inherited(wish: BindWish, sock: socket.socket) -> None:
    is_stream = sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    if not is_stream or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise StartError(f"listener {wish.listener}: socket {wish.target!r} is not a listening stream socket")
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # all of them: an earlier nginy may have left others on this socket
        set_options(sock, wish)


def real_address(sock: socket.socket) -> str:
    """Where a bound socket really is."""
    name = sock.getsockname()
    return f"unix:{name}" if isinstance(name, str) else join_address(name[0], name[1])


def adopted_group(wish: BindWish, members: Sequence[Member]) -> Group:
    """A group made of sockets that living workers handed back."""
    node = _node(wish.target) if wish.kind == "unix" else None
    first = members[0].sock
    address = f"unix:{wish.target}" if wish.kind == "unix" else real_address(first)
    return Group(wish, address, tuple(members), node)


def inodes_of(groups: Collection[Group]) -> set[int]:
    """The kernel's numbers of all sockets of these groups."""
    return {os.fstat(member.sock.fileno()).st_ino for group in groups for member in group.members}


def _node(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
