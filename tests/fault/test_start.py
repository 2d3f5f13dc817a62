"""What keeps nginy from starting: one clear message, exit code 2, nothing half started."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import ROOT, Nginy
from tests.tools.peers import Peer, echo
from tests.tools.sockets import ask, free_port
from tests.tools.waiting import wait_until

NOBODY = 65534
AS_NOBODY = [
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=-all", "--bounding-set=-all",
]  # fmt: skip


def python_of_nobody() -> str:
    """An interpreter of this version that an ordinary user may start; skips the test when there is none."""
    again = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', ''])"
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        command = [*AS_NOBODY, python, "-c", again]
        if Path(python).exists() and subprocess.run(command, capture_output=True, cwd="/").returncode == 0:
            return python
    pytest.skip("no interpreter that an ordinary user may start")


def check_refused(nginy: Nginy, *words: str) -> None:
    """It ended with 2, said these words once, left nothing."""
    assert nginy.wait_exit() == 2, nginy.log()
    log = nginy.log()
    assert "Traceback" not in log, log
    for word in words:
        assert word in log, (word, log)
    errors = [line for line in log.splitlines() if "error" in line.lower()]
    assert len(errors) <= 1, f"more than one message:\n{log}"
    wait_until(lambda: not nginy.pids_left(), "nothing is left")
    assert not nginy.control_path.exists()
    assert "READY=1" not in nginy.read_notices()


def test_a_bad_configuration_names_every_error(start_nginy: StartNginy) -> None:
    config = (
        "version: 1\npools:\n  back: {backends: [nowhere]}\nlisteners:\n  front: {bnd: ':1', pool: bakc}\n"
    )
    nginy = start_nginy(config, wait=False)
    assert nginy.wait_exit() == 2
    log = nginy.log()
    for place in ("nginy.yaml:3:", "nginy.yaml:5:"):
        assert place in log, log
    assert "bind" in log, "the near miss is hinted at"
    assert "Traceback" not in log
    assert not nginy.pids_left()


@pytest.mark.parametrize("is_shared", [False, True], ids=["plainly bound", "bound with SO_REUSEPORT"])
def test_a_port_taken_by_another_program_names_the_holder(start_nginy: StartNginy, is_shared: bool) -> None:
    with socket.socket() as holder:
        if is_shared:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        config = tcp_config(
            ["127.0.0.1:1"], workers=2, listener={"bind": [f"127.0.0.1:{free_port()}", f"127.0.0.1:{port}"]}
        )
        nginy = start_nginy(config, wait=False)
        check_refused(nginy, str(port), str(os.getpid()))


def test_a_port_taken_by_another_nginy_is_refused(start_nginy: StartNginy, backend: Peer) -> None:
    config = tcp_config([backend.address], workers=2, listener={"bind": f"127.0.0.1:{free_port()}"})
    first = start_nginy(config)
    second = start_nginy(config, wait=False)
    check_refused(second, first.address().rpartition(":")[2], "nginy")
    for _ in range(10):
        assert ask(first.address(), b"mine") == b"mine"


def test_a_second_nginy_on_the_same_control_socket_is_refused(start_nginy: StartNginy, backend: Peer) -> None:
    first = start_nginy(tcp_config([backend.address]))
    config = tcp_config([backend.address], admin={"socket": f"unix:{first.control_path}"})
    second = start_nginy(config, wait=False)
    assert second.wait_exit() == 2
    assert str(first.control_path) in second.log()
    assert first.ask("ping")["ok"]
    assert ask(first.address(), b"mine") == b"mine"


@pytest.mark.root
def test_a_missing_right_is_named(start_nginy: StartNginy, backend: Peer) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("every port is open to everybody here")
    config = tcp_config([backend.address], listener={"bind": "127.0.0.1:79"})
    nginy = start_nginy(
        config, wait=False, checked=False, before=AS_NOBODY, owner=NOBODY, python=python_of_nobody()
    )
    check_refused(nginy, "79")


@pytest.mark.root
def test_running_as_an_ordinary_user_works(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(
        tcp_config([backend.address], workers=2), before=AS_NOBODY, owner=NOBODY, python=python_of_nobody()
    )
    assert ask(nginy.address(), b"ordinary") == b"ordinary"


@pytest.mark.root
def test_workers_give_up_root_for_the_configured_user(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2, runtime={"user": "nobody"}))
    assert ask(nginy.address(), b"x") == b"x"
    for pid in nginy.worker_pids():
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65534"}
        assert status["CapEff"].strip("0") == ""
        assert status["NoNewPrivs"] == "1"
        assert status["Groups"].split() in ([], ["65534"])


@pytest.mark.root
def test_a_user_that_does_not_exist_is_refused(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], runtime={"user": "no-such-user"}), wait=False)
    assert nginy.wait_exit() == 2
    assert "no-such-user" in nginy.log()
    assert not nginy.pids_left()


def test_a_descriptor_limit_that_is_too_low_is_refused_with_figures(
    start_nginy: StartNginy, backend: Peer
) -> None:
    config = tcp_config([backend.address], runtime={"sessions": 5000})
    nginy = start_nginy(config, wait=False, before=["prlimit", "--nofile=256:256"])
    check_refused(nginy, "256", "5000")


def test_without_a_session_bound_a_low_descriptor_limit_lowers_it(
    start_nginy: StartNginy, backend: Peer
) -> None:
    nginy = start_nginy(tcp_config([backend.address]), before=["prlimit", "--nofile=256:256"])
    bound = nginy.workers()[0]["counters"]["sessions_max"]
    assert 0 < bound < 128
    assert ask(nginy.address(), b"x") == b"x"


def test_an_unresolvable_backend_is_refused(start_nginy: StartNginy) -> None:
    nginy = start_nginy(tcp_config(["no-such-host.invalid:80"]), wait=False)
    assert nginy.wait_exit() == 2
    assert "no-such-host.invalid" in nginy.log()
    assert not nginy.pids_left()


def test_check_only_tells_without_starting(start_peer: StartPeer, tmp_path: Path) -> None:
    peer = start_peer(echo)
    held = tmp_path / "nginy.yaml"
    held.write_text(
        f"version: 1\npools: {{back: {{backends: ['127.0.0.1:1']}}}}\n"
        f"listeners: {{front: {{bind: '{peer.address}', protocol: tcp, pool: back}}}}\n"
    )
    command = [sys.executable, "-m", "nginy", "run", "--check-only", str(held)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert peer.accepted == 0


def test_a_port_of_admin_http_that_is_taken_is_refused(start_nginy: StartNginy, backend: Peer) -> None:
    config = tcp_config([backend.address])
    nginy = start_nginy(
        {**config, "admin": {"socket": "unix:c.sock", "http": {"bind": backend.address}}}, wait=False
    )
    assert nginy.wait_exit() == 2
    assert backend.address in nginy.log()
    assert not nginy.pids_left()
