"""Limits: descriptors into sessions, names into ids, and a pid file that is whole."""

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

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


def test_half_of_the_free_descriptors_are_sessions() -> None:
    assert limits.choose_sessions(config(), 1032, 2, 100, "process") == (1032 - 16 - 100 - limits.RESERVE) // 2


def test_threads_share_what_the_process_has() -> None:
    alone = limits.room_for_sessions(20_000, 1, 4, "thread")
    assert limits.room_for_sessions(20_000, 4, 4, "thread") * 4 <= alone


def test_a_smaller_wish_wins() -> None:
    assert limits.choose_sessions(config({"sessions": 50}), 20_000, 2, 2, "process") == 50


def test_more_sessions_than_descriptors_is_refused_with_numbers_and_remedy() -> None:
    with pytest.raises(StartError, match=r"5000 sessions need 10000 descriptors.*limit of 1024.*ulimit"):
        limits.choose_sessions(config({"sessions": 5000}), 1024, 1, 1, "process")


def test_listener_caps_above_all_workers_together_are_refused() -> None:
    room = limits.room_for_sessions(1024, 2, 2, "process") * 2
    assert limits.choose_sessions(config(sessions=room), 1024, 2, 2, "process")
    with pytest.raises(StartError, match=rf"limits.sessions of l allow {room + 1} sessions"):
        limits.choose_sessions(config(sessions=room + 1), 1024, 2, 2, "process")


def test_a_limit_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(StartError, match=r"descriptor limit of 64 leaves room for"):
        limits.choose_sessions(config(), 64, 2, 8, "process")


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
