"""A browser's page behind nginy: a WebSocket, server-sent events, uploads and many requests at once."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.conftest import StartNginy
from tests.flow.test_http import http_config
from tests.tools import servers, web_servers
from tests.tools.nginy_process import http_get
from tests.tools.web_apps import N_EVENTS

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
           "--disable-background-networking", "--disable-component-update", "--no-proxy-server")  # fmt: skip


@contextmanager
def browser(url: str) -> Iterator[None]:
    """Shows the page until the end."""
    program = servers.need("chromium")
    with servers.folder_of("nobody") as folder:
        folder.chmod(0o755)
        command = [*servers.as_user("nobody"), "env", f"HOME={folder}", program, *OPTIONS]
        with open(folder / "log", "wb") as log:
            child = subprocess.Popen(
                [*command, f"--user-data-dir={folder}/data", "--remote-debugging-port=0", url],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        try:
            yield
        finally:
            child.terminate()
            child.wait(servers.STOP_DEADLINE_S)


def test_a_page_talks_listens_and_uploads_through_nginy(start_nginy: StartNginy) -> None:
    with ExitStack() as stack:
        direct = stack.enter_context(web_servers.uvicorn("httptools", "websockets"))
        nginy = start_nginy(http_config([direct], workers=2))
        with browser(f"http://{nginy.address()}/page"):
            status, told = http_get(direct, "/told")  # as soon as it is there
        assert status == 200
        talked, heard, uploaded, loaded = json.loads(told)
        assert talked == [True, True, True, 4001, "as asked", True]
        assert heard[:N_EVENTS] == list(range(N_EVENTS))
        assert uploaded == [True, True]
        assert loaded is True
    counts = nginy.listener("front")["http"]
    assert counts["responses"]["1xx"] == 1
    assert counts["requests"] > 40 + 2 * N_EVENTS
