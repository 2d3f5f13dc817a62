"""What nginx writes to its access log nginy writes with `format: combined`: byte by byte, but for the time."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http_access_log import lines_of, logged_config
from tests.tools import web_servers
from tests.tools.servers import folder_of
from tests.tools.sockets import connect
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Stream, answering, text

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 100; }}
http {{
    access_log {log} combined; merge_slashes off;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://{to}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""
AGENTS = (
    b"curl/8.5.0", b"-", b"%0a%22",
    b'" 200 0 "-" "evil"', b"\\x41\\", b"a\tb", b"\xff\xfe\x80", "naïve … \u202e".encode(),
    b"' or 1=1 --", b"a" * 200,
)  # fmt: skip
TARGETS = (b"/", b"/a?b=1&c=\"", b"/%22%0a", b"/\\\\x", b"/'<>{}|^`", b"/" + b"p" * 900, b"//double//", b"/?")


@pytest.fixture
def nginx(start_peer: StartPeer) -> Iterator[tuple[str, Path]]:
    """Its address, and its access log."""
    peer = start_peer(answering(say))
    options = ["-p", "{folder}", "-c", "{file}"]
    with folder_of("nobody") as folder:
        folder.chmod(0o755)
        log = folder / "access"
        with web_servers.debian_server("nginx", options, NGINX, to=peer.address, log=log) as address:
            yield address, log


def say(request: Message) -> bytes:
    return text(b"x" * (len(request.start) % 17), "HTTP/1.1 404 No" if "double" in request.start else "HTTP/1.1 200 OK")


def requests() -> list[bytes]:
    made = [b"GET %s HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\n\r\n" % target for target in TARGETS]
    made += [b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\n\r\n" % agent for agent in AGENTS]
    made += [b"GET / HTTP/1.1\r\nHost: a\r\nReferer: %s\r\n\r\n" % agent for agent in AGENTS]
    made += [b"DELETE /x HTTP/1.0\r\nHost: a\r\n\r\n", b"PATCH /y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"]
    return made


def without_time(line: str) -> str:
    return re.sub(r"\[\d\d/[A-Z][a-z]{2}/\d{4}(:\d\d){3} [+-]\d{4}\]", "[time]", line)


def test_lines_are_those_of_nginx(
    start_nginy: StartNginy, start_peer: StartPeer, nginx: tuple[str, Path], tmp_path: Path
) -> None:
    nginy = start_nginy(logged_config([start_peer(answering(say)).address], tmp_path / "log", "combined"))
    for address in (nginy.address(), nginx[0]):
        for request in requests():
            with connect(address) as sock:
                sock.sendall(request)
                assert Stream(sock).message().status in (200, 404), request
    logs = (tmp_path / "log", nginx[1])
    for log in logs:
        wait_until(lambda: len(lines_of(log)) == len(requests()), f"all lines of {log}")  # noqa: B023
    ours, theirs = ([without_time(line) for line in lines_of(log)] for log in logs)
    assert "[time]" in ours[0]
    assert ours == theirs
