"""One check against real listeners, good and bad."""

import asyncio
import contextlib
import errno
import resource
import socket
import time
from pathlib import Path

import pytest

from nginy.backend import check as check_module
from nginy.backend.check import CheckResult, check

from .conftest import Run
from .peers import closed_port, http, listening, peer, says, silent, target, tcp

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def stop_loop_for(seconds: float) -> None:
    """What a suspended or starved control looks like from inside: the loop does not turn."""
    time.sleep(seconds)


def test_tcp_check_listening_backend_passes(run: Run) -> None:
    async def scenario() -> None:
        async with peer() as backend:
            result = await check(target(backend.address, tcp()))
            assert result.is_ok
            assert result.text.startswith("tcp: connected in ")
            assert result.text.endswith(" ms")
            assert 0 < result.latency_s < 5

    run(scenario)


def test_tcp_check_nobody_accepting_still_passes(run: Run) -> None:
    async def scenario() -> None:
        with listening() as address:
            assert (await check(target(address, tcp()))).is_ok

    run(scenario)


def test_tcp_check_closed_port_is_refused(run: Run) -> None:
    async def scenario() -> None:
        with closed_port() as address:
            result = await check(target(address, tcp()))
            assert (result.is_ok, result.text, result.is_void) == (False, "refused", False)

    run(scenario)


def test_tcp_check_ipv6_backend_passes(run: Run) -> None:
    async def scenario() -> None:
        async with peer(where=("::1", 0), family=socket.AF_INET6) as backend:
            assert backend.address.startswith("[::1]:")
            result = await check(target(backend.address, tcp()))
            assert result.is_ok, result

    run(scenario)


@pytest.mark.parametrize("health", [tcp(), http()], ids=["tcp", "http"])
def test_check_unix_backend_passes(run: Run, tmp_path: Path, health: check_module.Health) -> None:
    async def scenario() -> None:
        where = str(tmp_path / "socket")
        async with peer(says(OK), where=where, family=socket.AF_UNIX) as backend:
            result = await check(target(backend.address, health))
            assert result.is_ok, result

    run(scenario)


def test_tcp_check_unix_path_without_socket_says_so(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        result = await check(target(f"unix:{tmp_path}/none", tcp()))
        assert (result.is_ok, result.text) == (False, "no such socket")

    run(scenario)


def test_tcp_check_unix_queue_full_is_not_taken_for_a_connection(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "socket")
        with listening(path, socket.AF_UNIX, backlog=0) as address, contextlib.ExitStack() as stack:
            for _ in range(8):
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                if waiting.connect_ex(path) == errno.EAGAIN:
                    break
            else:
                pytest.fail("the queue never filled")
            result = await check(target(address, tcp(timeout=0.2)))
            assert not result.is_ok, result

    run(scenario)


def test_tcp_check_joined_to_itself_is_refused(run: Run) -> None:
    """A connect to a free port of the ephemeral range may be given that very port as its source."""

    async def scenario() -> None:
        def open_bound(place: object) -> socket.socket:
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            return sock

        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(check_module, "_open", open_bound)
            result = await check(target(f"127.0.0.1:{port}", tcp()))
        assert (result.is_ok, result.text) == (False, "refused (the kernel joined the socket to itself)")

    run(scenario)


def test_check_without_descriptors_is_void(run: Run) -> None:
    async def scenario() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with peer() as backend:
            wanted = target(backend.address, tcp())
            assert (await check(wanted)).is_ok
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                result = await check(wanted)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert (result.is_ok, result.is_void) == (False, True)
            assert result.text == "not checked: too many open files"

    run(scenario)


def test_check_answer_that_lay_ready_while_the_loop_stood_still_passes(run: Run) -> None:
    """The deadline is noticed late, but the kernel has had the connection all the time."""

    async def scenario() -> None:
        with listening() as address:
            checking = asyncio.ensure_future(check(target(address, tcp(timeout=0.05))))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            stop_loop_for(0.3)
            result = await checking
            assert (result.is_ok, result.is_late) == (True, True), result

    run(scenario)


def test_check_timeout_while_the_loop_stood_still_is_marked_late(run: Run) -> None:
    async def scenario() -> None:
        with listening() as address:
            checking = asyncio.ensure_future(check(target(address, http(timeout=0.05))))
            await asyncio.sleep(0.01)
            stop_loop_for(0.3)
            result = await checking
            assert (result.is_ok, result.is_late) == (False, True), result

    run(scenario)


def test_check_cancelled_closes_its_socket(run: Run) -> None:
    async def scenario() -> None:
        async with peer(silent) as backend:
            checking = asyncio.ensure_future(check(target(backend.address, http())))
            while not backend.accepted:
                await asyncio.sleep(0.002)
            checking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await checking

    run(scenario)


def test_result_says_nothing_special_by_default() -> None:
    result = CheckResult(True, "fine", 0.1)
    assert (result.is_void, result.is_late) == (False, False)
