"""Names looked up again and again: what changes is told, what fails keeps its last addresses."""

import asyncio

import pytest

from nginy.backend.registry import Resolver
from nginy.errors import ConfigError

from .conftest import Run
from .peers import until
from .zone import FAILED, Events, Zone, addresses, config_of, following


def test_resolver_changed_answer_changes_the_pool_and_tells(run: Run) -> None:
    async def scenario() -> None:
        events = Events()
        zone = Zone(a_test=["192.0.2.1", "192.0.2.2"], b_test=["192.0.2.7"])
        config = config_of(0.1, api=["a.test:80"], other=["b.test:80"])
        async with following(config, zone, events) as resolver:
            assert addresses(resolver.backends["api"]) == ["192.0.2.1:80", "192.0.2.2:80"]
            zone.answers["a.test"] = ["192.0.2.2", "192.0.2.3"]
            await until(lambda: events.changes, "the change")
            assert addresses(resolver.backends["api"]) == ["192.0.2.2:80", "192.0.2.3:80"]
            asked = len(zone.asked)
            await until(lambda: len(zone.asked) >= asked + 6, "more look-ups")
            assert events.changes == ["api"]
        assert events.logged == [
            ("backends_resolved", {"pool": "api", "added": ["192.0.2.3:80"], "removed": ["192.0.2.1:80"]})
        ]

    run(scenario)


def test_resolver_address_that_moves_to_another_name_is_a_change(run: Run) -> None:
    async def scenario() -> None:
        events = Events()
        zone = Zone(a_test=["192.0.2.1", "192.0.2.2"], b_test=["192.0.2.2"])
        config = config_of(0.1, api=["a.test:80", {"address": "b.test:80", "weight": 9}])
        async with following(config, zone, events) as resolver:
            zone.answers["a.test"] = ["192.0.2.1"]
            await until(lambda: events.changes, "the change")
            assert [backend.weight for backend in resolver.backends["api"]] == [1, 9]

    run(scenario)


@pytest.mark.parametrize("trouble", [FAILED, [], OSError(5, "broken"), ["not an address"]])
def test_resolver_failing_name_keeps_its_addresses_and_is_logged_per_edge(run: Run, trouble: object) -> None:
    async def scenario() -> None:
        events = Events()
        zone = Zone(a_test=["192.0.2.1"])
        async with following(config_of(0.1, api=["a.test:80"]), zone, events) as resolver:
            for rounds in range(1, 3):
                zone.answers["a.test"] = trouble
                asked = len(zone.asked)
                await until(lambda asked=asked: len(zone.asked) >= asked + 3, "failing look-ups")
                assert addresses(resolver.backends["api"]) == ["192.0.2.1:80"]
                zone.answers["a.test"] = ["192.0.2.1"]
                both = ["resolve_failed", "resolve_recovered"] * rounds
                await until(lambda both=both: events.kinds() == both, "the recovery")
            assert events.changes == []

    run(scenario)


def test_resolver_stuck_lookup_is_not_started_twice_and_keeps_the_addresses(run: Run) -> None:
    async def scenario() -> None:
        events = Events()
        zone = Zone(a_test=["192.0.2.1"])
        async with following(config_of(0.1, api=["a.test:80"]), zone, events, timeout_s=0.05) as resolver:
            zone.answers["a.test"] = None
            await until(lambda: events.kinds() == ["resolve_failed"], "the failure")
            asked = len(zone.asked)
            zone.answers["a.test"] = ["192.0.2.9"]
            # Two further rounds at least: they join the stuck one instead of asking again.
            await asyncio.wait_for(asyncio.shield(rounds_of(resolver, 2)), 20)
            assert (len(zone.asked), zone.most) == (asked, 1)
            assert addresses(resolver.backends["api"]) == ["192.0.2.1:80"]
            assert events.logged[0][1]["reason"] == "no answer within 0.05 s"

    async def rounds_of(resolver: Resolver, count: int) -> None:
        for _ in range(count):
            await resolver._names.refresh("a.test")

    run(scenario)


