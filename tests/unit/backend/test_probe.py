"""Checks that repeat: nothing but edges comes out of them."""

from nginy.backend.probe import Prober
from nginy.backend.registry import BackendKey

from .conftest import Run
from .edges import BUSY, OK, Edges, checks_done, probing
from .peers import Visit, closed_port, http, key, listening, peer, says, target, tcp, until

HOUR = tcp(interval=3600, jitter=0)


def test_prober_listening_backend_goes_up_once(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer() as backend, probing(edges) as prober:
            name = key(backend.address)
            prober.set({name: target(backend.address, tcp())})
            assert (prober.verdict(name), prober.results(name)) == ("unknown", None)
            await until(lambda: checks_done(prober, 5), "five checks")
            assert edges.told == [(name, "up")]
            assert prober.verdicts() == {name: "up"}
            last = prober.results(name)
            assert last is not None
            assert last.text.startswith("tcp: connected in ")
            assert 0 <= last.age_s < 20
            assert prober.counters.failed == 0

    run(scenario)


def test_prober_first_check_comes_at_once_whatever_the_interval(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer() as backend, probing(edges) as prober:
            prober.set({key(backend.address): target(backend.address, HOUR)})
            await until(lambda: edges.told, "the first verdict")

    run(scenario)


def test_prober_refusing_backend_goes_down_after_fall_checks(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        with closed_port() as address:
            async with probing(edges) as prober:
                name = key(address)
                prober.set({name: target(address, tcp(fall=4))})
                await until(lambda: edges.told, "an edge")
                assert (edges.told, prober.counters.failed) == ([(name, "down")], 4)
                await until(lambda: checks_done(prober, 8), "more checks")
                assert edges.told == [(name, "down")]
                assert prober.results(name).text == "refused"

    run(scenario)


def test_prober_silent_backend_times_out_and_goes_down(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        with listening() as address:
            async with probing(edges) as prober:
                prober.set({key(address): target(address, http(timeout=0.1, fall=2))})
                await until(lambda: edges.of(key(address)) == ["down"], "down")
                assert prober.results(key(address)).text == "timed out after 100 ms"

    run(scenario)


def test_prober_backend_goes_and_returns_two_edges(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer() as backend, probing(edges) as prober:
            name = key(backend.address)
            prober.set({name: target(backend.address, tcp(fall=2, rise=2))})
            for rounds in range(1, 4):
                await until(lambda: prober.verdict(name) == "up", "up")
                await backend.close()
                await until(lambda: prober.verdict(name) == "down", "down")
                assert edges.of(name) == ["up", "down"] * rounds
                backend.open()

    run(scenario)


def test_prober_rise_one_backend_that_returns_is_up_within_an_interval(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer() as backend, probing(edges) as prober:
            name = key(backend.address)
            await backend.close()
            prober.set({name: target(backend.address, tcp(interval=0.3, jitter=0.1, fall=1))})
            await until(lambda: prober.verdict(name) == "down", "down")
            backend.open()
            failed = prober.counters.failed
            await until(lambda: prober.verdict(name) == "up", "up")
            assert prober.counters.failed == failed
            assert backend.accepted == 1

    run(scenario)


def test_prober_flapping_below_fall_and_rise_tells_nothing(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        visits = 0

        async def flap(visit: Visit) -> None:
            nonlocal visits
            visits += 1
            await visit.request()
            await visit.say(OK if visits <= 2 or visits % 3 == 0 else BUSY)

        async with peer(flap) as backend, probing(edges) as prober:
            name = key(backend.address)
            prober.set({name: target(backend.address, http(fall=3, rise=2))})
            await until(lambda: checks_done(prober, 40), "forty checks")
            assert edges.of(name) == ["up"]
            assert prober.counters.failed >= 20

    run(scenario)


def test_prober_wrong_status_goes_down_and_says_which(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()
        async with peer(says(BUSY)) as backend, probing(edges) as prober:
            name = key(backend.address)
            prober.set({name: target(backend.address, http())})
            await until(lambda: edges.of(name) == ["down"], "down")
            assert prober.results(name).text == "http 503, expected 200-299"

    run(scenario)


def test_prober_listener_that_raises_does_not_end_the_checks(run: Run) -> None:
    async def scenario() -> None:
        edges = Edges()

        def refuse(key: BackendKey, verdict: str) -> None:
            raise RuntimeError("not now")

        async with peer() as backend:
            prober = Prober(refuse, edges)
            prober.set({key(backend.address): target(backend.address, tcp())})
            await until(lambda: checks_done(prober, 5), "further checks")
            await prober.stop()
            assert edges.logged == ["check_broken"]

    run(scenario)
