"""What a client would get, and why; how clients are shared; what is no question."""

import asyncio
from collections import Counter
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from nginy.backend.choice import Client, Known
from nginy.backend.owntables import map_of, table_from
from nginy.backend.registry import BackendKey, resolve_backends
from nginy.backend.route import SHARED_CLIENTS, Ask, route
from nginy.backend.trial import Trial
from nginy.balancer.packed import pack_ring
from nginy.config import parse_config
from nginy.errors import ControlError

A, B, C = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"


def trial(backends: list[Any], policy: Any = "source_hash", **given: Any) -> Trial:
    tree = {
        "version": 1,
        "pools": {"back": {"policy": policy, "backends": backends, **given.pop("pool", {})}},
        "listeners": {"front": {"bind": "127.0.0.1:1", "pool": "back"}},
    }
    config = parse_config(tree, name="test")
    return Trial(config, asyncio.run(resolve_backends(config)), **given)


def ask(**given: Any) -> Ask:
    return Ask.read(listener="front", **given)


def first_of(backends: list[Any], source: str) -> str:
    answer = route(trial(backends), ask(source=source))
    return str(answer["choices"][0]["address"])


def test_answer_names_pool_policy_key_and_backend() -> None:
    answer = route(trial([A, B, C]), ask(source="192.0.2.7:1234"))
    assert (answer["pool"], answer["policy"], answer["key"]) == ("back", "source_hash", "192.0.2.7")
    first = first_of([A, B, C], "192.0.2.7")
    (choice,) = answer["choices"]
    assert choice == {"pool": "back", "policy": "source_hash", "address": first, "reason": "", "passed": []}


@pytest.mark.parametrize(
    ("row", "given", "why"),
    [
        ({"state": "drain"}, {}, "state is drain"),
        ({"state": "maint"}, {}, "state is maint"),
        ({"weight": 0}, {}, "weight is 0"),
        ({}, {"pool": {"health": {"kind": "tcp", "start": "down"}}}, "down by its health checks"),
    ],
)
def test_a_candidate_that_is_passed_over_is_named_with_its_fault(
    row: dict[str, Any], given: dict[str, Any], why: str
) -> None:
    first = first_of([A, B, C], "192.0.2.7")
    rows = [{"address": address} | (row if address == first else {}) for address in (A, B, C)]
    choice = route(trial(rows, **given), ask(source="192.0.2.7"))["choices"][0]
    assert choice["passed"][0] == {"address": first, "why": why}
    assert choice["address"] != first


def test_a_full_backend_is_passed_over_with_its_counts() -> None:
    first = first_of([A, B, C], "192.0.2.7")
    rows = [{"address": address, "max_conns": 3} for address in (A, B, C)]
    choice = route(trial(rows, in_flight={("back", first): 3}), ask(source="192.0.2.7"))["choices"][0]
    assert choice["passed"] == [{"address": first, "why": "full: 3 sessions, max_conns is 3"}]


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ({"kind": "bounded_ring"}, "at its bound, with 3 sessions"),
        ({"kind": "bounded_maglev"}, "at its bound, with 3 sessions"),
        ({"kind": "hash_preserve", "saturated": 3}, "saturated, with 3 sessions"),
    ],
    ids=lambda given: given["kind"] if isinstance(given, dict) else "",
)
def test_a_backend_that_a_policy_spares_is_named_with_its_load(policy: dict[str, Any], why: str) -> None:
    question = ask(source="192.0.2.7")
    first = route(trial([A, B, C], policy), question)["choices"][0]["address"]
    (choice,) = route(trial([A, B, C], policy, in_flight={("back", first): 3}), question)["choices"]
    assert choice["passed"] == [{"address": first, "why": why}]


@pytest.mark.parametrize("policy", ["round_robin", "least_conn", "random", "first"])
def test_a_policy_that_goes_by_no_key_shows_none(policy: str) -> None:
    answer = route(trial([A, B], policy), ask(source="192.0.2.7"))
    assert (answer["key"], answer["key_hash"]) == ("", "")


