"""Asks a real nginx which server `hash … consistent` sends a key to.

No server is needed: every address refuses, nginx says in a header whom it tried, in order, and `max_fails=0` keeps it
from learning anything by it. nginx itself listens on a unix socket in a folder of its own.
"""

import http.client
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_S = 10

CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log crit;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream servers {{
        hash {key} consistent;
{servers}
    }}
    server {{
        listen unix:{folder}/socket;
        keepalive_requests 1000000;
        location / {{
            proxy_pass http://servers;
            proxy_next_upstream error;
            proxy_next_upstream_tries {tries};
            proxy_connect_timeout 2s;
            add_header X-Tried "$upstream_addr" always;
        }}
    }}
}}
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("nginx")
        self.path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Nginx:
    """A running nginx. ask: its servers for a key in the order it tried them, as written in its configuration."""

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self.connection = UnixConnection(path)
        self.names = names

    def ask(self, key: str) -> list[str]:
        return self.ask_with("GET", f"/?key={key}")

    def ask_with(self, method: str, target: str, **fields: str) -> list[str]:
        """The same for any request."""
        self.connection.request(method, target, headers=fields)
        answer = self.connection.getresponse()
        answer.read()
        tried = answer.getheader("X-Tried") or ""
        return [self.names[address] for address in tried.split(", ") if address in self.names]


def address_of(server: str) -> str:
    """How nginx shows a server in $upstream_addr: with its port."""
    return server if re.search(r":\d+$|^unix:", server) else f"{server}:80"


@contextmanager
def running(folder: Path, servers: Mapping[str, str], tries: int = 1, key: str = "$arg_key") -> Iterator[Nginx]:
    """servers: as written -> what stands behind it, such as `weight=2 down`. tries: servers for one key, 0 = all.

    key: what is hashed; `ask` says the usual one.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin")
    assert program is not None, "nginx is not installed"
    lines = "\n".join(f"        server {server} max_fails=0 {words};" for server, words in servers.items())
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, servers=lines, tries=tries, key=key))
    child = subprocess.Popen([program, "-p", str(folder), "-c", str(config)], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(folder / "socket", child)
        yield Nginx(folder / "socket", {address_of(server): server for server in servers})
    finally:
        child.terminate()
        child.communicate(timeout=START_S)
        (folder / "socket").unlink(missing_ok=True)


def answers(path: Path) -> bool:
    """Whether somebody listens: the file is there a moment before."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(str(path)) == 0


def wait_for(path: Path, child: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + START_S
    while not answers(path):
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            raise RuntimeError(f"nginx did not start: {child.communicate()[1]}")
        time.sleep(0.01)
