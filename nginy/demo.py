"""`nginy demo`: nginy in front of three tiny backends in the same program, to see them take turns."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from html import escape
from typing import Any

HOST = "127.0.0.1"
PORT = 8080
HEAD_MAX_BYTES = 16 * 1024
HEAD_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0
LISTENER = "web"
POOL = "demo"
COLOURS = {"apple": "#c62828", "lemon": "#b58900", "plum": "#6a1b9a"}

Print = Callable[[str], None]


class TinyBackend:
    """An HTTP server that says who it is and closes each connection: the next request is another turn."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.turns = 0
        self.address = ""

    async def start(self) -> asyncio.Server:
        """Listen on a port of the kernel's choice; the caller closes the server."""
        server = await asyncio.start_server(self._answer, HOST, 0, limit=HEAD_MAX_BYTES)
        self.address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            self.turns += 1
            writer.write(self._compose(head.decode("latin-1")))
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _compose(self, head: str) -> bytes:
        wants_page = "text/html" in head.lower()
        text = page_of(self.name) if wants_page else f"{self.name} answers, turn {self.turns}\n"
        body = text.encode()
        kind = "html" if wants_page else "plain"
        lines = [
            "HTTP/1.1 200 OK",
            f"Content-Type: text/{kind}; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "Connection: close",
        ]
        sent_body = b"" if head.startswith("HEAD ") else body
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent_body


@contextlib.asynccontextmanager
async def tiny_backends() -> AsyncIterator[list[TinyBackend]]:
    """Three of them, listening."""
    backends = [TinyBackend(name) for name in COLOURS]
    servers = [await backend.start() for backend in backends]
    try:
        yield backends
    finally:
        for server in servers:
            server.close()


def demo_tree(backends: list[TinyBackend], bind: str) -> dict[str, Any]:
    """The configuration of the demo, as a file would hold it."""
    # one worker: with several, each of them takes turns of its own
    return {
        "version": 1,
        "runtime": {"workers": 1, "drain": "1s"},
        "pools": {POOL: {"backends": [backend.address for backend in backends], "health": "tcp"}},
        "listeners": {LISTENER: {"bind": bind, "pool": POOL}},
    }


@contextlib.asynccontextmanager
async def demo_server(bind: str | None) -> AsyncIterator[str]:
    """nginy and its backends, running. -> where clients connect.

    bind: address; None: PORT, or another one if that is taken. Errors: StartError, ConfigError.
    """
    from nginy.config import parse_config
    from nginy.errors import StartError
    from nginy.server import Server

    async with contextlib.AsyncExitStack() as stack:
        backends = await stack.enter_async_context(tiny_backends())
        wishes = [bind] if bind else [f"{HOST}:{PORT}", f"{HOST}:0"]
        while True:
            config = parse_config(demo_tree(backends, wishes.pop(0)), name="<demo>")
            try:
                server = await stack.enter_async_context(Server(config))
                break
            except StartError:
                if not wishes:
                    raise
        yield server.addresses[LISTENER][0]


async def serve(bind: str | None, say: Print) -> None:
    """Run until SIGINT or SIGTERM. Errors: as demo_server."""
    async with demo_server(bind) as address:
        say(f"nginy listens on {address}, with three backends behind it that take turns:")
        say("")
        say(f"  curl http://{address}/        answers from apple, lemon, plum, apple, …")
        say(f"  http://{address}/             the same as a page for the browser")
        say("")
        say("Ctrl-C ends it.")
        await wait_for_signal()


async def ask_often(count: int, bind: str | None, say: Print) -> bool:
    """Send `count` requests through nginy and print the answers. -> has every one been answered?"""
    async with demo_server(bind) as address:
        say(f"nginy listens on {address}; {count} requests through it:")
        answers = [await ask(address) for _ in range(count)]
        for answer in answers:
            say(f"  {answer.strip() or 'no answer'}")
        return all(answers)


async def ask(address: str) -> str:
    """One GET. -> body, empty when there was no whole answer."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.write(f"GET / HTTP/1.1\r\nHost: {address}\r\nAccept: text/plain\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return ""
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.decode() if head.startswith(b"HTTP/1.1 200") else ""


async def wait_for_signal() -> None:
    """Return at the first SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, came.set)
    await came.wait()


def run_demo(bind: str | None, requests: int | None, say: Print = print) -> bool:
    """The whole demo, in a loop of its own. -> did it go well?"""
    import uvloop

    if requests is None:
        uvloop.run(serve(bind, say))
        return True
    went_well = uvloop.run(ask_often(requests, bind, say))
    sys.stdout.flush()
    return went_well


def page_of(name: str) -> str:
    """The page: who answered it, and a row of further requests that the page sends itself."""
    colours = "".join(f".{key}{{--own:{colour}}}" for key, colour in COLOURS.items())
    return _PAGE.replace("COLOURS", colours).replace("NAME", escape(name))


_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>nginy demo: NAME</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">
<style>
:root{color-scheme:light dark}COLOURS
body{font:17px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center}
main{text-align:center;padding:2rem;max-width:40rem}
h1{font-size:4rem;line-height:1;margin:.2em 0;color:var(--own)}
p{margin:.4rem 0}.dim{opacity:.65}
#turns{display:flex;flex-wrap:wrap;gap:.4rem;justify-content:center;margin:1.5rem 0;min-height:2.2rem}
#turns span{background:var(--own);color:#fff;border-radius:1rem;padding:.15rem .8rem;font-size:.9rem}
button{font:inherit;padding:.4rem 1.2rem;border-radius:.5rem;border:1px solid #8888;cursor:pointer}
</style></head><body><main>
<p class="dim">This page came through nginy from the backend</p>
<h1 class="NAME">NAME</h1>
<p>Reload, and the next one answers.</p>
<div id="turns"></div>
<button id="more">12 more requests</button>
<p class="dim" id="sum"></p>
<script>
const byId=id=>document.getElementById(id),turns=byId("turns"),sum=byId("sum"),more=byId("more");
async function go(){
  more.disabled=true;turns.replaceChildren();const seen={};
  for(let n=0;n<12;n++){
    let name;
    try{name=(await(await fetch("/",{headers:{Accept:"text/plain"},cache:"no-store"})).text()).split(" ")[0]}
    catch{name="no answer"}
    seen[name]=(seen[name]||0)+1;
    const chip=document.createElement("span");chip.className=name;chip.textContent=name;turns.append(chip);
    sum.textContent=Object.entries(seen).map(([who,count])=>`${who} ${count}`).join(" \\u00b7 ");
    await new Promise(done=>setTimeout(done,120));
  }
  more.disabled=false;
}
more.onclick=go;go();
</script></main></body></html>
"""
