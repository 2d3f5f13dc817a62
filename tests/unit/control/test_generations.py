"""Generations: real sockets and a real board, without workers: what is published, and what a failure leaves."""

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nginy._fast import door
from nginy.backend.registry import BackendKey, resolve_backends
from nginy.backend.tables import Shape
from nginy.config import parse_config
from nginy.control.certificates import Certificates
from nginy.control.channel import Publication
from nginy.control.generations import Generations
from nginy.control.ids import Ids
from nginy.control.world import World
from nginy.errors import NginyError, StartError
from nginy.model import Config

SLOTS = 2


def config(binds: dict[str, Any], backends: tuple[str, ...] = ("127.0.0.1:9",), **options: Any) -> Config:
    listeners = {name: {"bind": bind, "pool": "p", **options} for name, bind in binds.items()}
    return parse_config({"pools": {"p": {"backends": list(backends)}}, "listeners": listeners})


class Bench:
    """Generations with everything around it, and what it delivered."""

    def __init__(self, wanted: Config) -> None:
        self.board = door.Board(door.board_create(SLOTS), SLOTS)
        self.delivered: list[Publication] = []
        self.troubles: list[Exception] = []
        self.is_broken = False
        self.generations = Generations(
            self.board,
            World(wanted, {}, Ids.empty()),
            0,
            verdicts=lambda resolved: {},
            notes=self._notes,
            deliver=self.delivered.append,
            on_trouble=self.troubles.append,
            inherited={},
            certificates=Certificates(lambda *_, **__: None, forbids_dumps=False),
        )

    def _notes(self, world: World, since: object) -> bytes:
        if self.is_broken:
            raise NginyError("broken on purpose")
        return b"notes"

    async def change(self, wanted: Config, adopted: int = 0) -> int:
        return self.generations.change(wanted, await resolve_backends(wanted), adopted)

    def close(self) -> None:
        self.generations.close(is_end=True)
        self.board.close()


def run(first: Config, test: Callable[[Bench], Any]) -> None:
    async def main() -> None:
        bench = Bench(first)
        try:
            await bench.change(first)
            await test(bench)
        finally:
            bench.close()

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) == before