def test_resolver_follow_is_a_diff_and_forgets_what_is_gone(run: Run) -> None:
    async def scenario() -> None:
        events = Events()
        zone = Zone(a_test=["192.0.2.1"], b_test=["192.0.2.2"], c_test=["192.0.2.3"])
        async with following(config_of(api=["a.test:80", "b.test:80"]), zone, events) as resolver:
            task = resolver._tasks["api"]
            wanted = {"address": "a.test:81", "weight": 4}
            reweighed = config_of(api=["b.test:80", wanted], more=["c.test:1"], plain=["192.0.2.9:1"])
            zone.asked.clear()
            resolved = await resolver.resolve(reweighed)
            assert zone.asked == ["c.test"]
            assert addresses(resolver.backends["api"]) == ["192.0.2.1:80", "192.0.2.2:80"]
            assert resolver.follow(reweighed) == resolved == resolver.backends
            assert resolver._tasks["api"] is task
            assert set(resolver._tasks) == {"api", "more"}
            assert [backend.weight for backend in resolver.backends["api"]] == [1, 4]
            last = config_of(more=["c.test:1"])
            await resolver.resolve(last)
            resolver.follow(last)
            assert set(resolver._tasks) == {"more"}
            assert resolver.answers == {"c.test": ("192.0.2.3",)}
            await until(task.cancelled, "the old task to end")
        assert events.changes == []

    run(scenario)


def test_resolver_refused_configuration_changes_nothing(run: Run) -> None:
    async def scenario() -> None:
        events = Events()
        zone = Zone(a_test=["192.0.2.1"], bad_test=FAILED)
        config = config_of(0.1, api=["a.test:80"])
        async with following(config, zone, events) as resolver:
            with pytest.raises(ConfigError):
                await resolver.resolve(config_of(api=["bad.test:80"]))
            zone.answers["a.test"] = ["192.0.2.5"]
            await until(lambda: events.changes, "the old configuration to be kept fresh")
            assert addresses(resolver.backends["api"]) == ["192.0.2.5:80"]
            assert events.kinds() == []

    run(scenario)


def test_resolver_known_answers_serve_while_names_fail_at_start(run: Run) -> None:
    async def scenario() -> None:
        events = Events()
        zone = Zone(a_test=FAILED)
        config = config_of(0.1, api=["a.test:80"])
        async with following(config, zone, events, known={"a.test": ["192.0.2.4"]}) as resolver:
            assert addresses(resolver.backends["api"]) == ["192.0.2.4:80"]
            assert events.kinds() == ["resolve_failed"]
            zone.answers["a.test"] = ["192.0.2.5"]
            await until(lambda: events.changes == ["api"], "the first look-up that works")
            assert addresses(resolver.backends["api"]) == ["192.0.2.5:80"]

    run(scenario)


def test_resolver_listener_that_raises_does_not_end_the_lookups(run: Run) -> None:
    async def scenario() -> None:
        zone = Zone(a_test=["192.0.2.1"])
        told: list[str] = []

        def refuse(pool: str) -> None:
            told.append(pool)
            raise RuntimeError("not now")

        config = config_of(0.1, api=["a.test:80"])
        resolver = Resolver(refuse, lookup=zone)
        await resolver.resolve(config)
        resolver.follow(config)
        for nth in range(2, 4):
            zone.answers["a.test"] = [f"192.0.2.{nth}"]
            await until(lambda nth=nth: len(told) == nth - 1, "the change")
        await resolver.stop()

    run(scenario)


def test_resolver_stop_while_lookups_are_under_way_leaves_nothing(run: Run) -> None:
    async def scenario() -> None:
        zone = Zone(a_test=["192.0.2.1"])
        async with following(config_of(0.1, api=["a.test:80"]), zone, Events()):
            zone.answers["a.test"] = None
            await until(lambda: zone.live, "a look-up under way")
        assert zone.live == 0

    run(scenario)
