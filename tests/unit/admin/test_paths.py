"""One rule for the place of the control socket."""

import os
from pathlib import Path

import pytest

from nginy.admin.paths import PATH_MAX_BYTES, default_folder, prepare_folder, socket_path
from nginy.errors import StartError


@pytest.mark.parametrize("given", ["run/c.sock", "unix:run/c.sock"])
def test_a_relative_path_starts_at_the_configuration(given: str) -> None:
    assert socket_path(given, Path("/etc/nginy/web.yaml")) == Path("/etc/nginy/run/c.sock")


def test_an_absolute_path_is_taken_as_it_is() -> None:
    assert socket_path("unix:/srv/c.sock", Path("/etc/nginy/web.yaml")) == Path("/srv/c.sock")


def test_a_relative_configuration_gives_an_absolute_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert socket_path("c.sock", Path("nginy.yaml")) == tmp_path / "c.sock"


def test_the_default_has_the_name_of_the_configuration() -> None:
    assert socket_path(None, Path("/etc/x/web.yaml"), env={"RUNTIME_DIRECTORY": "/run/w"}) == Path(
        "/run/w/web.sock"
    )
    assert socket_path(None, None, env={"RUNTIME_DIRECTORY": "/run/w"}) == Path("/run/w/nginy.sock")


@pytest.mark.parametrize(
    ("env", "uid", "folder"),
    [
        ({"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/5"}, 5, "/run/a"),
        ({"XDG_RUNTIME_DIR": "/run/user/0"}, 0, "/run/nginy"),
        ({"XDG_RUNTIME_DIR": "/run/user/5"}, 5, "/run/user/5/nginy"),
        ({}, 5, "/tmp/nginy-5"),
    ],
)
def test_default_folder(env: dict[str, str], uid: int, folder: str) -> None:
    assert default_folder(env, uid) == Path(folder)


def test_a_path_too_long_for_the_kernel_is_refused_with_its_length() -> None:
    fits = "/" + "a" * (PATH_MAX_BYTES - 1)
    assert socket_path(fits) == Path(fits)
    with pytest.raises(StartError, match=f"has {PATH_MAX_BYTES + 1} bytes, at most {PATH_MAX_BYTES}"):
        socket_path(fits + "b")


def test_folders_are_made_for_this_user_only(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        prepare_folder(tmp_path / "run" / "c.sock")
    finally:
        os.umask(mask)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    prepare_folder(tmp_path / "run" / "c.sock")


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(StartError, match="can be written by others"):
        prepare_folder(folder / "c.sock")
    folder.chmod(0o1777)
    prepare_folder(folder / "c.sock")


def test_a_folder_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot make the folder of the control socket .*: Not a directory"):
        prepare_folder(tmp_path / "file" / "sub" / "c.sock")


@pytest.mark.root
def test_a_default_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    with pytest.raises(StartError, match="belongs to another user"):
        prepare_folder(folder / "c.sock")
