"""A network of its own for a while, in which everybody uses another congestion control.

nginx cannot choose one, and HAProxy of Debian's 2.6 neither, so the route chooses for all sockets alike. The machine's
own settings stay as they are.
"""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000
LOOPBACK_ROUTES = ("127.0.0.0/8", "127.0.0.1")
LOOPBACK_ROUTE = ("dev", "lo", "table", "local", "proto", "kernel", "scope", "host", "src", "127.0.0.1")


class NetworkError(Exception):
    """No network of our own could be had; says why."""


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) < 0:
        code = ctypes.get_errno()
        raise NetworkError(f"{name}: {os.strerror(code)}; a network of one's own needs root")


def _run_ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NetworkError("there is no `ip` program; install iproute2") from None
    except subprocess.CalledProcessError as error:
        raise NetworkError(f"ip {' '.join(words)}: {error.stderr.strip()}") from None


def set_congestion(algorithm: str) -> None:
    """Routes of the loopback device that name the algorithm."""
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    if algorithm not in available:
        raise NetworkError(f"the kernel has no congestion control {algorithm}, only {', '.join(available)}")
    _run_ip("link", "set", "lo", "up")
    for route in LOOPBACK_ROUTES:
        _run_ip("route", "replace", "local", route, *LOOPBACK_ROUTE, "congctl", algorithm)


@contextlib.contextmanager
def private_network(algorithm: str) -> Iterator[None]:
    """This thread, and what it starts, sees an empty network with a loopback device; sockets made before stay where
    they are. Raises NetworkError."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", CLONE_NEWNET)
        try:
            set_congestion(algorithm)
            yield
        finally:
            _call("setns", home, CLONE_NEWNET)
    finally:
        os.close(home)
