"""Who holds an address: the answer to EADDRINUSE, read from /proc."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_WAITING = {"tcp": "0A", "udp": "07"}  # listening; not connected
_ACCEPTS = 0x10000
_COMMAND_MAX_CHARS = 80


@dataclass(frozen=True, slots=True)
class Holder:
    """A socket that is in the way.

    pid None: the process belongs to somebody whose descriptors we may not see.
    """

    inode: int
    uid: int
    pid: int | None
    command: str

    def __str__(self) -> str:
        if self.pid is None:
            owner = f"a process of user id {self.uid}" if self.uid >= 0 else "another process"
            return f"{owner} (its descriptors cannot be read from here)"
        if self.pid == os.getpid():
            return f"this very process (pid {self.pid})"
        return f"pid {self.pid} ({self.command})"


def port_inodes(protocol: str, family: int, host: str, port: int) -> list[tuple[int, int]]:
    """(inode, uid) of the sockets that overlap host:port: those that wait for clients if there are any, else others.

    protocol: `tcp` or `udp`.
    """
    wanted = socket.inet_pton(family, host.partition("%")[0])
    tables = [(f"/proc/net/{protocol}", 4), (f"/proc/net/{protocol}6", 16)]
    for table, width in tables[1:] if family == socket.AF_INET6 else tables:
        rows = [row for row in _rows(table, width, port) if _overlaps(row[0], wanted, width)]
        waiting = [(inode, uid) for _, state, inode, uid in rows if state == _WAITING[protocol]]
        found = waiting or [(inode, uid) for _, _, inode, uid in rows if inode]
        if found:
            return found
    return []


def port_holder(protocol: str, family: int, host: str, port: int) -> Holder | None:
    """Whoever waits for clients on, or else uses, an address that overlaps host:port."""
    found = port_inodes(protocol, family, host, port)
    return _holder(*found[0]) if found else None


def unix_holder(path: str) -> Holder | None:
    """Whoever listens at that path."""
    try:
        lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        fields = line.split(maxsplit=7)
        # connections that nobody has accepted yet carry the path too
        if len(fields) == 8 and fields[7] == path and int(fields[3], 16) & _ACCEPTS:
            return _holder(int(fields[6]), -1)
    return None


def _rows(table: str, width: int, port: int) -> Iterator[tuple[bytes, str, int, int]]:
    try:
        lines = Path(table).read_text().splitlines()[1:]
    except OSError:
        return
    suffix = f":{port:04X}"
    for line in lines:
        fields = line.split()
        if fields[1].endswith(suffix):
            yield _address(fields[1].partition(":")[0], width), fields[3], int(fields[9]), int(fields[7])


def _address(text: str, width: int) -> bytes:
    """The kernel prints each 32-bit word in the machine's byte order."""
    words = bytes.fromhex(text)
    return b"".join(words[at : at + 4][::-1] for at in range(0, width, 4))


def _overlaps(theirs: bytes, ours: bytes, width: int) -> bool:
    if width == len(ours):
        return theirs == ours or not any(theirs) or not any(ours)
    # an IPv6 socket in the way of an IPv4 one: both families at once, or an IPv4 address in IPv6 clothes
    return not any(theirs) or theirs == b"\0" * 10 + b"\xff\xff" + ours


def _holder(inode: int, uid: int) -> Holder:
    pid = _pid_of(inode)
    return Holder(inode, uid, pid, command_of(pid) if pid is not None else "")


def _pid_of(inode: int) -> int | None:
    """The lowest pid that has the socket open: the parent among several that share it."""
    target = f"socket:[{inode}]"
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        folder = f"/proc/{pid}/fd"
        try:
            if any(_link(f"{folder}/{fd}") == target for fd in os.listdir(folder)):
                return pid
        except OSError:
            continue  # gone, or not ours to look into
    return None


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def command_of(pid: int) -> str:
    """The command line, shortened; a worker of nginy is known by its thread name."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"
    if name.startswith("nginy") or not line:
        return name
    return line if len(line) <= _COMMAND_MAX_CHARS else line[: _COMMAND_MAX_CHARS - 1] + "…"
