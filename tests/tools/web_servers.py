"""Real HTTP servers that say what they have read (tests/tools/web_apps.py), and real gateways."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.tools import web_apps
from tests.tools.nginy_process import ROOT
from tests.tools.servers import as_user, folder_of, need, running
from tests.tools.sockets import free_port

APPS = "tests.tools.web_apps"

HAPROXY_CONFIG = """
global
    maxconn 500
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    timeout http-request 60s
frontend front
    bind 127.0.0.1:{port}
"""

HAPROXY_READER = """
    option http-buffer-request
    http-request return status 200 content-type text/plain lf-string "%[method,hex],%[url,hex],%[req.fhdr(host),hex],%[req.body,hex]"
"""  # noqa: E501

HAPROXY_GATEWAY = """
    option forwardfor
    default_backend back
backend back
    server s {to}
"""

NGINX_GATEWAY = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1000; }}
http {{
    access_log off; keepalive_requests 1000000; client_max_body_size 1g; merge_slashes off;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    upstream to {{ server {to}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://to; proxy_http_version 1.1;
            proxy_set_header Host $http_host; proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


@contextlib.contextmanager
def python_server(*command: str, port: int) -> Iterator[str]:
    """A server of this interpreter, as this user: the checkout need not be readable for others."""
    with tempfile.TemporaryDirectory(prefix="ngs-") as folder:
        with running([sys.executable, *command], port, Path(folder) / "log"):
            yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def gunicorn() -> Iterator[str]:
    """With threads, which keep connections. Yields its address."""
    port = free_port()
    options = ["--threads=8", "--keep-alive=60", "--chdir", str(ROOT), "--bind", f"127.0.0.1:{port}"]
    with python_server("-m", "gunicorn", *options, f"{APPS}:wsgi", port=port) as address:
        yield address


@contextlib.contextmanager
def uvicorn(parser: str, websockets: str = "none") -> Iterator[str]:
    """parser: h11 or httptools.   websockets: as its option --ws. Yields its address."""
    port = free_port()
    options = ["--http", parser, "--ws", websockets, "--lifespan=off", "--no-access-log", "--no-proxy-headers",
               "--timeout-keep-alive=60", "--app-dir", str(ROOT), "--port", str(port)]  # fmt: skip
    with python_server("-m", "uvicorn", *options, f"{APPS}:asgi", port=port) as address:
        yield address


@contextlib.contextmanager
def http_server() -> Iterator[str]:
    """Python's own. Yields its address."""
    port = free_port()
    with python_server(str(web_apps.__file__), str(port), port=port) as address:
        yield address


@contextlib.contextmanager
def debian_server(program: str, options: Sequence[str], config: str, **words: object) -> Iterator[str]:
    """One that reads a file; `{folder}`, `{port}` and the words are put into it, `{file}` into the options."""
    path, port = need(program), free_port()
    with folder_of("nobody") as folder:
        folder.chmod(0o755)
        file = folder / "config"
        file.write_text(config.format(folder=folder, port=port, **words))
        command = [*as_user("nobody"), path, *(option.format(file=file, folder=folder) for option in options)]
        with running(command, port, folder / "log"):
            yield f"127.0.0.1:{port}"


def haproxy_reader() -> contextlib.AbstractContextManager[str]:
    """HAProxy as a server. Yields its address."""
    return debian_server("haproxy", ["-db", "-f", "{file}"], HAPROXY_CONFIG + HAPROXY_READER)


def haproxy_gateway(to: str) -> contextlib.AbstractContextManager[str]:
    """Adds itself to X-Forwarded-For. Yields its address."""
    return debian_server("haproxy", ["-db", "-f", "{file}"], HAPROXY_CONFIG + HAPROXY_GATEWAY, to=to)


def nginx_gateway(to: str) -> contextlib.AbstractContextManager[str]:
    """Adds itself to X-Forwarded-For; targets and hosts go on as they came. Yields its address."""
    return debian_server("nginx", ["-p", "{folder}", "-c", "{file}"], NGINX_GATEWAY, to=to)
