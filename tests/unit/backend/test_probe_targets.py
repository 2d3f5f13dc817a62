"""Changing what is checked while it is being checked."""

from nginy.backend.probe import Prober, targets_of
from nginy.backend.registry import BackendKey, resolve_backends
from nginy.model import Config

from .conftest import Run
from .edges import OK, Edges, checks_done, probing
from .peers import Visit, closed_port, http, key, peer, says, silent, target, tcp, until

HOUR = tcp(interval=3600, jitter=0)


def test_prober_same_targets_again_nothing_starts_anew(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer() as old, peer() as new, probing(edges) as prober:
            prober.set({key(old.address): target(old.address, HOUR)})
            await until(lambda: edges.of(key(old.address)), "the verdict")
            last = prober.results(key(old.address))
            for _ in range(3):
                again = {key(old.address): target(old.address, tcp(interval=3600, jitter=0))}
                prober.set({**again, key(new.address): target(new.address, tcp())})
            # 15 checks of the new one take longer than the first check of a restarted old one may wait
            await until(lambda: new.accepted >= 15, "checks of the new backend")
            assert old.accepted == 1
            assert prober.results(key(old.address)) is last
            assert prober.verdict(key(old.address)) == "up"

    run(scenario)


def test_prober_changed_health_keeps_the_verdict_and_checks_anew(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer(says(OK)) as backend, probing(edges) as prober:
            name = key(backend.address)
            prober.set({name: target(backend.address, HOUR)})
            await until(lambda: edges.told, "the verdict")
            last = prober.results(name)
            prober.set({name: target(backend.address, http(start="down", rise=3))})
            assert prober.verdict(name) == "up"
            assert prober.results(name) is last
            await until(lambda: prober.results(name).text.startswith("http 200"), "a check of the new kind")
            assert edges.told == [(name, "up")]

    run(scenario)


def test_prober_changed_fall_acts_on_the_counts_so_far(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        with closed_port() as address:
            async with probing(edges) as prober:
                name = key(address)
                prober.set({name: target(address, tcp(fall=1000))})
                await until(lambda: checks_done(prober, 5), "five checks")
                assert edges.told == []
                before = prober.counters.checks
                prober.set({name: target(address, tcp(fall=5))})
                await until(lambda: edges.told, "the edge")
                assert prober.counters.checks == before + 1

    run(scenario)


def test_prober_address_from_another_name_keeps_the_verdict(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer() as backend, probing(edges) as prober:
            first = key(backend.address, name="one.example:80")
            second = key(backend.address, name="two.example:80")
            prober.set({first: target(backend.address, tcp())})
            await until(lambda: edges.told, "the verdict")
            prober.set({second: target(backend.address, tcp())})
            assert prober.verdicts() == {second: "up"}
            done = prober.counters.checks
            await until(lambda: checks_done(prober, done + 2), "checks under the new name")
            assert edges.told == [(first, "up")]
            prober.set({key(backend.address, pool="other"): target(backend.address, tcp())})
            assert list(prober.verdicts().values()) == ["unknown"]

    run(scenario)


def test_prober_removed_backend_is_never_heard_of_again(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        ended: list[bool] = []

        async def hold(visit: Visit) -> None:
            await silent(visit)
            ended.append(True)

        async with peer(hold) as backend, probing(edges) as prober:
            name = key(backend.address)
            prober.set({name: target(backend.address, http(fall=1))})
            await until(lambda: backend.accepted, "a check under way")
            prober.set({})
            assert (prober.verdict(name), prober.results(name), prober.verdicts()) == ("unknown", None, {})
            await until(lambda: ended, "the check's connection to end")
            assert edges.told == []

    run(scenario)


def test_prober_stop_with_many_checks_under_way_leaves_nothing(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer(silent) as backend, probing(edges) as prober:
            names = [key(backend.address, name=f"n{nth}:1", pool=f"p{nth}") for nth in range(100)]
            prober.set({name: target(backend.address, http()) for name in names})
            await until(lambda: backend.accepted >= 20, "checks under way")
            await prober.stop()
            assert prober.verdicts() == {}
            assert edges.told == []
            await prober.stop()

    run(scenario)


def test_prober_listener_may_change_the_targets(run: Run) -> None:
    async def scenario() -> None:
        async with peer() as one, peer() as two:
            told: list[BackendKey] = []

            def move(name: BackendKey, verdict: str) -> None:
                told.append(name)
                prober.set({key(two.address): target(two.address, tcp())})

            prober = Prober(move)
            prober.set({key(one.address): target(one.address, tcp())})
            await until(lambda: len(told) == 2, "both verdicts")
            assert told == [key(one.address), key(two.address)]
            assert list(prober.verdicts()) == [key(two.address)]
            await prober.stop()

    run(scenario)


def test_targets_are_the_backends_that_are_to_be_checked(run: Run) -> None:
    config = Config.model_validate(
        {
            "pools": {
                "checked": {
                    "health": "http",
                    "backends": [
                        "one.example:80",
                        "unix:/run/socket",
                        {"address": "192.0.2.9:80", "state": "drain"},
                        {"address": "192.0.2.10:80", "state": "maint"},
                    ],
                },
                "trusted": {"backends": ["192.0.2.20:80"]},
            },
            "listeners": {"in": {"bind": ":0", "pool": "checked"}},
        }
    )

    async def two(host: str) -> list[str]:
        return ["192.0.2.2", "192.0.2.1"]

    async def scenario() -> None:
        targets = targets_of(config, await resolve_backends(config, lookup=two))
        assert [(wanted.address, wanted.host) for wanted in targets.values()] == [
            ("192.0.2.1:80", "one.example:80"),
            ("192.0.2.2:80", "one.example:80"),
            ("unix:/run/socket", "localhost"),
            ("192.0.2.9:80", "192.0.2.9:80"),
        ]
        assert {name.pool for name in targets} == {"checked"}

    run(scenario)
