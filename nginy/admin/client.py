"""A blocking client of the control socket, for the command line and for scripts."""

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nginy.admin.paths import socket_path
from nginy.errors import ConfigError, ConfigProblem, ControlError

__all__ = ["ControlClient", "socket_path"]

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 60.0
ANSWER_MAX_BYTES = 256 * 1024 * 1024
CHUNK_BYTES = 256 * 1024


class ControlClient:
    """One connection to a running nginy. Owns its socket. One thread at a time."""

    def __init__(self, path: Path, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Errors: ControlError when nobody answers at `path` or it may not be used."""
        self.path = path
        self._timeout_s = timeout_s
        self._pending = b""
        self._socket = self._connect()

    def call(self, cmd: str, **arguments: object) -> Any:
        """Run one command. -> its result.

        Errors: ConfigError with all problems for a refused configuration; ControlError for anything else.
        """
        request = json.dumps({"cmd": cmd, **arguments}).encode() + b"\n"
        try:
            self._socket.sendall(request)
            answer = json.loads(self._read_line())
        except TimeoutError as failure:
            raise ControlError(f"{self.path}: no answer to {cmd} within {self._timeout_s:g} s") from failure
        except (OSError, ValueError) as failure:
            raise ControlError(f"{self.path}: {cmd} was not answered: {failure}") from failure
        if answer.get("ok"):
            return answer.get("result")
        if answer.get("kind") == "config":
            raise ConfigError(_problem(problem) for problem in answer["problems"])
        raise ControlError(str(answer.get("error", f"{cmd} was refused")))

    def wait_end(self, timeout_s: float | None = None) -> bool:
        """Wait until the other side is gone. False: it still was there after `timeout_s`."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            while True:
                self._socket.settimeout(deadline_s and max(0.001, deadline_s - time.monotonic()))
                if not self._socket.recv(CHUNK_BYTES):
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> socket.socket:
        fresh = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        fresh.settimeout(CONNECT_TIMEOUT_S)
        try:
            fresh.connect(str(self.path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as failure:
            fresh.close()
            raise ControlError(f"no nginy answers at {self.path}") from failure
        except PermissionError as failure:
            fresh.close()
            raise ControlError(f"{self.path} belongs to another user: permission denied") from failure
        except OSError as failure:
            fresh.close()
            raise ControlError(f"cannot reach {self.path}: {failure}") from failure
        fresh.settimeout(self._timeout_s)
        return fresh

    def _read_line(self) -> bytes:
        chunks = [self._pending]
        size_bytes = len(self._pending)
        while b"\n" not in chunks[-1]:
            chunk = self._socket.recv(CHUNK_BYTES)
            if not chunk:
                raise ConnectionError("the connection was closed")
            chunks.append(chunk)
            size_bytes += len(chunk)
            if size_bytes > ANSWER_MAX_BYTES:
                raise ValueError("the answer is too long")
        line, _, self._pending = b"".join(chunks).partition(b"\n")
        return line


def _problem(given: dict[str, Any]) -> ConfigProblem:
    return ConfigProblem(
        file=str(given.get("file") or "<config>"),
        line=int(given.get("line") or 0),
        column=int(given.get("column") or 0),
        path=str(given.get("path") or ""),
        message=str(given.get("message") or ""),
        hint=str(given.get("hint") or ""),
    )
