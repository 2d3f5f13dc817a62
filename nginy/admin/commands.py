"""The one table of commands: whatever road a request comes by, it ends here.

A request is a mapping with `cmd` and that command's arguments; an answer is a mapping with `ok`, and either
`result` or `error`.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from nginy.errors import ConfigError, NginyError

Answer = dict[str, Any]


class Report(Protocol):
    """What a reload tells."""

    @property
    def generation(self) -> int: ...
    @property
    def changes(self) -> Sequence[str]: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def late_workers(self) -> Sequence[int]: ...


ROUTE_ARGUMENTS: Mapping[str, type] = {
    "listener": str, "source": str, "destination": str, "sni": str, "bytes": str, "count": int, "distribution": bool,
    "without": str, "seed": int,
}  # fmt: skip
"""bytes: in hexadecimal."""


class Command(NamedTuple):
    """One row of the table. arguments: name to type."""

    meaning: str
    arguments: Mapping[str, type]
    run: Callable[..., Awaitable[Any]]


class Commands:
    """Runs requests, one change at a time. Owns nothing but the table; all calls on control's loop."""

    def __init__(
        self,
        *,
        status: Callable[[], Answer],
        reload: Callable[[], Awaitable[Report]],
        route: Callable[..., Awaitable[Answer]],
        stop: Callable[[bool], None],
        version: str,
    ) -> None:
        """status: the picture as JSON values.   reload: raises ConfigError or NginyError when refused.
        route: takes ROUTE_ARGUMENTS, raises NginyError.
        stop(now): begins to stop and returns at once.   version: of nginy.
        """
        self._tree = status
        self._reload = reload
        self._route = route
        self._stop = stop
        self._version = version
        self._one_change = asyncio.Lock()
        self.table: Mapping[str, Command] = {
            "ping": Command("Answers `pong`.", {}, self._ping),
            "reload": Command(
                "Read the configuration file again and apply what changed.", {}, self._run_reload
            ),
            "route": Command("Which pool and backend a client would get, and why.", ROUTE_ARGUMENTS, self._run_route),
            "status": Command("The whole picture.", {}, self._status),
            "stop": Command("Drain and end; with `now`, cut what is open.", {"now": bool}, self._run_stop),
            "version": Command("Version and process id.", {}, self._tell_version),
        }

    async def run(self, request: object) -> Answer:
        """Answer one request. Never raises for what a request may contain."""
        try:
            command, arguments = self._parse(request)
            return {"ok": True, "result": await command.run(**arguments)}
        except ConfigError as failure:
            problems = [_problem(problem) for problem in failure.problems]
            return {"ok": False, "kind": "config", "error": str(failure), "problems": problems}
        except RequestError as failure:
            return {"ok": False, "kind": "request", "error": str(failure)}
        except NginyError as failure:
            return {"ok": False, "kind": "refused", "error": str(failure)}

    def _parse(self, request: object) -> tuple[Command, dict[str, Any]]:
        if not isinstance(request, dict):
            raise RequestError('a request is a JSON object such as {"cmd": "status"}')
        arguments = dict(request)
        name = arguments.pop("cmd", None)
        command = self.table.get(name) if isinstance(name, str) else None
        if command is None:
            raise RequestError(f"unknown command {name!r}; known: {', '.join(self.table)}")
        for key, value in arguments.items():
            wanted = command.arguments.get(key)
            if wanted is None:
                raise RequestError(f"{name}: unknown argument {key!r}")
            if type(value) is not wanted:
                raise RequestError(f"{name}: {key} must be a {wanted.__name__}")
        return command, arguments

    async def _ping(self) -> str:
        return "pong"

    async def _tell_version(self) -> Answer:
        return {"version": self._version, "pid": os.getpid()}

    async def _status(self) -> Answer:
        return {"version": self._version, "pid": os.getpid(), **self._tree()}

    async def _run_reload(self) -> Answer:
        async with self._one_change:
            report = await self._reload()
        return {
            "generation": report.generation,
            "changes": list(report.changes),
            "warnings": list(report.warnings),
            "late_workers": list(report.late_workers),
        }

    async def _run_route(self, **ask: Any) -> Answer:
        if "listener" not in ask:
            raise RequestError("route: `listener` is missing")
        return await self._route(**ask)

    async def _run_stop(self, now: bool = False) -> Answer:
        self._stop(now)
        return {"stopping": "now" if now else "after draining"}


class RequestError(NginyError):
    """A request that makes no sense."""


def _problem(problem: Any) -> Answer:
    keys = ("file", "line", "column", "path", "message", "hint")
    return {key: getattr(problem, key, None) for key in keys}
