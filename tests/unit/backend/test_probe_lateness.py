"""A control that could not look, or was short of something itself, condemns nobody."""

import asyncio
import resource
import time

import pytest

from nginy.backend import probe
from nginy.backend.check import LATE_S

from .conftest import Run
from .edges import OK, Edges, checks_done, probing
from .peers import Visit, http, key, listening, peer, says, silent, target, tcp, until


def test_prober_checks_at_once_are_bounded_and_waiting_is_no_failure(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        live, most = 0, 0

        async def slow(visit: Visit) -> None:
            nonlocal live, most
            live += 1
            most = max(most, live)
            try:
                await visit.request()
                await asyncio.sleep(LATE_S)
                # The place is free for the next check as soon as this one has its answer.
                live -= 1
                await visit.say(OK)
            except ConnectionError:
                live -= 1

        async with peer(slow) as backend, probing(edges, checks_at_once=4) as prober:
            names = [key(backend.address, pool=f"p{nth}") for nth in range(24)]
            prober.set({name: target(backend.address, http(fall=1)) for name in names})
            await until(lambda: len(edges.told) == 24, "a verdict for all")
            await until(lambda: checks_done(prober, 48), "another round")
            assert most == 4
            assert {verdict for _, verdict in edges.told} == {"up"}
            assert len(edges.told) == 24
            assert prober.counters.late_starts > 0
            assert prober.counters.failed == 0

    run(scenario)


def test_prober_loop_that_stands_still_makes_checks_late_not_failed(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer(says(OK)) as backend, probing(edges) as prober:
            names = [key(backend.address, pool=f"p{nth}") for nth in range(10)]
            prober.set({name: target(backend.address, http(timeout=0.05, fall=1)) for name in names})
            await until(lambda: len(edges.told) == 10, "a verdict for all")
            for _ in range(10):
                time.sleep(0.1)
                done = prober.counters.checks
                await until(lambda done=done: checks_done(prober, done + 5), "more checks")
            assert {verdict for _, verdict in edges.told} == {"up"}
            assert prober.counters.late_starts > 0

    run(scenario)


def test_prober_check_that_control_slept_through_counts_for_nothing(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        naps = 0

        async def nap_once(visit: Visit) -> None:
            nonlocal naps
            await visit.request()
            if edges.told and not naps:
                naps += 1
                time.sleep(0.4)
                await silent(visit)
            await visit.say(OK)

        async with peer(nap_once) as backend, probing(edges) as prober:
            name = key(backend.address)
            prober.set({name: target(backend.address, http(timeout=0.1, fall=1))})
            await until(lambda: prober.counters.voided, "a void check")
            assert prober.results(name).text == "timed out after 100 ms"
            done = prober.counters.checks
            await until(lambda: checks_done(prober, done + 5), "further checks")
            assert edges.of(name) == ["up"]
            assert (prober.counters.voided, prober.counters.failed) == (1, 1)

    run(scenario)


def test_prober_always_late_silent_backend_still_goes_down(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()

        async def nap(visit: Visit) -> None:
            await visit.request()
            time.sleep(0.2)
            await silent(visit)

        async with peer(nap) as backend, probing(edges) as prober:
            name = key(backend.address)
            prober.set({name: target(backend.address, http(timeout=0.05, fall=2))})
            await until(lambda: edges.of(name) == ["down"], "down")
            assert prober.counters.voided >= 1

    run(scenario)


def test_prober_after_a_long_stop_checks_are_spread_not_a_burst(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "SUSPEND_S", 0.05)

    async def scenario() -> None:
        edges = Edges()
        visits_s: list[float] = []

        async def note(visit: Visit) -> None:
            visits_s.append(time.monotonic())

        async with peer(note) as backend, probing(edges) as prober:
            names = [key(backend.address, pool=f"p{nth}") for nth in range(50)]
            prober.set({name: target(backend.address, tcp(interval=0.5)) for name in names})
            await until(lambda: len(edges.told) == 50, "a verdict for all")
            time.sleep(1.2)
            visits_s.clear()
            await until(lambda: len(visits_s) >= 50, "another round")
            assert visits_s[49] - visits_s[0] > 0.2
            assert len(edges.told) == 50

    run(scenario)


def test_prober_jitter_moves_the_checks(run: Run) -> None:
    async def scenario() -> None:
        visits_s: list[float] = []

        async def note(visit: Visit) -> None:
            visits_s.append(time.monotonic())

        async with peer(note) as backend, probing(Edges()) as prober:
            prober.set({key(backend.address): target(backend.address, tcp(interval=0.05, jitter=1.0))})
            await until(lambda: len(visits_s) > 20, "twenty gaps")
        gaps_s = [after - before for before, after in zip(visits_s, visits_s[1:], strict=False)]
        assert min(gaps_s) < 0.03
        assert max(gaps_s) > 0.06

    run(scenario)


def test_prober_without_descriptors_condemns_nobody(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with listening(backlog=512) as address:
            async with probing(edges) as prober:
                prober.set({key(address): target(address, tcp(fall=1))})
                await until(lambda: edges.told, "up")
                resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
                try:
                    await until(lambda: prober.counters.voided >= 5, "void checks")
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                assert edges.of(key(address)) == ["up"]

    run(scenario)
