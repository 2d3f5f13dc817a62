"""Names that become backends, with a scripted resolver, and once with the system's own."""

import random
from ipaddress import ip_address

import pytest

from nginy.backend.names import ADDRESSES_MAX, LOOKUPS_AT_ONCE
from nginy.backend.registry import resolve_backends
from nginy.errors import ConfigError

from .conftest import Run
from .peers import until
from .zone import FAILED, Events, Zone, addresses, config_of, following


def test_resolve_literals_need_no_lookup_and_keep_their_order(run: Run) -> None:
    async def scenario() -> None:
        zone = Zone()
        literals = ["192.0.2.2:80", "[2001:db8::1]:80", "unix:/run/a", "192.0.2.1:80"]
        resolved = await resolve_backends(config_of(api=literals), lookup=zone)
        assert addresses(resolved["api"]) == literals
        assert zone.asked == []

    run(scenario)


def test_resolve_name_stands_for_all_its_addresses_in_a_steady_order(run: Run) -> None:
    async def scenario() -> None:
        found = ["2001:db8::2", "192.0.2.10", "2001:db8::1", "192.0.2.9", "192.0.2.10"]
        config = config_of(api=["a.test:80", "192.0.2.1:81"])
        seen = set()
        for seed in range(5):
            random.Random(seed).shuffle(found)
            resolved = await resolve_backends(config, lookup=Zone(a_test=list(found)))
            seen.add(tuple(addresses(resolved["api"])))
        assert seen == {
            ("192.0.2.9:80", "192.0.2.10:80", "[2001:db8::1]:80", "[2001:db8::2]:80", "192.0.2.1:81")
        }

    run(scenario)


def test_resolve_fields_of_the_configured_backend_are_copied(run: Run) -> None:
    async def scenario() -> None:
        wanted = {"address": "a.test:80", "weight": 7, "tier": 2, "state": "drain", "max_conns": 9}
        zone = Zone(a_test=["192.0.2.1", "192.0.2.2"])
        resolved = await resolve_backends(config_of(api=[wanted]), lookup=zone)
        for backend in resolved["api"]:
            assert (backend.weight, backend.tier, backend.state, backend.max_conns) == (7, 2, "drain", 9)
            assert backend.key == ("api", "a.test:80", backend.address)
            assert backend.pool == "api"

    run(scenario)


def test_resolve_address_that_comes_twice_belongs_to_the_first(run: Run) -> None:
    async def scenario() -> None:
        config = config_of(
            api=[{"address": "192.0.2.2:80", "weight": 5}, "a.test:80", "b.test:80", "b.test:81"],
            other=["a.test:80"],
        )
        zone = Zone(a_test=["192.0.2.2", "192.0.2.1"], b_test=["192.0.2.1", "192.0.2.3"])
        resolved = await resolve_backends(config, lookup=zone)
        found = [(backend.key.name, backend.address, backend.weight) for backend in resolved["api"]]
        assert found == [
            ("192.0.2.2:80", "192.0.2.2:80", 5),
            ("a.test:80", "192.0.2.1:80", 1),
            ("b.test:80", "192.0.2.3:80", 1),
            ("b.test:81", "192.0.2.1:81", 1),
            ("b.test:81", "192.0.2.3:81", 1),
        ]
        assert addresses(resolved["other"]) == ["192.0.2.1:80", "192.0.2.2:80"]
        assert sorted(zone.asked) == ["a.test", "b.test"]

    run(scenario)


def test_resolve_localhost_by_the_system_is_a_loopback_address(run: Run) -> None:
    async def scenario() -> None:
        resolved = await resolve_backends(config_of(api=["localhost:80"]))
        found = [address.rpartition(":")[0].strip("[]") for address in addresses(resolved["api"])]
        assert found
        assert all(ip_address(host).is_loopback for host in found)

    run(scenario)


def test_resolve_every_name_without_an_address_is_one_problem_each(run: Run) -> None:
    async def scenario() -> None:
        config = config_of(
            api=["192.0.2.1:80", "good.test:80", "gone.test:80"],
            db=["empty.test:1", "slow.test:1", "gone.test:2", "garbage.test:1"],
        )
        zone = Zone(
            good_test=["192.0.2.2"], gone_test=FAILED, empty_test=[], slow_test=None, garbage_test=["x"]
        )
        with pytest.raises(ConfigError) as caught:
            await resolve_backends(config, lookup=zone, timeout_s=0.1, source="my.yaml")
        problems = {problem.path: problem.message for problem in caught.value.problems}
        assert problems == {
            "pools.api.backends[2].address": "no address for gone.test: name or service not known",
            "pools.db.backends[0].address": "no address for empty.test: no addresses",
            "pools.db.backends[1].address": "no address for slow.test: no answer within 0.1 s",
            "pools.db.backends[2].address": "no address for gone.test: name or service not known",
            "pools.db.backends[3].address": (
                "no address for garbage.test: 'x' does not appear to be an IPv4 or IPv6 address"
            ),
        }
        assert {problem.file for problem in caught.value.problems} == {"my.yaml"}

    run(scenario)


def test_resolve_lookups_at_once_are_bounded(run: Run) -> None:
    async def scenario() -> None:
        names = [f"n{nth}.test" for nth in range(40)]
        zone = Zone()
        zone.answers = {name: [f"192.0.2.{nth + 1}"] for nth, name in enumerate(names)}
        zone.pause_s = 0.01
        resolved = await resolve_backends(config_of(api=[f"{name}:80" for name in names]), lookup=zone)
        assert addresses(resolved["api"]) == [f"192.0.2.{nth + 1}:80" for nth in range(40)]
        assert zone.most == LOOKUPS_AT_ONCE

    run(scenario)


def test_resolve_thousand_addresses_are_cut_and_logged_once(run: Run) -> None:
    async def scenario() -> None:
        events = Events()
        many = [f"10.0.{nth // 250}.{nth % 250 + 1}" for nth in range(1000)]
        zone = Zone(a_test=many)
        async with following(config_of(0.1, api=["a.test:80"]), zone, events) as resolver:
            assert len(resolver.backends["api"]) == ADDRESSES_MAX
            zone.answers["a.test"] = list(reversed(many))
            await until(lambda: len(zone.asked) >= 4, "more look-ups")
            assert events.changes == []
        capped = {"name": "a.test", "found": 1000, "used": ADDRESSES_MAX}
        assert events.logged == [("resolve_capped", capped)]

    run(scenario)
