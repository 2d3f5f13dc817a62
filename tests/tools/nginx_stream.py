"""Debian's nginx as a UDP proxy, to be compared with."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.tools.datagrams import datagram_socket, listening_inodes
from tests.tools.servers import as_user, folder_of, need
from tests.tools.waiting import wait_until

MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
CONFIG = """
load_module {module};
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
stream {{
    upstream back {{ {policy} {servers} }}
    {listeners}
}}
"""
SERVER = "server {{ listen 127.0.0.1:{port} udp; proxy_pass back; proxy_timeout 20s; {keys} }}"


@contextlib.contextmanager
def nginx_stream(backends: Sequence[str], keys: Sequence[str], policy: str = "") -> Iterator[list[str]]:
    """keys: further directives of each listener; policy: of the pool. Yields their addresses once all are bound."""
    program = need("nginx")
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(datagram_socket()).getsockname()[1] for _ in keys]
    with folder_of("nobody") as folder:
        config = folder / "nginx.conf"
        servers = " ".join(f"server {address};" for address in backends)
        listeners = "\n".join(SERVER.format(port=port, keys=key) for port, key in zip(ports, keys, strict=True))
        config.write_text(CONFIG.format(
            module=MODULE, folder=folder, policy=policy, servers=servers, listeners=listeners
        ))
        command = [*as_user("nobody"), program, "-p", str(folder), "-c", str(config)]
        with open(folder / "log", "wb") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        try:

            def are_bound() -> bool:
                assert child.poll() is None, (folder / "log").read_text() + (folder / "error.log").read_text()
                return all(listening_inodes(child.pid, port) for port in ports)

            wait_until(are_bound, "nginx is bound")
            yield [f"127.0.0.1:{port}" for port in ports]
        finally:
            child.terminate()
            child.wait(10)
