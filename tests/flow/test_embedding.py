"""nginy as a library: workers are threads of this very program, and it leaves nothing behind."""

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

import nginy
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import ROOT
from tests.tools.peers import Peer
from tests.tools.sockets import ask, connect, how_it_ends, recv_exact
from tests.tools.waiting import wait_until

Runner = Callable[[Coroutine[Any, Any, Any]], Any]
HOST_DEADLINE_S = 20.0
IMPORT_MAX_MS = 60.0
MANY = 20


def children() -> set[str]:
    """Pids of living and dead children of this program."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.fixture(scope="module")
def warm() -> None:
    """uvloop opens a pipe for the whole program once, when its first loop runs."""
    import uvloop

    uvloop.run(asyncio.sleep(0))


@pytest.fixture(autouse=True)
def nothing_left(warm: None) -> Iterator[None]:
    """Descriptors, threads and children are those of before."""

    def held() -> tuple[int, list[str], set[str]]:
        names = sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("nginy"))
        return len(os.listdir("/proc/self/fd")), names, children()

    before = held()
    yield
    # the test's own peers end a moment after their last client
    wait_until(lambda: held() == before, f"as it was: {before}")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Runner:
    """Runs a coroutine in a fresh loop of either kind."""
    if request.param == "asyncio":
        return asyncio.run
    import uvloop

    return uvloop.run


async def ask_from(server: nginy.Server, question: bytes = b"hello", listener: str = "front") -> bytes:
    return await asyncio.to_thread(ask, server.addresses[listener][0], question)


def test_it_lives_in_the_loop_of_its_host_and_the_kernels_port_can_be_read(run: Runner, backend: Peer) -> None:
    async def main() -> None:
        async with nginy.Server(tcp_config([backend.address], workers=2)) as server:
            assert server.state == "serving"
            assert server.addresses["front"] == [f"127.0.0.1:{server.ports['front'][0]}"]
            assert await ask_from(server) == b"hello"
            assert sum(listener.counters["accepted"] for listener in server.view().listeners) == 1
            assert {worker.pid for worker in server.view().workers} == {os.getpid()}
        assert server.state == "stopped"

    run(main())


def test_the_blocking_form_needs_no_loop(backend: Peer) -> None:
    with nginy.Server(tcp_config([backend.address])) as server:
        assert ask(server.addresses["front"][0], b"hello") == b"hello"
        report = server.apply(tcp_config([backend.address], listener={"backlog": 7}))
        assert report.generation == 2
        assert len(report.changes) == 1
        assert server.view().generation == 2
        server.drain()
        assert server.view().state == "stopped"


def test_apply_adds_and_removes_and_established_sessions_live_on(run: Runner, backend: Peer) -> None:
    before = tcp_config([backend.address], workers=2)
    more = tcp_config([backend.address], workers=2)
    more["pools"]["other"] = {"backends": [backend.address], "policy": "least_conn"}
    more["listeners"]["second"] = {"bind": ["127.0.0.1:0", "[::1]:0"], "pool": "other"}
    without = {
        **more,
        "listeners": {"second": more["listeners"]["second"]},
        "pools": {"other": more["pools"]["other"]},
    }

    async def main() -> None:
        async with nginy.Server(before) as server:
            first = server.addresses["front"][0]
            with connect(first) as old:
                old.sendall(b"a")
                assert await asyncio.to_thread(recv_exact, old, 1) == b"a"
                report = await server.apply(more)
                assert not report.late_workers
                assert server.addresses["front"] == [first]
                for address in server.addresses["second"]:
                    assert await asyncio.to_thread(ask, address, b"v6 too") == b"v6 too"
                await server.apply(without)
                assert list(server.addresses) == ["second"]
                with pytest.raises(ConnectionRefusedError):
                    connect(first)
                old.sendall(b"b")
                assert await asyncio.to_thread(recv_exact, old, 1) == b"b"

    run(main())


def test_a_configuration_that_is_refused_changes_nothing(backend: Peer) -> None:
    good = tcp_config([backend.address], listener={"bind": ["127.0.0.1:0"]})
    taken = tcp_config(["127.0.0.1:1"], listener={"bind": ["127.0.0.1:0", backend.address]})
    taken["listeners"]["early"] = {"bind": "127.0.0.1:0", "pool": "back"}
    with nginy.Server(good) as server:
        address, descriptors = server.addresses, len(os.listdir("/proc/self/fd"))
        with pytest.raises(nginy.StartError, match=f"{backend.address} is taken by this very process"):
            server.apply(taken)
        with pytest.raises(nginy.ConfigError, match=r"pools\.back"):
            server.apply(tcp_config(["nowhere.invalid:80"]))
        with pytest.raises(nginy.ConfigError):
            server.apply({"pools": {}})
        assert server.view().generation == 1
        assert server.state == "serving"
        assert server.addresses == address
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert ask(address["front"][0], b"still here") == b"still here"


@pytest.mark.parametrize("spawn", ["thread", "process"])
def test_a_start_that_fails_leaves_nothing(backend: Peer, spawn: Any) -> None:
    binds = ["127.0.0.1:0", backend.address]
    with pytest.raises(nginy.StartError, match="is taken by"):
        with nginy.Server(tcp_config(["127.0.0.1:1"], listener={"bind": binds}), spawn=spawn):
            pytest.fail("it must not start")


def test_files_are_removed_with_it(backend: Peer, tmp_path: Path) -> None:
    config = tcp_config([backend.address], listener={"bind": f"unix:{tmp_path / 'front'}"})
    with nginy.Server(config) as server:
        assert ask(server.addresses["front"][0], b"unix") == b"unix"
    assert not list(tmp_path.iterdir())


def test_leaving_the_block_cuts_sessions_and_drain_lets_them_finish(backend: Peer) -> None:
    with nginy.Server(tcp_config([backend.address])) as server, connect(server.addresses["front"][0]) as sock:
        sock.sendall(b"x")
        assert recv_exact(sock, 1) == b"x"
        draining = threading.Thread(target=server.drain, args=(15.0,))
        draining.start()
        wait_until(lambda: server.state == "draining", "it drains")
        sock.sendall(b"y")
        assert recv_exact(sock, 1) == b"y"
        sock.shutdown(socket.SHUT_WR)
        assert how_it_ends(sock) == "eof"
        draining.join()
        assert server.view().listeners[0].counters["reasons"][0] == 1
    with nginy.Server(tcp_config([backend.address])) as server, connect(server.addresses["front"][0]) as sock:
        sock.sendall(b"x")
        assert recv_exact(sock, 1) == b"x"
        server.stop()
        assert how_it_ends(sock) == "reset"


def test_a_drain_ends_at_its_deadline_with_a_reason(backend: Peer) -> None:
    with nginy.Server(tcp_config([backend.address])) as server, connect(server.addresses["front"][0]) as sock:
        sock.sendall(b"x")
        assert recv_exact(sock, 1) == b"x"
        began_s = time.monotonic()
        server.drain(0.3)
        assert 0.2 <= time.monotonic() - began_s < 3
        counters = server.view().listeners[0].counters
        assert counters["reasons"][nginy_reason("drain_deadline")] == 1
        assert counters["live"] == 0


def nginy_reason(name: str) -> int:
    from nginy._fast.door import REASONS

    return REASONS.index(name)


def test_a_verdict_reaches_the_workers_and_the_picture(run: Runner, start_peer: Callable[..., Peer]) -> None:
    good, bad = start_peer(), start_peer()
    bad.stop_listening()
    pool = {"health": {"kind": "tcp", "interval": "50ms", "fall": 1}}
    config = tcp_config([good.address, bad.address], pool=pool)

    async def main() -> None:
        async with nginy.Server(config) as server:
            async with asyncio.timeout(10):
                while [backend.verdict for backend in server.view().pools[0].backends] != ["up", "down"]:
                    await asyncio.sleep(0.01)
                while not 1 < server.view().generation == server.view().workers[0].adopted_gen:
                    await asyncio.sleep(0.01)
            for _ in range(4):
                assert await ask_from(server) == b"hello"

    run(main())


def test_several_live_side_by_side(backend: Peer) -> None:
    async def main() -> None:
        servers = [nginy.Server(tcp_config([backend.address])) for _ in range(MANY)]
        await asyncio.gather(*(server.__aenter__() for server in servers))
        try:
            assert len({server.ports["front"][0] for server in servers}) == MANY
            assert await asyncio.gather(*(ask_from(server) for server in servers)) == [b"hello"] * MANY
        finally:
            await asyncio.gather(*(server.__aexit__(None, None, None) for server in servers))

    asyncio.run(main())


def test_worker_processes_can_be_embedded_and_end_with_their_host(backend: Peer) -> None:
    with nginy.Server(tcp_config([backend.address], workers=2), spawn="process") as server:
        pids = [worker.pid for worker in server.view().workers]
        assert len({*pids, os.getpid()}) == 3
        assert ask(server.addresses["front"][0], b"hello") == b"hello"
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def host_program(body: str, *arguments: str) -> subprocess.Popen[str]:
    """Another program that embeds nginy."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(body), *arguments],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
    )  # fmt: skip


