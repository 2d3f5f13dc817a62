"""Choices without a socket: exact sequences, shares, load, and what may be asked."""

import asyncio
import sys
from collections import Counter
from ipaddress import ip_address
from typing import Any, ClassVar

import pytest

from nginy.backend.choice import Client
from nginy.balancer import Simulator, simulate
from nginy.errors import ConfigError, ControlError

A, B, C = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"
KEYS = [f"client {number}" for number in range(3000)]


def test_weighted_turns_are_those_of_the_data_plane() -> None:
    turns = simulate("round_robin", {A: 5, B: 1, C: 1}, range_of(14))
    assert "".join({A: "a", B: "b", C: "c"}[address] for address in turns if address) == "aabacaa" * 2


def range_of(n: int) -> list[str]:
    return [f"{number}" for number in range(n)]


def test_equal_keys_meet_equal_backends_and_weights_are_shares() -> None:
    chosen = simulate("source_hash", {A: 2, B: 1}, KEYS)
    assert chosen == simulate("source_hash", {A: 2, B: 1}, KEYS)
    assert 0.6 < Counter(chosen)[A] / len(KEYS) < 0.73


def test_sessions_that_are_held_are_load() -> None:
    counts = Counter(simulate("least_conn", {A: 5, B: 1, C: 1}, KEYS[:70], hold=70))
    assert counts == {A: 50, B: 10, C: 10}


def test_sessions_end_when_so_many_others_have_begun() -> None:
    one_place = [{"address": A, "max_conns": 1}]
    assert simulate("round_robin", one_place, range_of(3), hold=1) == [A, None, None]
    simulator = Simulator("round_robin", [{"address": A, "max_conns": 1}, {"address": B, "max_conns": 1}], hold=2)
    assert None not in [simulator.choose(key) for key in range_of(2)]
    assert simulator.choose("third") is None


def test_failed_attempts_are_passed_over() -> None:
    simulator = Simulator("source_hash", [A, B, C])
    first = simulator.choose("somebody")
    assert first is not None
    second = simulator.choose("somebody", [first])
    assert second is not None and second != first
    assert {first, second, simulator.choose("somebody", [first, second])} == {A, B, C}


def test_backends_are_rows_of_the_configuration_too() -> None:
    rows = [{"address": A, "state": "drain"}, {"address": B, "weight": 0}, {"address": C, "backup": True}]
    assert simulate("round_robin", rows, range_of(2)) == [C, C]


