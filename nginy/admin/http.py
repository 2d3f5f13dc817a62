"""Read-only HTTP for scrapers, probes and a browser: /metrics, /healthz, /readyz and a page at /.

Loopback only. A request that names another host is refused: a page in the operator's browser must not
read this by pointing its own name here.
"""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

import h11

from nginy.admin.exchange import (
    HEAD_TIMEOUT_S,
    READ_BYTES,
    Answer,
    Ask,
    BadAskError,
    Exchange,
    text_answer,
)
from nginy.admin.page import render_page
from nginy.errors import NginyError, StartError

CLIENTS_MAX = 64
REQUESTS_PER_CLIENT = 10_000
HTML = "text/html; charset=utf-8"
METHODS = ("GET", "HEAD")


class MetricsText(Protocol):
    """Metrics, as far as HTTP needs them."""

    async def render(self, accept: str = "") -> tuple[str, bytes]: ...


class ReadyCheck(Protocol):
    """Readiness, as far as HTTP needs it."""

    def reasons(self, *, strict: bool = False) -> list[str]: ...


class AdminHttp:
    """A small HTTP/1.1 server on control's loop. Owns its socket and its clients' tasks."""

    def __init__(
        self,
        bind: str,
        *,
        metrics: MetricsText,
        ready: ReadyCheck,
        status: Callable[[], Mapping[str, Any]],
        head_timeout_s: float = HEAD_TIMEOUT_S,
    ) -> None:
        """bind: host:port with a loopback host. head_timeout_s: for a whole request. Errors: StartError."""
        self._host, self._port = split_bind(bind)
        self._metrics = metrics
        self._ready = ready
        self._status = status
        self._head_timeout_s = head_timeout_s
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._routes: Mapping[str, Callable[[Ask, str], Awaitable[Answer]]] = {
            "/": self._show_page,
            "/healthz": self._tell_health,
            "/metrics": self._show_metrics,
            "/readyz": self._tell_ready,
        }
        self.address = bind

    async def start(self) -> None:
        """Bind and serve. Errors: StartError when the address cannot be had."""
        try:
            self._server = await asyncio.start_server(self._meet, self._host, self._port, limit=READ_BYTES)
        except OSError as failure:
            cause = "already in use" if failure.errno == errno.EADDRINUSE else os.strerror(failure.errno or 0)
            raise StartError(f"admin.http: cannot listen on {self.address}: {cause}") from failure
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def stop(self) -> None:
        """Close the socket and every client. Idempotent."""
        server, self._server = self._server, None
        if server:
            server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            if len(self._clients) <= CLIENTS_MAX:
                await self._converse(Exchange(reader, writer, head_timeout_s=self._head_timeout_s))
        except (OSError, TimeoutError, h11.LocalProtocolError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(task)
            writer.close()

    async def _converse(self, exchange: Exchange) -> None:
        for _ in range(REQUESTS_PER_CLIENT):
            try:
                ask = await exchange.read()
                if ask is None:
                    return
                answer = await self._answer(ask)
            except BadAskError as refusal:
                await exchange.send(refusal.answer, is_last=True)
                return
            if not await exchange.send(answer):
                return

    async def _answer(self, ask: Ask) -> Answer:
        if ask.method not in METHODS:
            allow = ("Allow", ", ".join(METHODS))
            raise BadAskError(text_answer(HTTPStatus.METHOD_NOT_ALLOWED, "this is read-only", allow))
        host, path, query = split_target(ask.target)
        if not is_local_name(host or ask.headers.get("host", "")):
            raise BadAskError(
                text_answer(HTTPStatus.MISDIRECTED_REQUEST, "ask by a loopback name such as localhost")
            )
        if not is_local_origin(ask.headers.get("origin", "")):
            raise BadAskError(text_answer(HTTPStatus.FORBIDDEN, "not for pages of other sites"))
        route = self._routes.get(path)
        if route is None:
            return text_answer(HTTPStatus.NOT_FOUND, f"nothing here; there is {' '.join(self._routes)}")
        try:
            return await route(ask, query)
        except NginyError as failure:  # not started yet, or closed already
            return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, str(failure))
        except Exception as failure:  # whoever asks gets an answer whatever went wrong
            return text_answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(failure).__name__}: {failure}")

    async def _show_page(self, ask: Ask, query: str) -> Answer:
        return Answer(HTTPStatus.OK, HTML, render_page(self._status(), self._ready.reasons()).encode())

    async def _show_metrics(self, ask: Ask, query: str) -> Answer:
        content_type, body = await self._metrics.render(ask.headers.get("accept", ""))
        return Answer(HTTPStatus.OK, content_type, body)

    async def _tell_health(self, ask: Ask, query: str) -> Answer:
        return text_answer(HTTPStatus.OK, "ok")

    async def _tell_ready(self, ask: Ask, query: str) -> Answer:
        reasons = self._ready.reasons(strict=query == "strict")
        if reasons:
            return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(reasons))
        return text_answer(HTTPStatus.OK, "ready")


def split_target(target: str) -> tuple[str, str, str]:
    """A request target as (host, path, query); the host is empty but for the absolute form.

    Errors: BadAskError for an absolute target that makes no sense.
    """
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return "", path, query
    try:
        parts = urlsplit(target)
    except ValueError as failure:
        raise BadAskError(text_answer(HTTPStatus.BAD_REQUEST, str(failure))) from failure
    return parts.netloc, parts.path or "/", parts.query


def split_bind(bind: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` taken apart. Errors: StartError when the host is not a loopback one."""
    host, _, port = bind.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or not is_local_host(host.strip("[]")):
        raise StartError(f"admin.http: {bind} is not a loopback address with a port, such as 127.0.0.1:9901")
    return host.strip("[]"), int(port)


def is_local_name(host: str) -> bool:
    """Does a Host header name this machine by loopback? None at all does: no browser leaves it out."""
    if not host:
        return True
    try:
        return is_local_host(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def is_local_origin(origin: str) -> bool:
    """Does an Origin header, if there is one, name this machine?"""
    if not origin:
        return True
    try:
        return is_local_host(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def is_local_host(host: str) -> bool:
    """`localhost` or a loopback address."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