def test_what_only_a_running_nginy_knows_counts() -> None:
    pool = {"slow_start": {"window": "10s", "min": 0.001}}
    late = BackendKey("back", A, A)
    known = Known(since={late: 5000}, now_ms=6000)
    young = trial([A, B], "source_hash", pool=dict(pool), known=known)
    counts = Counter(route(young, ask(source=f"192.0.2.{n}"))["choices"][0]["address"] for n in range(60))
    assert counts[A] < counts[B] / 3, "slow start holds it back"
    first = first_of([A, B, C], "192.0.2.7")
    slow = {BackendKey("back", first, first): 5000}
    (choice,) = route(
        trial([A, B, C], pool=dict(pool), known=Known(since=slow, now_ms=5001)), ask(source="192.0.2.7")
    )["choices"]
    assert choice["passed"] == [{"address": first, "why": "held back by slow start, 0.0 s after it came up"}]
    by_load = trial([A, B], "jump_load", known=Known(loads_ms={("back", A): 60_000}))
    counts = Counter(route(by_load, ask(source=f"192.0.2.{n}"))["choices"][0]["address"] for n in range(60))
    assert counts[A] < 12, "it has told of a high load"


def test_maps_and_rings_that_programs_have_published_count() -> None:
    under_way = trial([A, B, C], {"kind": "ring", "key": "source"})
    conf = under_way.config.pools["back"]
    only = map_of("back", conf, {"192.0.2.7": C})
    assert only is not None
    known = Known(own={"back": [only, table_from("back", conf, pack_ring([(7, B)]), (B,))]})
    published = trial([A, B, C], {"kind": "ring", "key": "source"}, known=known)
    assert route(published, ask(source="192.0.2.7"))["choices"][0]["address"] == C
    answer = route(published, ask(source="192.0.2.8"))
    assert answer["choices"][0]["address"] == B and answer["place"].endswith(f"next point 00000007 of {B}")


def test_nobody_is_an_answer_with_its_reason() -> None:
    answer = route(trial([{"address": A, "state": "maint"}]), ask())
    assert answer["choices"][0]["address"] is None and answer["choices"][0]["reason"] == "no_backend"
    answer = route(trial([{"address": A, "max_conns": 1}], in_flight={("back", A): 1}), ask())
    assert answer["choices"][0]["reason"] == "backends_full"


def test_choices_in_a_row_take_turns() -> None:
    answer = route(trial([A, B, C], "round_robin"), ask(count=6))
    assert [choice["address"] for choice in answer["choices"]] == [A, B, C] * 2
    assert not any(choice["passed"] for choice in answer["choices"])


def test_shares_of_made_up_clients_follow_the_weights() -> None:
    answer = route(trial([{"address": A, "weight": 3}, B]), ask(distribution=True))
    assert sum(answer["shares"].values()) == answer["clients"] == SHARED_CLIENTS
    assert abs(answer["shares"][A] / SHARED_CLIENTS - 0.75) < 0.02
    assert "moved" not in answer


def test_what_moves_without_a_backend_is_told_apart_from_what_has_to() -> None:
    answer = route(trial([A, B, C]), ask(without=B))
    assert answer["had_to_move"] == answer["shares"][B]
    assert answer["moved"] > 0  # source_hash: the shares of the others shift


def test_of_a_policy_in_python_the_fallback_answers_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "picker.py").write_text("class Pick:\n    def choose(self, context, attempt):\n        return None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    policy = {"kind": "python", "call": "picker:Pick", "fallback": "source_hash"}
    answer = route(trial([A, B], policy), ask(source="192.0.2.7"))
    assert (answer["asked_first"], answer["policy"]) == ("picker:Pick", "source_hash")
    assert answer["unasked"] == "user code runs in the policy process alone"
    question, under_way = ask(source="192.0.2.7"), trial([A, B], policy)
    told = route(under_way, question, {"back": lambda client: B if client.ip == ip_address("192.0.2.7") else None})
    assert (told["policy"], told["unasked"], told["key"], told["choices"][0]["address"]) == ("python", "", "", B)
    left = route(under_way, ask(source="192.0.2.8"), {"back": lambda client: None})
    assert (left["policy"], left["unasked"]) == ("source_hash", "it named nobody that may be used")

    def broken(client: Client) -> str:
        raise LookupError("nobody at home")

    assert route(under_way, question, {"back": broken})["unasked"] == "it raised LookupError: nobody at home"


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"source": "nowhere"}, "source 'nowhere' is no address"),
        ({"destination": "1.2.3.4:x"}, "destination"),
        ({"bytes": "abc"}, "hexadecimal"),
        ({"count": 0}, "count 0"),
        ({"without": "10.0.0.9:80"}, "there is no backend 10.0.0.9:80"),
    ],
)
def test_what_is_no_question_is_refused(question: dict[str, Any], says: str) -> None:
    with pytest.raises(ControlError, match=says):
        route(trial([A, B]), ask(**question))