@pytest.mark.parametrize(
    ("policy", "backends", "says"),
    [
        ("nearest", [A], "nearest"),
        ({"kind": "round_robin", "speed": 3}, [A], "speed"),
        ("round_robin", ["10.0.0.1"], "10.0.0.1"),
        ("round_robin", [], "backends"),
    ],
)
def test_what_the_configuration_refuses_is_refused_with_its_words(
    policy: object, backends: list[str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        simulate(policy, backends, range_of(1))


def test_a_number_is_no_key() -> None:
    with pytest.raises(TypeError, match="a key is text, bytes or a Client, not 7"):
        simulate("source_hash", [A, B], [7])


def test_host_names_are_not_looked_up() -> None:
    with pytest.raises(ValueError, match="write an IP address"):
        simulate("round_robin", ["localhost:80"], range_of(1))


# ---- policies in Python ----


class LeastBusy:
    """Sync, with everything that a policy may have."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def build(self, backends: Any) -> None:
        self.backends = list(backends)

    def start(self, context: Any) -> str:
        return str(context.source_ip)

    def choose(self, state: str, attempt: int) -> Any:
        assert state == "192.0.2.7"
        return sorted(self.backends, key=lambda backend: backend.in_flight / backend.weight)[attempt]

    def release(self, backend: Any, outcome: Any) -> None:
        assert outcome.kind == "closed"
        self.ended.append(backend.address)


def test_a_class_is_asked_with_context_load_and_attempt() -> None:
    counts = Counter(simulate(LeastBusy, {A: 5, B: 1, C: 1}, ["192.0.2.7:1"] * 70, hold=70))
    assert counts == {A: 50, B: 10, C: 10}
    with Simulator(LeastBusy, [A, B, C]) as simulator:
        assert [simulator.choose("192.0.2.7:1", tried) for tried in ([], [A], [A, B])] == [A, B, C]


def test_an_object_is_told_of_ended_sessions() -> None:
    policy = LeastBusy()
    assert simulate(policy, [A, B], ["192.0.2.7:1"] * 3, hold=1) == [A, B, A]
    assert policy.ended == [A, B]


class Slow:
    """Async, with a task beside it."""

    def build(self, backends: Any) -> None:
        self.backends = backends
        self.task = asyncio.get_running_loop().create_task(asyncio.sleep(3600))

    async def choose(self, context: Any, attempt: int) -> int:
        await asyncio.sleep(0)
        return int(self.backends[len(context.first_bytes)].id)


def test_async_choices_are_awaited() -> None:
    assert simulate(Slow, [A, B, C], [b"", b"x", b"xx"]) == [A, B, C]


class Odd:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def choose(self, context: object, attempt: int) -> object:
        return self.answer


@pytest.mark.parametrize("answer", [None, 7, -1, "10.0.0.1:80", 1])
def test_what_the_fallback_would_have_to_choose_is_nobody(answer: object) -> None:
    assert simulate(Odd(answer), [A, {"address": B, "state": "maint"}], ["192.0.2.7:1"]) == [None]


def test_what_is_no_policy_is_refused() -> None:
    class Empty:
        choose = 3

    with pytest.raises(TypeError, match="Empty has no method choose"):
        simulate(Empty, [A], [])


# ---- classes that a configuration names ----

CLASSES = "tests.tools.policy_classes"


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "call": f"{CLASSES}:{name}", **more}


def test_a_class_that_a_mapping_names_is_asked_with_its_arguments() -> None:
    chosen = simulate(named("python", "Numbered", args={"number": 2}), [A, B, C], ["192.0.2.7:5000"] * 3)
    assert chosen == [C, C, C]
    assert simulate(named("python", "ByPort"), [A, B, C], [f"192.0.2.7:{port}" for port in (9, 10, 11)]) == [A, B, C]


@pytest.mark.parametrize("name", ["Nobody", "Stranger", "Nonsense"])
def test_what_a_named_class_leaves_open_its_fallback_chooses(name: str) -> None:
    policy = named("python", name, fallback="least_conn")
    assert Counter(simulate(policy, {A: 5, B: 1, C: 1}, ["192.0.2.7"] * 70, hold=70)) == {A: 50, B: 10, C: 10}
    by_source = {"kind": "maglev", "key": "source"}
    keys = [f"192.0.2.{number}" for number in range(100)]
    assert simulate(named("python", name, fallback=by_source), [A, B, C], keys) == simulate(by_source, [A, B, C], keys)


def test_a_class_is_told_of_the_end_of_the_session_that_ended() -> None:
    class Remembering:
        ended: ClassVar[list[str]] = []

        def build(self, backends: Any) -> None:
            self.backends = backends

        def start(self, context: Any) -> Any:
            return context

        def choose(self, context: Any, attempt: int) -> Any:
            return self.backends[0]

        def release(self, backend: Any, outcome: Any) -> None:
            self.ended.append(outcome.state.source)

    simulate(Remembering, [A], ["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"], hold=1)
    assert Remembering.ended == ["192.0.2.1:1", "192.0.2.2:2"]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (named("python", "Numbered"), "Numbered needs 'number'"),
        (named("python", "ByPort", args={"a": 1}), "ByPort takes no argument 'a'"),
        (named("python", "Missing"), "has no class 'Missing'"),
        (named("table", "Missing"), "has no class 'Missing'"),
    ],
)
def test_a_class_that_cannot_be_had_is_refused(policy: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        simulate(policy, [A, B], range_of(1))


def test_what_a_table_publishes_is_what_is_chosen() -> None:
    assert simulate(named("table", "Weights"), [A, B, C], range_of(4)) == [C] * 4
    by_key = named("table", "Keys", fallback="random")
    chosen = simulate(by_key, [A, B, C], [Client(ip=ip_address(f"127.0.0.{n}")) for n in (3, 3, 3, 4, 4, 4, 4, 4)])
    assert chosen[:3] == [C] * 3 and set(chosen) == {A, C}, "the second backend has no weight"
    for form in ("ring", "maglev"):
        policy = named("table", "OwnRing", args={"form": form}, fallback=form)
        assert set(simulate(policy, [A, B, C], KEYS[:50])) == {B}


def test_turns_go_on_when_a_table_publishes() -> None:
    class Later:
        publish: Any

        def build(self, backends: Any) -> None:
            self.task = asyncio.get_running_loop().create_task(self.tell(backends))

        async def tell(self, backends: Any) -> None:
            while True:
                self.publish({backends[0]: 2, backends[1]: 2})
                await asyncio.sleep(0)

    sys.modules["__main__"].Later = Later  # type: ignore[attr-defined]
    try:
        assert simulate({"kind": "table", "call": "__main__:Later"}, [A, B, C], range_of(6)) == [A, B] * 3
    finally:
        del sys.modules["__main__"].Later  # type: ignore[attr-defined]


def test_a_table_that_its_fallback_cannot_look_up_is_refused() -> None:
    with pytest.raises(ValueError, match="looks up no such table: a ring needs `ring`"):
        simulate(named("table", "OwnRing"), [A, B], range_of(1))


@pytest.mark.parametrize("key", ["source", "tuple"])
def test_an_address_may_go_without_its_port(key: str) -> None:
    policy = {"kind": "maglev", "key": key}
    for address in ("192.0.2.7", "2001:db8::7", "[2001:db8::7]"):
        bare = address.strip("[]")
        full = f"[{bare}]:0" if ":" in bare else f"{bare}:0"
        assert simulate(policy, [A, B, C], [address]) == simulate(policy, [A, B, C], [full])
    with pytest.raises(ValueError, match=f"'somebody' is not a key of kind `{key}`: write ip, ip:port"):
        simulate(policy, [A, B, C], ["somebody"])


class ByUser:
    """The first four bytes are the key; a client that says nothing has none."""

    async def key(self, context: Any) -> bytes:
        return bytes(context.first_bytes[:4])


@pytest.mark.parametrize("compat", ["off", "nginx"])
def test_a_class_that_says_the_key_is_asked(compat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "ByUser", ByUser, raising=False)
    policy = {"kind": "ring", "compat": compat}
    texts = [b"%04d and more" % number for number in range(200)]
    chosen = simulate(policy | {"key": {"kind": "call", "call": "__main__:ByUser"}}, [A, B, C], texts)
    assert chosen == simulate(policy, [A, B, C], [text[:4] for text in texts])
    assert len(set(chosen)) == 3
    asked = {**policy, "key": {"kind": "call", "call": "__main__:ByUser"}}
    assert simulate(asked, [A, B], ["192.0.2.9:5"]) == simulate(policy | {"key": "source"}, [A, B], ["192.0.2.9"])


@pytest.mark.parametrize(
    "key",
    [
        {"kind": "header", "name": "X-User"}, {"kind": "cookie", "name": "sid"}, {"kind": "query", "name": "user"},
        "path", {"kind": "path", "segments": 1}, "host",
    ],
    ids=str,
)  # fmt: skip
def test_keys_of_requests_are_what_requests_say(key: Any) -> None:
    said = [f"/user-{number}" if "path" in str(key) else f"user-{number}" for number in range(300)]
    chosen = simulate({"kind": "ring", "key": key}, [A, B, C], said)
    assert chosen == simulate({"kind": "ring", "key": key}, [A, B, C], said)
    assert set(chosen) == {A, B, C}
    by_text = simulate({"kind": "ring", "key": "session"}, [A, B, C], said)
    assert chosen == by_text  # the bytes of the key decide, wherever they come from


def test_a_path_cannot_be_any_text() -> None:
    with pytest.raises(ControlError, match="does not begin with a slash"):
        simulate({"kind": "ring", "key": "path"}, [A], ["user"])