def test_a_host_that_forgets_to_stop_can_still_end(backend: Peer) -> None:
    host = host_program(
        """
        import sys, nginy
        server = nginy.Server({"pools": {"p": {"backends": [sys.argv[1]]}},
                               "listeners": {"l": {"bind": "127.0.0.1:0", "pool": "p"}}})
        server.__enter__()
        print(server.ports["l"][0], flush=True)
        """,
        backend.address,
    )
    assert int(host.communicate(timeout=HOST_DEADLINE_S)[0]) > 0
    assert host.returncode == 0


def test_worker_processes_without_a_control_socket_end_when_their_host_is_killed(backend: Peer) -> None:
    host = host_program(
        """
        import sys, nginy
        server = nginy.Server({"pools": {"p": {"backends": [sys.argv[1]]}}, "runtime": {"workers": 2},
                               "listeners": {"l": {"bind": "127.0.0.1:0", "pool": "p"}}}, spawn="process")
        server.__enter__()
        print(*(worker.pid for worker in server.view().workers), flush=True)
        sys.stdin.read()
        """,
        backend.address,
    )
    assert host.stdout is not None
    pids = [int(pid) for pid in host.stdout.readline().split()]
    assert len(pids) == 2
    host.kill()
    host.communicate(timeout=HOST_DEADLINE_S)
    wait_until(lambda: not any(is_running(pid) for pid in pids), "nobody is left")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_importing_it_is_light_and_starts_nothing() -> None:
    program = """
        import sys, time
        before = set(sys.modules)
        began = time.perf_counter()
        import nginy
        took_ms = (time.perf_counter() - began) * 1000
        heavy = {"pydantic", "uvloop", "yaml", "click", "rich", "asyncio", "h11", "prometheus_client"}
        assert not heavy & (set(sys.modules) - before), heavy & set(sys.modules)
        print(took_ms)
        """
    took_ms = []
    for _ in range(3):
        host = host_program(program)
        took_ms.append(float(host.communicate(timeout=HOST_DEADLINE_S)[0]))
    assert min(took_ms) <= IMPORT_MAX_MS
