"""Limits: descriptors into sessions, names into ids, and a pid file that is whole."""

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from nginy._fast import door
from nginy.config import parse_config
from nginy.control import limits
from nginy.errors import StartError
from nginy.model import Config


def config(runtime: dict[str, Any] | None = None, sessions: int | None = None) -> Config:
    listener: dict[str, Any] = {"bind": ":1080", "pool": "p"}
    if sessions:
        listener["limits"] = {"sessions": sessions}
    tree = {
        "pools": {"p": {"backends": ["127.0.0.1:1"]}},
        "listeners": {"l": listener},
        "runtime": runtime or {},
    }
    return parse_config(tree)


def choose(config: Config, limit: int, workers: int, n_sockets: int) -> int:
    return limits.choose_sessions(config, limits.make_room(config, limit, workers, n_sockets, "process"))


def mixed(*protocols: str, runtime: dict[str, Any] | None = None, **udp: Any) -> Config:
    """One listener of each protocol. udp: further keys of the UDP ones."""
    listeners = {}
    for nth, protocol in enumerate(protocols):
        options = udp if protocol == "udp" else {}
        listeners[f"l{nth}"] = {"bind": f":{1080 + nth}", "pool": "p", "protocol": protocol, **options}
    pools = {"p": {"backends": ["127.0.0.1:1"]}}
    return parse_config({"pools": pools, "listeners": listeners, "runtime": runtime or {}})


NO_PIPES = {"pipes": 0}
FREE = 1032 - 16 - 100 - limits.RESERVE


def test_half_of_the_free_descriptors_are_sessions_when_nothing_is_spliced() -> None:
    assert choose(config(NO_PIPES), 1032, 2, 100) == FREE // 2


