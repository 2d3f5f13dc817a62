"""The service side of systemd: sockets it passes, states it is told.

Without systemd every call is a no-op.
"""

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress

FIRST_FD = 3  # sd_listen_fds(3)
_OURS = ("LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def listen_fds(env: MutableMapping[str, str], pid: int) -> dict[str, list[int]]:
    """Take the descriptors of socket activation, by name, and make them close on exec.

    The variables are removed, so that children do not take them for their own. They are ignored when
    LISTEN_PID names another process. The caller owns the descriptors.
    """
    meant_for, count = env.pop("LISTEN_PID", ""), env.pop("LISTEN_FDS", "")
    names = env.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdigit() or (meant_for and meant_for != str(pid)):
        return {}
    found: dict[str, list[int]] = {}
    for nth in range(int(count)):
        fd = FIRST_FD + nth
        os.set_inheritable(fd, False)
        name = names[nth] if nth < len(names) and names[nth] else "unknown"
        found.setdefault(name, []).append(fd)
    return found


def clean_environment(env: MutableMapping[str, str]) -> dict[str, str]:
    """A copy for workers: without what systemd meant for control alone."""
    return {name: value for name, value in env.items() if name not in _OURS}


class Notifier:
    """Tells systemd where we are. Never raises, never blocks: a lost notice must not stop traffic."""

    def __init__(self, address: str | None, watchdog_usec: int = 0) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self.watchdog_s = watchdog_usec / 1e6 if self._address else 0.0

    @classmethod
    def from_environment(cls, env: MutableMapping[str, str], pid: int) -> "Notifier":
        usec, meant_for = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
        is_ours = usec.isdigit() and (not meant_for or meant_for == str(pid))
        return cls(env.get("NOTIFY_SOCKET"), int(usec) if is_ours else 0)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        now_usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now_usec}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock,
        ):
            sock.connect(self._address)
            sock.send("\n".join(lines).encode())