def test_an_unknown_listener_is_refused_with_those_there_are() -> None:
    with pytest.raises(ControlError, match="there are: front"):
        route(trial([A]), Ask("back"))


@pytest.mark.parametrize(("policy", "what"), [("maglev", "slot "), ("ring", " on the ring, next point ")])
def test_a_table_shows_where_the_search_began_and_whose_place_it_is(policy: str, what: str) -> None:
    rows = [{"address": address, "state": "drain" if address == A else "ready"} for address in (A, B, C)]
    under_way = trial(rows, policy)
    for number in range(30):
        answer = route(under_way, ask(source=f"192.0.2.{number}"))
        (choice,) = answer["choices"]
        assert what in answer["place"]
        owner = answer["place"].rpartition(" ")[2]
        if owner == A:
            assert choice["passed"][0] == {"address": A, "why": "state is drain"}
        else:
            assert choice["address"] == owner and not choice["passed"]


def test_the_ring_of_nginx_takes_the_key_as_text() -> None:
    policy = {"kind": "ring", "compat": "nginx", "key": "source"}
    answer = route(trial([A, B, C], policy), ask(source="192.0.2.1"))
    assert answer["key"] == f"{b'192.0.2.1'.hex()} (192.0.2.1)"
    assert answer["place"].startswith(f"{crc32(b'192.0.2.1'):08x} on the ring")


SITE = {
    "version": 1,
    "pools": {
        "blue": {"policy": "maglev", "backends": [A, B]},
        "green": {"backends": [C]},
        "site": {"of": [{"pool": "blue", "weight": 9}, {"pool": "green", "weight": 1}]},
    },
    "listeners": {
        "front": {
            "bind": "127.0.0.1:1",
            "preread": "tls_hello",
            "routes": [{"sni": "a.example", "pool": "site"}, {"sni": "*.b.example", "pool": "green"}],
        }
    },
}


def site() -> Trial:
    config = parse_config(SITE, name="test")
    return Trial(config, asyncio.run(resolve_backends(config)))


def test_a_server_name_chooses_the_pool_and_a_group_its_member() -> None:
    answer = route(site(), ask(sni="A.example", source="192.0.2.1", count=10))
    assert answer["pool"] == "site"
    assert answer["policy"] == "group"
    told = sorted((choice["pool"], choice["policy"]) for choice in answer["choices"])
    assert told == [("blue", "maglev")] * 9 + [("green", "round_robin")]
    assert route(site(), ask(sni="x.b.example"))["choices"][0]["address"] == C


def test_a_name_that_nobody_serves_has_no_route() -> None:
    answer = route(site(), ask(sni="c.example"))
    assert (answer["pool"], answer["place"]) == ("", "")
    assert answer["choices"] == [{"pool": "", "policy": "", "address": None, "reason": "no_route", "passed": []}]


def test_turns_of_a_group_do_not_count_as_moves() -> None:
    answer = route(site(), ask(sni="a.example", without=A, count=3))
    assert answer["moved"] == 0 and answer["had_to_move"] == answer["shares"][A]


def test_shares_of_a_group_are_those_of_its_members() -> None:
    answer = route(site(), ask(sni="a.example", distribution=True, without=C))
    shares = {address: count / SHARED_CLIENTS for address, count in answer["shares"].items()}
    assert shares[C] == pytest.approx(0.1, abs=0.005)
    assert shares[A] + shares[B] == pytest.approx(0.9, abs=0.005)
    assert answer["had_to_move"] == answer["shares"][C]
