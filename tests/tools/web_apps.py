"""Applications behind real servers: each answers with what it has read. Also a program: http.server on a port.

A reading is four words in hexadecimal digits with commas between: method, target, host, body. /events sends one event
for each request to /next, the first at once; /via answers with X-Forwarded-For, /sum with the SHA-256 of the body,
/back with the body, chunked; a WebSocket gets back what it says. /page is a page for a browser that does all of these
and reports to /told; a GET of that is answered with the report as soon as it is there.
Nothing of nginy is imported: the servers start it by its path.
"""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

N_EVENTS = 5
PART_BYTES = 1 << 16
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

PAGE = b"""<!doctype html><title>page</title><script>
const sha = async data => [...new Uint8Array(await crypto.subtle.digest("SHA-256", data))]
  .map(one => one.toString(16).padStart(2, "0")).join("");
const talk = () => new Promise((done, failed) => {
  const heard = [], ws = new WebSocket(`ws://${location.host}/talk`);
  const words = ["a", "\u00fc".repeat(1000), "x".repeat(70000)];
  ws.onopen = () => ws.send(words[0]);
  ws.onerror = failed;
  ws.onmessage = ({data}) => { heard.push(data === words[heard.length]); ws.send(words[heard.length] || "bye"); };
  ws.onclose = ({code, reason, wasClean}) => done([...heard, code, reason, wasClean]);
});
const listen = () => new Promise((done, failed) => {
  const heard = [], source = new EventSource("/events?page");
  source.onerror = () => { source.close(); done(heard); };
  source.onmessage = ({data}) => { heard.push(+data); fetch("/next?page", {method: "POST"}); };
});
const upload = async () => {
  const data = new Uint8Array(3000000).map((_, n) => n % 251);
  const said = await (await fetch("/sum", {method: "POST", body: data})).text();
  const back = await (await fetch("/back", {method: "POST", body: data})).arrayBuffer();
  return [said === await sha(data), await sha(back) === said];
};
const loads = async () => (await Promise.all([...Array(40).keys()].map(
  async n => (await fetch(`/load/${n}`)).status))).every(status => status === 200);
Promise.all([talk(), listen(), upload(), loads()]).then(
  found => JSON.stringify(found), error => `failed: ${error}`).then(
  body => fetch("/told", {method: "POST", body}));
</script>"""

wanted: dict[str, asyncio.Queue[None]] = {}
"""By the query of /events: one item for each event that may be made."""
told: list[asyncio.Queue[bytes]] = []
"""What the page has reported; empty until somebody asks."""


def reading(*parts: bytes) -> bytes:
    return ",".join(part.hex() for part in parts).encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """For gunicorn."""
    body = environ["wsgi.input"].read()
    words = (environ["REQUEST_METHOD"], environ["RAW_URI"], environ.get("HTTP_HOST", ""))
    said = reading(*(word.encode("latin-1") for word in words), body)
    if environ["PATH_INFO"] == "/via":
        said = environ.get("HTTP_X_FORWARDED_FOR", "").encode("latin-1")
    elif environ["PATH_INFO"] == "/sum":
        said = sha256(body)
    elif environ["PATH_INFO"] == "/back":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return in_parts(body)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]


def sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def in_parts(body: bytes) -> list[bytes]:
    return [body[start : start + PART_BYTES] for start in range(0, len(body), PART_BYTES)]


async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """For uvicorn."""
    if scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["path"] == "/events":
        await events(scope, send)
    elif scope["path"] == "/next":
        wanted[scope["query_string"].decode()].put_nowait(None)
        await answer(send, b"")
    elif scope["path"] == "/back":
        await give_back(receive, send)
    elif scope["path"] == "/page":
        await answer(send, PAGE, b"text/html")
    elif scope["path"] == "/told":
        await tell(scope, receive, send)
    else:
        await report(scope, receive, send)


async def answer(send: Send, body: bytes, kind: bytes = b"text/plain") -> None:
    fields = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def whole_body(receive: Receive) -> bytes:
    parts, is_more = [], True
    while is_more:
        part = await receive()
        parts.append(part.get("body", b""))
        is_more = part.get("more_body", False)
    return b"".join(parts)


async def give_back(receive: Receive, send: Send) -> None:
    """Part by part while it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    is_more = True
    while is_more:
        part = await receive()
        is_more = part.get("more_body", False)
        await send({"type": "http.response.body", "body": part.get("body", b""), "more_body": is_more})


async def tell(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if not told:
        told.append(asyncio.Queue())
    if scope["method"] == "POST":
        told[0].put_nowait(await whole_body(receive))
        await answer(send, b"")
    else:
        await answer(send, await told[0].get())


async def report(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    body = await whole_body(receive)
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    fields = dict(scope["headers"])
    said = reading(scope["method"].encode(), target, fields.get(b"host", b""), body)
    if scope["path"] == "/via":
        said = fields.get(b"x-forwarded-for", b"")
    elif scope["path"] == "/sum":
        said = sha256(body)
    await answer(send, said)


async def events(scope: dict[str, Any], send: Send) -> None:
    queue = wanted.setdefault(scope["query_string"].decode(), asyncio.Queue())
    fields = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for number in range(N_EVENTS):
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
        await queue.get()
    await send({"type": "http.response.body", "body": b""})


async def echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (said := await receive())["type"] == "websocket.receive":
        if said.get("text") == "bye":
            await send({"type": "websocket.close", "code": 4001, "reason": "as asked"})
            return
        parts = {key: said[key] for key in ("text", "bytes") if said.get(key) is not None}
        await send({"type": "websocket.send", **parts})


class Reporter(BaseHTTPRequestHandler):
    """Any method; bodies with a length and chunked ones. http.server leaves framing to its handlers."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.report
        raise AttributeError(name)

    def report(self) -> None:
        body = self.chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self.counted()
        words = (self.command, self.requestline.split(" ")[1], self.headers.get("Host", ""))
        said = reading(*(word.encode("latin-1") for word in words), body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def counted(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def log_message(self, *_words: Any) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Reporter).serve_forever()