def test_pipes_take_two_descriptors_each_from_the_sessions() -> None:
    room = limits.make_room(config({"pipes": "10MiB"}), 1032, 2, 100, "process")
    assert (room.pipes, room.sessions) == (10, FREE // 2 - 10)
    assert limits.make_room(config({"pipes": "10.5MiB"}), 1032, 2, 100, "process").pipes == 10


def test_pipes_take_an_eighth_of_the_descriptors_at_most() -> None:
    room = limits.make_room(config({"pipes": "4GiB"}), 1032, 2, 100, "process")
    assert room.pipes == FREE // 8 // 2
    assert room.sessions * 2 + room.pipes * 2 <= FREE
    assert limits.make_room(config({"pipes": "4GiB"}), 1 << 20, 1, 1, "process").pipes == limits.PIPES_MAX


@pytest.mark.parametrize(("protocol", "pipes"), [("tcp", 10), ("http", 10), ("udp", 0)])
def test_whoever_has_a_stream_gets_pipes(protocol: str, pipes: int) -> None:
    room = limits.make_room(mixed(protocol, runtime={"pipes": "10MiB"}), 1032, 2, 100, "process")
    assert room.pipes == pipes


def test_sessions_that_are_asked_for_come_before_pipes() -> None:
    wanted = FREE // 2 - 3
    for asked in (config({"sessions": wanted}), config(sessions=wanted * 2)):
        room = limits.make_room(asked, 1032, 2, 100, "process")
        assert (room.sessions, room.pipes) == (wanted, 3)
    exact = config({"sessions": FREE // 2})
    assert limits.make_room(exact, 1032, 2, 100, "process").pipes == 0
    assert choose(exact, 1032, 2, 100) == FREE // 2


def used(room: limits.Room) -> int:
    return room.sessions * 2 + room.flows + room.pipes * 2


def test_flows_get_what_tcp_does_not_need_and_one_descriptor_each() -> None:
    room = limits.make_room(mixed("udp"), 1032, 2, 100, "process")
    assert (room.pipes, room.sessions) == (0, limits.SESSIONS_MIN)
    assert room.flows == FREE - limits.SESSIONS_MIN * 2


def test_flows_get_no_more_than_their_tables_hold() -> None:
    few = mixed("udp", "udp", session={"max": 30})
    assert limits.make_room(few, 1032, 2, 100, "process").flows == 60
    capped = mixed("udp", session={"max": 30}, limits={"sessions": 11})
    assert limits.make_room(capped, 1032, 2, 100, "process").flows == 6


def test_tcp_and_udp_share_descriptors_and_leave_none_unused() -> None:
    room = limits.make_room(mixed("tcp", "udp", runtime=NO_PIPES), 1032, 2, 100, "process")
    assert room.flows == (FREE - limits.SESSIONS_MIN * 2) // 2
    assert FREE - 2 < used(room) <= FREE
    few = limits.make_room(mixed("tcp", "udp", runtime=NO_PIPES, session={"max": 30}), 1032, 2, 100, "process")
    assert (few.flows, few.sessions) == (30, (FREE - 30) // 2)


def test_sessions_that_are_asked_for_leave_all_the_rest_to_flows() -> None:
    asked = mixed("tcp", "udp", runtime={"sessions": 40, "pipes": 0})
    room = limits.make_room(asked, 1032, 2, 100, "process")
    assert room.flows == FREE - 40 * 2
    assert limits.choose_sessions(asked, room) == 40


def test_caps_of_udp_listeners_are_bounds_and_not_refused() -> None:
    config = mixed("udp", limits={"sessions": 10_000_000})
    limits.check_caps(config, limits.make_room(config, 1032, 2, 100, "process"))


def test_threads_share_what_the_process_has() -> None:
    def all_descriptors(workers: int) -> int:
        room = limits.make_room(config(), 20_000, workers, 4, "thread")
        assert room.pipes
        return (room.sessions + room.pipes) * 2 * workers

    assert all_descriptors(4) <= all_descriptors(1)


def test_what_a_worker_gets_is_what_there_is_room_for() -> None:
    asked = config({"pipes": "3MiB", "buffers": "1MiB", "sessions": 20})
    order = limits.worker_order(asked, limits.make_room(asked, 1032, 2, 100, "process"), "process")
    assert (order.sessions_max, order.buffers_bytes, order.pipes_bytes) == (20, 2**20, 3 * door.PIPE_BYTES)
    assert (order.cpus, order.is_spin) == ((), False)


def test_a_smaller_wish_wins() -> None:
    assert choose(config({"sessions": 50}), 20_000, 2, 2) == 50


def test_more_sessions_than_descriptors_is_refused_with_numbers_and_remedy() -> None:
    with pytest.raises(StartError, match=r"5000 sessions need 10000 descriptors.*limit of 1024.*ulimit"):
        choose(config({"sessions": 5000}), 1024, 1, 1)


def test_listener_caps_above_all_workers_together_are_refused() -> None:
    room = limits.make_room(config(NO_PIPES), 1024, 2, 2, "process").all_sessions
    assert choose(config(sessions=room), 1024, 2, 2)
    with pytest.raises(StartError, match=rf"limits.sessions of l allow {room + 1} sessions"):
        choose(config(sessions=room + 1), 1024, 2, 2)


def test_a_limit_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(StartError, match=r"descriptor limit of 64 leaves room for"):
        choose(config(), 64, 2, 8)


def test_workers_are_counted_from_the_cores_that_may_be_used() -> None:
    assert limits.count_workers(config()) == min(64, len(os.sched_getaffinity(0)))
    assert limits.count_workers(config({"workers": 3})) == 3


def test_an_unknown_user_or_group_is_refused_by_name() -> None:
    with pytest.raises(StartError, match="no user 'nobody-of-this-name'"):
        limits.worker_rights("nobody-of-this-name", None)
    with pytest.raises(StartError, match="no group 'no-such-group'"):
        limits.worker_rights(None, "no-such-group")


def test_a_user_brings_its_own_group_unless_told() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may change users")
    nobody = pwd.getpwnam("nobody")
    assert limits.worker_rights("nobody", None) == (nobody.pw_uid, nobody.pw_gid)
    assert limits.worker_rights("nobody", "0") == (nobody.pw_uid, 0)
    assert limits.worker_rights(None, None) == (-1, -1)


def test_pid_file_is_whole_and_removed_only_while_it_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    limits.write_pid_file(str(path))
    assert path.read_text() == f"{os.getpid()}\n"
    assert os.listdir(tmp_path) == ["pid"]
    path.write_text("1\n")
    limits.remove_pid_file(str(path))
    assert path.exists()
    limits.write_pid_file(str(path))
    limits.remove_pid_file(str(path))
    assert not path.exists()


def test_a_pid_file_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot write the pid file"):
        limits.write_pid_file(str(tmp_path / "no" / "pid"))
