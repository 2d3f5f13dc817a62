"""The proxies once more, for HTTP; and the server behind them."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.proxies import Haproxy, HaproxySpliceAuto, Nginx, Nginy, key_lines
from benchmarks.proxy import Proxy, Shape

SMALL_BYTES = 64
LARGE_BYTES = 1 << 20
N_BACKENDS = 3


class HaproxyHttp(Haproxy):
    """Connections to backends are shared by all clients."""

    template = "haproxy-http.cfg"


class HaproxyHttpSpliceAuto(HaproxySpliceAuto):
    """The same with splice where it thinks fit."""

    template = "haproxy-http.cfg"


class NginxHttp(Nginx):
    """nginx' http module; its socket options are its own."""

    template = "nginx-http.conf"

    @classmethod
    def is_installed(cls) -> bool:
        return shutil.which(cls.program) is not None


class NginyHttp(Nginy):
    """This project."""

    def values(self) -> dict[str, object]:
        host = self.shape.hosts[0]
        listener = {"bind": f'"{host}:{self.port}"', "protocol": "http", "pool": "back"}
        return super().values() | {"listeners": f"  front: {{{', '.join(key_lines(listener))}}}"}


class NginyRoutes(NginyHttp):
    """With so many routes, of which the requests take one in the middle."""

    name = "nginy 10 routes"
    n_routes = 10

    def values(self) -> dict[str, object]:
        routes = [{"path": f"/{number:05d}", "pool": "back", "strip": True} for number in range(self.n_routes)]
        routes[self.n_routes // 2]["path"] = "/routed"
        listener = {"bind": f"{self.shape.hosts[0]}:{self.port}", "protocol": "http", "routes": routes}
        return super().values() | {"listeners": f"  front: {json.dumps(listener)}"}


class NginyManyRoutes(NginyRoutes):
    """With very many."""

    name = "nginy 10,000 routes"
    n_routes = 10_000


class Backend(NginxHttp):
    """A plain nginx on the load's core: one port on as many addresses as there are backends."""

    name = "backend"
    template = "nginx-http-backend.conf"

    def values(self) -> dict[str, object]:
        return super().values() | {"small": "x" * SMALL_BYTES}


ALL: tuple[type[Proxy], ...] = (HaproxyHttp, HaproxyHttpSpliceAuto, NginxHttp, NginyHttp, NginyRoutes, NginyManyRoutes)


@contextlib.contextmanager
def backend(folder: Path, core: int) -> Iterator[Backend]:
    """Running, with its large file. folder: readable for everybody."""
    started = Backend(folder, Shape(backends=0, listeners=N_BACKENDS, has_same_options=False), [], core)
    large = started.folder / "large"
    large.write_bytes(os.urandom(LARGE_BYTES))
    large.chmod(0o644)
    with started:
        yield started
