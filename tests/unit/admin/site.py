"""A served AdminHttp over a picture, and plain requests to it."""

import socket
from typing import Any

from nginy.admin.http import AdminHttp
from nginy.observe.metrics import Metrics
from nginy.observe.ready import Readiness
from nginy.observe.status import status_tree
from tests.unit.admin.rig import LoopThread
from tests.unit.observe.pictures import Source


class Site:
    """A served AdminHttp over a picture."""

    def __init__(self, rig: LoopThread, bind: str = "127.0.0.1:0", **options: Any) -> None:
        self.source = Source()
        self.rig = rig
        self.http = AdminHttp(
            bind,
            metrics=Metrics(self.source),
            ready=Readiness(self.source),
            status=lambda: {"version": "1", "pid": 1, **status_tree(self.source)},
            **options,
        )
        rig.run(self.http.start())

    def connect(self) -> socket.socket:
        host, _, port = self.http.address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), timeout=15)

    def send(self, request: bytes) -> bytes:
        """Everything that comes back until the other side closes."""
        with self.connect() as sock:
            sock.sendall(request)
            parts = []
            try:
                while part := sock.recv(65536):
                    parts.append(part)
            except ConnectionResetError:
                pass
        return b"".join(parts)

    def get(
        self, path: str, *headers: str, host: str = "localhost", method: str = "GET"
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower case name, body."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        return split(self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"))


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """One response taken apart."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, body
