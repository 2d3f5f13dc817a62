"""World: nobody inherits the counters or the leases of another."""

from dataclasses import replace

from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.config import parse_config
from nginy.control.ids import Ids, IdSpace
from nginy.control.world import IdBook, World, published_in, still_published
from nginy.model import Backend


class Board:
    """What the ids are asked about: sessions that still live."""

    def __init__(self) -> None:
        self.busy_backends: set[int] = set()
        self.busy_listeners: set[int] = set()
        self.forgotten: list[tuple[str, int]] = []

    def in_flight(self, number: int) -> int:
        return int(number in self.busy_backends)

    def sessions(self, number: int) -> int:
        return int(number in self.busy_listeners)

    def forget_backend(self, number: int) -> None:
        self.forgotten.append(("backend", number))

    def forget_listener(self, number: int) -> None:
        self.forgotten.append(("listener", number))


def world_of(ids: Ids, backend: str, listener: str = "web") -> World:
    address = f"{backend}:80"
    config = parse_config(
        {"pools": {"p": {"backends": [address]}}, "listeners": {listener: {"bind": ":1080", "pool": "p"}}}
    )
    entry = ResolvedBackend(BackendKey("p", address, address), Backend(address=address), 1, 0, "ready", None)
    return World(config, {"p": [entry]}, ids)


def forgetful() -> Ids:
    """Ids that remember no name, so that each new one asks for the last one's id."""
    return Ids(*(IdSpace(kind, 16, 0) for kind in ("listeners", "pools", "backends", "sockets")))


def assigned(book: IdBook, before: World, backend: str, gen: int, adopted: int, listener: str = "web") -> World:
    return book.assign(replace(world_of(before.ids, backend, listener)), gen, adopted)


def test_an_id_is_given_on_once_everybody_has_adopted_its_end_and_its_counters_are_forgotten() -> None:
    board = Board()
    book = IdBook(board)  # type: ignore[arg-type]
    world = book.assign(world_of(forgetful(), "10.0.0.1"), 1, 0)
    world = assigned(book, world, "10.0.0.2", 2, adopted=1)
    assert world.ids.backend("p", "10.0.0.2:80") == 1
    world = assigned(book, world, "10.0.0.3", 3, adopted=2)
    assert world.ids.backend("p", "10.0.0.3:80") == 0
    assert board.forgotten == [("backend", 0)]


def test_an_id_waits_for_the_slowest_worker() -> None:
    board = Board()
    book = IdBook(board)  # type: ignore[arg-type]
    world = book.assign(world_of(forgetful(), "10.0.0.1"), 1, 0)
    world = assigned(book, world, "10.0.0.2", 2, adopted=1)
    world = assigned(book, world, "10.0.0.3", 3, adopted=1)
    assert world.ids.backend("p", "10.0.0.3:80") == 2
    assert not board.forgotten


def test_an_id_waits_for_the_last_session_that_holds_it() -> None:
    board = Board()
    book = IdBook(board)  # type: ignore[arg-type]
    world = book.assign(world_of(forgetful(), "10.0.0.1", "a"), 1, 0)
    world = assigned(book, world, "10.0.0.2", 2, adopted=1, listener="b")
    board.busy_backends, board.busy_listeners = {0}, {0}
    world = assigned(book, world, "10.0.0.3", 3, adopted=2, listener="c")
    assert world.ids.backend("p", "10.0.0.3:80") == 2
    assert world.ids.listener("c") == 2
    assert not board.forgotten


TABLE = {"kind": "table", "call": "__main__:Weights"}


def table_world(policy: object = TABLE) -> World:
    config = parse_config(
        {"pools": {"p": {"backends": ["10.0.0.1:80", "10.0.0.2:80"], "policy": policy}},
         "listeners": {"web": {"bind": ":1080", "pool": "p"}}}
    )  # fmt: skip
    entries = [
        ResolvedBackend(BackendKey("p", address, address), Backend(address=address), 7, 0, "ready", None)
        for address in ("10.0.0.1:80", "10.0.0.2:80")
    ]
    return IdBook(Board()).assign(World(config, {"p": entries}, Ids.empty()), 1, 0)  # type: ignore[arg-type]


def test_published_weights_take_the_place_of_configured_ones_by_address() -> None:
    world = table_world().with_weights("p", {1: 0, 99: 5})
    assert [entry.weight for entry in world.weighed["p"]] == [7, 0]
    assert [entry.weight for entry in world.resolved["p"]] == [7, 7]


def test_published_weights_hold_while_the_class_is_the_same() -> None:
    world = table_world().with_weights("p", {0: 3, 1: 4})
    same, other = table_world(TABLE | {"fallback": "random2"}), table_world(TABLE | {"call": "__main__:Others"})
    given = published_in(world)
    assert still_published(given, same.config) == {"p": {"10.0.0.1:80": 3, "10.0.0.2:80": 4}}
    assert still_published(given, other.config) == {}
    assert still_published(given, table_world("round_robin").config) == {}


def test_weights_are_the_configured_ones_when_all_that_had_a_published_one_are_gone() -> None:
    world = table_world().with_weights("p", {0: 5, 1: 0})
    rest = replace(world, resolved={"p": world.resolved["p"][1:]})
    assert [entry.weight for entry in rest.weighed["p"]] == [7]
