"""A whole control with UDP listeners: what it tells at the start and after a reload, and what can be seen."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nginy.config import parse_config
from nginy.control.lifecycle import Control
from nginy.errors import StartError
from nginy.model import Config

WORKERS = 2


class Told:
    """Where events go."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def event(self, kind: str, level: str | None = None, **fields: object) -> None:
        self.events.append((kind, {"level": level, **fields}))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [fields for told, fields in self.events if told == kind]


def config(udp: dict[str, Any] | None = None, pool: dict[str, Any] | None = None, **session: Any) -> Config:
    listeners = {
        "dns": {"bind": "127.0.0.1:0", "protocol": "udp", "pool": "p", "session": session, "udp": udp or {}},
        "web": {"bind": "127.0.0.1:0", "pool": "p"},
    }
    pools = {"p": {"backends": ["127.0.0.1:9"], "udp": pool or {}}}
    return parse_config({"runtime": {"workers": WORKERS}, "pools": pools, "listeners": listeners})


def run(first: Config, test: Callable[[Control, Told], Awaitable[None]]) -> None:
    async def main() -> None:
        told = Told()
        control = Control(first, spawn="thread", log=told)
        await control.start()
        try:
            await test(control, told)
        finally:
            await control.stop()
            view = control.view()  # still readable, and nothing of it needs an open socket
            assert [listener.receive_bytes for listener in view.listeners] == [0, 0]
            control.close()

    asyncio.run(main())


def test_bounds_of_flows_are_told_at_the_start_and_after_every_reload() -> None:
    async def test(control: Control, told: Told) -> None:
        [first] = told.of("flow_bound")
        assert (first["listener"], first["flows"], first["by"]) == ("dns", 50 * WORKERS, "session.max")
        await control.apply(config(max=70))
        second = told.of("flow_bound")[-1]
        assert (second["flows"], second["by"]) == (70 * WORKERS, "session.max")
        assert second["table_bytes"] == first["table_bytes"] * 7 // 5
        assert not told.of("receive_queue_short")

    run(config(max=50), test)


def test_a_short_queue_is_told_at_the_start_and_after_a_reload() -> None:
    allowed = int(Path("/proc/sys/net/core/rmem_max").read_text())
    if os.geteuid() == 0:
        os.seteuid(65534)

    async def test(control: Control, told: Told) -> None:
        [first] = told.of("receive_queue_short")
        assert first["level"] == "warning"
        assert first["why"].startswith(f"listeners.dns.udp.rcvbuf: {allowed * 2} bytes are asked for")
        report = await control.apply(config({"rcvbuf": allowed * 3}))
        assert [why for why in report.warnings if "rcvbuf" in why] == [told.of("receive_queue_short")[-1]["why"]]
        assert str(allowed * 3) in told.of("receive_queue_short")[-1]["why"]

    try:
        run(config({"rcvbuf": allowed * 2}), test)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


def test_udp_counters_and_queues_can_be_seen_and_tcp_has_none() -> None:
    async def test(control: Control, told: Told) -> None:
        dns, web = control.view().listeners
        assert (dns.protocol, dns.receive_bytes, web.protocol, web.receive_bytes) == ("udp", 65536, "tcp", 0)
        assert dns.datagrams is not None
        assert web.datagrams is None
        host, _, port = dns.bind[0].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"?", (host, int(port)))
            async with asyncio.timeout(10):
                while control.view().listeners[0].datagrams["from_clients"] < 1:  # type: ignore[index]
                    await asyncio.sleep(0.005)

    run(config({"rcvbuf": "64K"}), test)


def test_addresses_of_clients_without_the_right_to_them_are_refused_at_the_start_and_at_a_reload() -> None:
    if os.geteuid() != 0:
        pytest.skip("this user never has the right")

    async def test(control: Control, told: Told) -> None:
        os.seteuid(65534)
        try:
            with pytest.raises(StartError, match=r"pools\.p\.udp\.transparent: needs CAP_NET_ADMIN"):
                await control.apply(config(pool={"transparent": "on"}))
        finally:
            os.seteuid(0)
        assert control.generation == 1

    run(config(), test)
