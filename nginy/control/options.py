"""TCP options of listening sockets, which accepted ones inherit, and whether this kernel has what is asked for."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from nginy.control.plan import BindWish
from nginy.errors import StartError
from nginy.model import Config

_KERNEL = Path("/proc/sys/net/ipv4")
_NAME_BYTES = 16  # TCP_CA_NAME_MAX


def set_options(sock: socket.socket, wish: BindWish, before: BindWish | None = None) -> None:
    """Bring the options of a wish into force on a living or fresh TCP socket.

    before: what is set already, None when nobody knows.   Errors: OSError.
    """
    if before is None or wish.keepalive_s != before.keepalive_s:
        _set_keepalive(sock, wish.keepalive_s)
    if before is None or wish.defer_s != before.defer_s:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, wish.defer_s)
    if before is None or wish.is_quickack != before.is_quickack:
        set_quickack(sock, wish.is_quickack)
    if before is None or wish.fastopen != before.fastopen:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, wish.fastopen)
    if before is None or wish.congestion != before.congestion:
        name = wish.congestion or system_congestion()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())


def set_quickack(sock: socket.socket, is_on: bool) -> None:
    """listen(2) makes a socket forget this option, so for a fresh one this comes after it. Errors: OSError."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, is_on)


def _set_keepalive(sock: socket.socket, keepalive_s: int) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1 if keepalive_s else 0)
    if keepalive_s:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)


def congestion_of(sock: socket.socket) -> str:
    """The congestion control of a TCP socket."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, _NAME_BYTES).rstrip(b"\0").decode()


def system_congestion() -> str:
    """The congestion control of a socket that nobody has told anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        return congestion_of(sock)


def check_congestion(config: Config, *, drops_root: bool = False) -> None:
    """Has the kernel every congestion control that is asked for, and may we use it?

    drops_root: workers are not root, and they are the ones who connect to backends.
    Errors: StartError with the key, the name and what there is.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        for key, name, is_workers in _congestions(config):
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
            except OSError as error:
                raise StartError(f"{key}: {_explain(name, error.errno or 0)}") from error
            if is_workers and drops_root and name not in _listed("allowed"):
                raise StartError(f"{key}: {_explain(name, errno.EPERM)}")


def _congestions(config: Config) -> Iterator[tuple[str, str, bool]]:
    """Key, name, and whether workers have to set it."""
    for name, listener in config.listeners.items():
        if listener.tcp.congestion is not None:
            yield f"listeners.{name}.tcp.congestion", listener.tcp.congestion, False
    for name, pool in config.pools.items():
        if pool.tcp.congestion is not None:
            yield f"pools.{name}.tcp.congestion", pool.tcp.congestion, True


def idle_options(config: Config) -> list[str]:
    """What is asked for and has no effect here, because the system has it switched off."""
    try:
        switch = int((_KERNEL / "tcp_fastopen").read_text())
    except OSError:
        return []
    asked = [(f"listeners.{name}", 2) for name, listener in config.listeners.items() if listener.tcp.fastopen]
    asked += [(f"pools.{name}", 1) for name, pool in config.pools.items() if pool.tcp.fastopen]
    return [
        f"{path}.tcp.fastopen has no effect: net.ipv4.tcp_fastopen is {switch}, write {switch | bit} there"
        for path, bit in asked
        if not switch & bit
    ]


def _explain(name: str, code: int) -> str:
    available = ", ".join(_listed("available")) or "unknown"
    if code == errno.ENOENT:
        remedy = f"load the module tcp_{name} or choose another"
        return f"this kernel has no congestion control {name!r} (available: {available}); {remedy}"
    if code in (errno.EPERM, errno.EACCES):
        allowed = ", ".join(_listed("allowed")) or "unknown"
        return (
            f"congestion control {name!r} is for root only here (available: {available}; for everybody: {allowed}); "
            "add it to net.ipv4.tcp_allowed_congestion_control or choose another"
        )
    return f"congestion control {name!r} is refused (error {code}; available: {available})"


def _listed(which: str) -> list[str]:
    """Names that the kernel lists as `available` or `allowed`; none when it does not say."""
    try:
        return (_KERNEL / f"tcp_{which}_congestion_control").read_text().split()
    except OSError:
        return []


def drawn_secrets(config: Config) -> list[str]:
    """Pools whose sticky cookies end with this start, each with the reason."""
    return [
        f"pools.{name}.sticky has no secret_file: a secret was drawn, and a restart draws another one"
        for name, pool in config.pools.items()
        if pool.sticky is not None and pool.sticky.secret is None
    ]