def is_open(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as sock:
        return sock.connect_ex((host, int(port))) == 0


def test_each_worker_gets_every_socket_of_every_listener() -> None:
    async def test(bench: Bench) -> None:
        publication = bench.delivered[-1]
        assert publication.generation == 1
        assert len(publication.sockets) == 2 * SLOTS
        block = os.pread(publication.fd, os.fstat(publication.fd).st_size, 0)
        assert door.verify_snapshot(block) == 1
        assert door.snapshot_meta(block) == b"notes"

    run(config({"a": "127.0.0.1:0", "b": "[::1]:0"}), test)


def test_what_did_not_change_keeps_its_sockets_and_ids() -> None:
    first = config({"a": "127.0.0.1:0"})

    async def test(bench: Bench) -> None:
        sockets, where = bench.delivered[-1].sockets, bench.generations.world.addresses["a"]
        await bench.change(config({"a": "127.0.0.1:0", "b": "127.0.0.1:0"}))
        assert set(sockets) < set(bench.delivered[-1].sockets)
        assert bench.generations.world.addresses["a"] == where

    run(first, test)


def test_a_bind_that_fails_changes_nothing_and_closes_those_that_did_not() -> None:
    async def test(bench: Bench) -> None:
        before, descriptors = bench.generations.world, len(os.listdir("/proc/self/fd"))
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = f"127.0.0.1:{other.getsockname()[1]}"
            with pytest.raises(StartError, match="is taken by"):
                await bench.change(config({"early": "127.0.0.1:0", "late": taken}))
        assert bench.generations.world is before
        assert bench.generations.number == 1
        assert len(os.listdir("/proc/self/fd")) == descriptors

    run(config({"a": "127.0.0.1:0"}), test)


def test_a_block_that_cannot_be_built_closes_what_was_bound_for_it(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        before, descriptors = bench.generations.world, len(os.listdir("/proc/self/fd"))
        bench.is_broken = True
        with pytest.raises(NginyError, match="broken on purpose"):
            await bench.change(config({"a": "127.0.0.1:0", "b": f"unix:{tmp_path / 'b'}"}))
        bench.is_broken = False
        assert bench.generations.world is before
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert not list(tmp_path.iterdir())

    run(config({"a": "127.0.0.1:0"}), test)


def test_a_removed_socket_stays_open_until_every_worker_has_let_go_of_it() -> None:
    async def test(bench: Bench) -> None:
        address = bench.generations.world.addresses["a"][0]
        number = await bench.change(config({"b": "127.0.0.1:0"}), adopted=1)
        bench.generations.sweep(number - 1)
        assert is_open(address)
        bench.generations.sweep(number)
        assert not is_open(address)

    run(config({"a": "127.0.0.1:0", "b": "127.0.0.1:0"}), test)


def test_the_file_of_a_removed_unix_socket_goes_at_once(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.change(config({"b": "127.0.0.1:0"}))
        assert not list(tmp_path.iterdir())

    run(config({"a": f"unix:{tmp_path / 'a'}", "b": "127.0.0.1:0"}), test)


def test_a_listener_that_comes_back_before_its_old_sockets_are_closed_gets_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    both = config({"a": f"127.0.0.1:{port}", "b": "127.0.0.1:0"})

    async def test(bench: Bench) -> None:
        await bench.change(config({"b": "127.0.0.1:0"}), adopted=1)
        await bench.change(both, adopted=1)
        assert bench.generations.world.addresses["a"] == [f"127.0.0.1:{port}"]
        assert is_open(f"127.0.0.1:{port}")

    run(both, test)


def hears(bench: Bench, name: str) -> int:
    """How many sockets of a UDP listener a datagram to its first address comes to."""
    host, _, port = bench.generations.world.addresses[name][0].rpartition(":")
    socks = [member.sock for group in bench.generations.world.groups.values() for member in group.members]
    mine = [sock for sock in socks if sock.type == socket.SOCK_DGRAM and sock.getsockname()[1] == int(port)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"?", (host, int(port)))
        ready = select.select(mine, [], [], 5)[0]
    for sock in ready:
        sock.recv(16)
    return len(ready)


def test_udp_and_tcp_are_served_on_one_port_each_with_a_socket_for_every_slot() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        where = f"127.0.0.1:{probe.getsockname()[1]}"
    listeners = {
        "dns": {"bind": where, "protocol": "udp", "pool": "p"},
        "web": {"bind": where, "pool": "p"},
    }
    both = parse_config({"pools": {"p": {"backends": ["127.0.0.1:9"]}}, "listeners": listeners})

    async def test(bench: Bench) -> None:
        assert len(bench.delivered[-1].sockets) == 2 * SLOTS
        assert is_open(where)
        assert hears(bench, "dns") == 1

    run(both, test)


def test_a_udp_listener_that_comes_back_before_its_old_sockets_are_closed_gets_these_back() -> None:
    """Fresh ones would share the port with them, and half of the clients would be heard by nobody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{probe.getsockname()[1]}"
    both, gone = {"a": where, "b": "127.0.0.1:0"}, config({"b": "127.0.0.1:0"}, protocol="udp")

    async def test(bench: Bench) -> None:
        before = bench.generations.world.groups[f"udp:{where}"]
        await bench.change(gone, adopted=1)
        number = await bench.change(config(both, protocol="udp", udp={"gro": "on"}), adopted=1)
        after = bench.generations.world.groups[f"udp:{where}"]
        assert after.members == before.members
        assert {member.sock.getsockopt(socket.IPPROTO_UDP, 104) for member in after.members} == {1}
        bench.generations.sweep(number)
        assert sum([hears(bench, "a") for _ in range(32)]) == 32

    run(config(both, protocol="udp"), test)


def test_a_removed_udp_socket_is_closed_once_every_worker_has_let_go_of_it() -> None:
    async def test(bench: Bench) -> None:
        sock = next(iter(bench.generations.world.groups.values())).members[0].sock
        number = await bench.change(config({"b": "127.0.0.1:0"}, protocol="udp"), adopted=1)
        bench.generations.sweep(number - 1)
        assert sock.fileno() >= 0
        bench.generations.sweep(number)
        assert sock.fileno() < 0

    run(config({"a": "127.0.0.1:0", "b": "127.0.0.1:0"}, protocol="udp"), test)


def test_a_range_of_ports_is_one_address_and_a_socket_per_port_and_slot() -> None:
    port = free_ports(3)

    async def test(bench: Bench) -> None:
        assert len(bench.delivered[-1].sockets) == 3 * SLOTS
        assert bench.generations.world.addresses["game"] == [f"127.0.0.1:{port}-{port + 2}"]
        assert bench.generations.world.receive_queues == {"game": 65536}

    run(config({"game": f"127.0.0.1:{port}-{port + 2}"}, protocol="udp", udp={"rcvbuf": "64K"}), test)


def free_ports(n: int) -> int:
    """The first of so many ports in a row that nobody has right now."""
    for _ in range(100):
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(n)]
            socks[0].bind(("127.0.0.1", 0))
            port = socks[0].getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                for nth, sock in enumerate(socks[1:], 1):
                    sock.bind(("127.0.0.1", port + nth))
                return int(port)
    raise AssertionError("no free ports in a row")


def test_other_addresses_of_a_name_are_published_with_ids_of_their_own() -> None:
    first = config({"a": "127.0.0.1:0"})
    moved = config({"a": "127.0.0.1:0"}, backends=("127.0.0.2:9", "127.0.0.3:9"))

    async def test(bench: Bench) -> None:
        old = bench.generations.world.ids.backend("p", "127.0.0.1:9")
        bench.generations.readdress(await resolve_backends(moved), 1)
        async with asyncio.timeout(5):
            while bench.generations.number < 2:
                await asyncio.sleep(0.001)
        ids = bench.generations.world.ids
        assert len({old, ids.backend("p", "127.0.0.2:9"), ids.backend("p", "127.0.0.3:9")}) == 3

    run(first, test)


def test_a_world_that_workers_refused_gives_way_to_the_one_before() -> None:
    async def test(bench: Bench) -> None:
        before = bench.generations.world
        await bench.change(config({"a": "127.0.0.1:0", "b": "127.0.0.1:0"}), adopted=1)
        refused = bench.generations.world.addresses["b"][0]
        number = bench.generations.revert(before)
        assert bench.generations.world is before
        assert len(bench.delivered[-1].sockets) == SLOTS
        bench.generations.sweep(number)
        assert not is_open(refused)
        assert is_open(before.addresses["a"][0])

    run(config({"a": "127.0.0.1:0"}), test)


def test_sockets_get_their_options_back_when_workers_refused_the_new_ones() -> None:
    def deferrals(bench: Bench) -> set[int]:
        groups = bench.generations.world.groups.values()
        socks = [member.sock for group in groups for member in group.members]
        return {sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) for sock in socks}

    async def test(bench: Bench) -> None:
        before = bench.generations.world
        await bench.change(config({"a": "127.0.0.1:0"}, tcp={"defer_accept": "1s"}), adopted=1)
        assert deferrals(bench) == {1}
        bench.generations.revert(before)
        assert deferrals(bench) == {0}

    run(config({"a": "127.0.0.1:0"}), test)


# ---- tables ----


def ringed(weight: int = 1, policy: object = "ring") -> Config:
    backends = [{"address": f"127.0.0.{n}:9", "weight": weight} for n in (1, 2)]
    listeners = {"a": {"bind": "127.0.0.1:0", "pool": "p"}}
    return parse_config({"pools": {"p": {"backends": backends, "policy": policy}}, "listeners": listeners})


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Shape]:
    """What is built from now on."""
    built: list[Shape] = []
    build = Shape.build

    def counting(shape: Shape) -> bytes:
        built.append(shape)
        return build(shape)

    monkeypatch.setattr(Shape, "build", counting)
    return built


def test_a_verdict_that_goes_out_while_a_change_is_prepared_undoes_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(bench: Bench) -> None:
        built = counted(monkeypatch)
        wanted = ringed(3)
        wanted = wanted.model_copy(update={"pools": wanted.pools | {"q": ringed(4).pools["p"]}})
        resolved = await resolve_backends(wanted)
        preparing = asyncio.create_task(bench.generations.prepare(wanted, resolved))
        while not built:
            await asyncio.sleep(0)
        bench.generations.change(bench.generations.world.config, bench.generations.world.resolved, 1)
        await preparing
        assert len(built) == 2
        bench.generations.change(wanted, resolved, 1)
        assert len(built) == 2

    run(ringed(), test)


TABLE = {"kind": "table", "call": "__main__:Weights", "fallback": "ring"}


def test_of_weights_that_come_in_a_row_the_newest_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(bench: Bench) -> None:
        built = counted(monkeypatch)
        for weight in range(1, 100):
            bench.generations.wishes.weigh("p", {0: weight, 1: 100})
        while bench.generations.world.weighed["p"][0].weight != 99:
            await asyncio.sleep(0.001)
        assert len(built) == 1

    run(ringed(policy=TABLE), test)


def test_a_health_edge_costs_no_look_at_tables_while_weights_are_published() -> None:
    async def test(bench: Bench) -> None:
        bench.generations.wishes.weigh("p", {0: 3, 1: 4})
        for n in range(2, 5):
            while bench.generations.number < n:
                await asyncio.sleep(0.001)
            bench.generations.publish_soon()
        assert bench.delivered[-1].tables and bench.delivered[-1].tables is bench.delivered[-2].tables

    run(ringed(policy=TABLE), test)


def test_weights_that_make_too_large_a_ring_are_refused_and_those_before_stay() -> None:
    async def test(bench: Bench) -> None:
        bench.generations.wishes.weigh("p", {0: 65535, 1: 1})
        bench.generations.wishes.weigh("p", {0: 65535, 1: 2})
        while not bench.troubles:
            await asyncio.sleep(0.001)
        assert "pool p makes a ring of 10,485,920 points" in str(bench.troubles[-1])
        assert [entry.weight for entry in bench.generations.world.weighed["p"]] == [1, 1]

    run(ringed(policy=TABLE), test)


def test_names_that_make_too_large_a_ring_are_followed_without_a_table() -> None:
    async def test(bench: Bench) -> None:
        one = bench.generations.world.resolved["p"][0]
        many = [replace(one, key=BackendKey("p", "db:9", f"127.0.1.{n}:9"), weight=1000) for n in range(1, 20)]
        generation = bench.generations.number
        bench.generations.readdress({"p": many}, 1)
        while bench.generations.number == generation:
            await asyncio.sleep(0.001)
        assert "ring of 3,040,000 points" in str(bench.troubles[-1])
        assert bench.delivered[-1].tables == () and bench.delivered[-2].tables

    run(ringed(), test)


def test_a_thousand_changes_use_no_more_ids_and_descriptors_than_a_few() -> None:
    async def test(bench: Bench) -> None:
        for turn in range(1000):
            names = {"a": "127.0.0.1:0", f"b{turn}": "127.0.0.1:0"}
            number = await bench.change(config(names, (f"127.0.{turn // 250}.{turn % 250 + 1}:9",)), turn + 1)
            bench.generations.sweep(number)
        ids = bench.generations.world.ids
        assert ids.sockets.fresh <= 3 * SLOTS
        assert ids.listeners.fresh <= 256 + 4
        assert ids.backends.fresh <= 256 + 4
        assert len(bench.delivered[-1].sockets) == 2 * SLOTS

    run(config({"a": "127.0.0.1:0"}), test)
