"""The control socket: a unix socket for this user only; one JSON request a line, one JSON answer a line."""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
import struct
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

from nginy.admin.paths import prepare_folder
from nginy.errors import StartError

SOCKET_MODE = 0o600
BACKLOG = 16
CLIENTS_MAX = 32
LINE_MAX_BYTES = 64 * 1024
REQUEST_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 30.0


class RequestRunner(Protocol):
    """Commands, as far as the socket needs them."""

    def run(self, request: object) -> Awaitable[dict[str, object]]: ...


class AdminSocket:
    """Serves the commands to local clients. Owns the lock, the socket file and the clients' tasks."""

    def __init__(self, commands: RequestRunner, path: Path) -> None:
        """path: absolute; claimed only by claim()."""
        self.path = path
        self._commands = commands
        self._lock_fd = -1
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    def claim(self) -> None:
        """Take the path for this program; clients that connect before start() wait.

        Errors: StartError when another nginy has it, or the file cannot be made.
        """
        prepare_folder(self.path)
        try:
            self._lock_fd = take_lock(self.path)
            self._socket = bind_socket(self.path)
        except BaseException:
            self._release_lock()
            raise

    async def start(self) -> None:
        """Answer requests from now on; claims the path if that has not been done."""
        if self._socket is None:
            self.claim()
        self._server = await asyncio.start_unix_server(self._meet, sock=self._socket, limit=LINE_MAX_BYTES)

    async def stop(self) -> None:
        """Close clients, remove the file, give up the path. Idempotent."""
        if self._socket and self._lock_fd >= 0:
            with contextlib.suppress(OSError):
                self.path.unlink()
        if self._server:
            self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        if self._socket:
            self._socket.close()
        self._server = self._socket = None
        self._release_lock()

    def _release_lock(self) -> None:
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            os.close(fd)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            if len(self._clients) <= CLIENTS_MAX and is_own_peer(writer):
                await self._converse(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_waiting_for_end = False
        while True:
            async with asyncio.timeout(None if is_waiting_for_end else REQUEST_TIMEOUT_S):
                request = await read_request(reader)
            if request is None:
                return
            answer = await self._answer(request)
            # whoever asked to stop keeps the connection open to see the end
            is_waiting_for_end = is_waiting_for_end or (is_stop(request) and bool(answer["ok"]))
            writer.write(json.dumps(answer, separators=(",", ":"), default=str).encode() + b"\n")
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await writer.drain()

    async def _answer(self, request: object) -> dict[str, object]:
        if isinstance(request, BadLineError):
            return {"ok": False, "kind": "request", "error": str(request)}
        try:
            return await self._commands.run(request)
        except Exception as failure:  # the operator gets an answer whatever went wrong
            return {"ok": False, "kind": "internal", "error": f"{type(failure).__name__}: {failure}"}


class BadLineError(ValueError):
    """A line that is not JSON."""


async def read_request(reader: asyncio.StreamReader) -> object | None:
    """The next request, a BadLineError for a line that is none, or None at the end."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        return None
    try:
        return json.loads(line)  # type: ignore[no-any-return]
    except (ValueError, RecursionError) as failure:
        return BadLineError(f"a request is one line of JSON: {failure}")


def is_stop(request: object) -> bool:
    """Is this a request to stop?"""
    return isinstance(request, dict) and request.get("cmd") == "stop"


def is_own_peer(writer: asyncio.StreamWriter) -> bool:
    """Does the other side run as this user or as root? It holds even if somebody changes the file's mode."""
    peer = writer.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


def take_lock(path: Path) -> int:
    """Lock `path`.lock for the life of the returned descriptor.

    Errors: StartError when another nginy holds it.
    """
    lock_path = path.with_name(f"{path.name}.lock")
    try:
        fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, SOCKET_MODE)
    except OSError as failure:
        raise StartError(f"cannot open {lock_path}: {failure.strerror}") from failure
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failure:
        os.close(fd)
        raise StartError(f"another nginy runs with the control socket {path}") from failure
    return fd


def bind_socket(path: Path) -> socket.socket:
    """A listening unix socket of mode 0600 at `path`; what a dead nginy left there is replaced."""
    fresh = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_left_over(path)
        os.fchmod(fresh.fileno(), SOCKET_MODE)  # before bind: the file never exists with wider rights
        fresh.bind(str(path))
        fresh.listen(BACKLOG)
        fresh.setblocking(False)
    except OSError as failure:
        fresh.close()
        raise StartError(f"cannot open the control socket {path}: {failure.strerror}") from failure
    except StartError:
        fresh.close()
        raise
    return fresh


def _remove_left_over(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(f"{path} is in the way of the control socket and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(1.0)
        if caller.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT):
            raise StartError(f"another program listens on the control socket {path}")
    path.unlink(missing_ok=True)
