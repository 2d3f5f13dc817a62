"""Which room may know which: the arrows of docs/architecture.md."""

from pathlib import Path

import pytest

from tests.shape.sources import CYTHON, PYTHON, cython_cimports, module_of, python_imports

# A room may import itself and these. `_fast` stands for the door alone, or for what OPEN_FAST names.
ROOMS = {
    "__init__": {"server", "config", "errors", "model", "flows"},
    "__main__": {"cli"},
    "cli": {"server", "config", "backend", "admin", "demo", "errors", "model", "balancer"},
    "demo": {"server", "config", "errors", "model"},
    "server": {"house", "foreground", "control", "admin", "config", "observe", "errors", "model"},
    "foreground": {"house", "control", "admin", "config", "observe", "errors", "model"},
    "house": {"control", "admin", "observe", "config", "errors", "model"},
    "flows": {"_fast"},
    "tls": {"model", "_fast"},
    "errors": set(),
    "model": set(),
    "config": {"model", "errors", "proxy", "site", "tls"},
    "site": {"_fast"},
    "proxy": {"model"},
    "balancer": {"model", "backend", "config", "_fast"},
    "backend": {"model", "errors", "site", "_fast"},
    "control": {"config", "backend", "balancer", "model", "errors", "proxy", "tls", "_fast"},
    "admin": {"observe", "errors", "model"},
    "observe": {"model", "errors", "_fast"},
}
FAST = {"base": 0, "mem": 1, "wire": 2, "net": 2, "policy": 3, "engine": 4, "rows": 4, "shapes": 4, "logged": 4}
ABOVE = (
    "certificates", "choices", "door", "mailroom", "rings", "sites", "table",
    "testdoor", "testmail", "testpolicy", "testrings", "testwire",
)  # fmt: skip
FAST |= dict.fromkeys(ABOVE, 5) | {"choices": 6, "testpolicy": 7}  # one takes requests of sites, one extends it
ONLY_FAST = "nginy._fast.door"
OPEN_FAST: dict[str, str | tuple[str, ...]] = {
    "flows": "nginy._fast.table",
    "site": "nginy._fast.sites",
    "tls": "nginy._fast.certificates",
    "control": (ONLY_FAST, "nginy._fast.certificates"),
    "balancer": ("nginy._fast.rings", "nginy._fast.mailroom"),
    "backend": (ONLY_FAST, "nginy._fast.choices", "nginy._fast.sites"),
}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize("path", [p for p in PYTHON if "_fast" not in p.parts], ids=module_of)
def test_python_room_imports_only_what_it_may(path: Path) -> None:
    room = room_of(module_of(path)) if path.name != "__init__.py" or path.parent.name != "nginy" else "__init__"
    allowed = ROOMS[room] | {room, "__init__"}
    for name in python_imports(path):
        assert room_of(name) in allowed, f"{module_of(path)} may not import {name}"
        if room_of(name) == "_fast":
            is_open = name == "nginy._fast" or name.startswith(OPEN_FAST.get(room, (ONLY_FAST,)))
            assert is_open, f"only the door is open, not {name}"


@pytest.mark.parametrize("path", CYTHON, ids=lambda p: f"{module_of(p)}{p.suffix}")
def test_cimports_point_downwards_only(path: Path) -> None:
    own = module_of(path).split(".")[2]
    for name in cython_cimports(path):
        theirs = name.split(".")[2]
        assert FAST[theirs] < FAST[own] or theirs == own, f"{module_of(path)} may not cimport {name}"


def test_policy_knows_no_descriptor_and_net_no_policy() -> None:
    for path in CYTHON:
        rooms = {name.split(".")[2] for name in cython_cimports(path)}
        own = module_of(path).split(".")[2]
        if own == "policy":
            assert "net" not in rooms, path
        if own == "net":
            assert not rooms & {"mem", "policy"}, path


def test_system_calls_of_sockets_live_in_net_only() -> None:
    calls = ("c_recv", "c_send", "c_accept4", "c_connect", "c_epoll_wait", "c_close")
    for path in CYTHON:
        if path.parent.name == "net" or path.name == "cdefs.pxd" or path.suffix == ".pxd":
            continue
        text = path.read_text()
        for call in calls:
            assert f"{call}(" not in text, f"{path.name} calls {call} itself"


def test_every_room_has_a_row_here() -> None:
    assert {room_of(module_of(p)) for p in PYTHON if "_fast" not in p.parts} <= set(ROOMS)
