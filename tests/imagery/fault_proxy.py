"""A server between a program and its files or its catalogue that fails as it is told."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from creepmeter.imagery.attempts import Clock

Act = Callable[["Handler", "Answer"], None]
_OK, _PART, _NOT_THERE = 200, 206, 404


@dataclass(frozen=True)
class Answer:
    """What would be sent."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """A failure of requests.

    Parameters
    ----------
    act : callable
        Answers in place of the server.
    match : str
        Part of the path of requests that fail.
    times : int or None
        How many of them fail; None = all.
    after : int
        How many of them go well before.
    """

    act: Act
    match: str = ""
    times: int | None = None
    after: int = 0


@dataclass
class FaultProxy:
    """Where it listens, what it was asked, and how it fails.

    Parameters
    ----------
    upstream : Path or str
        Folder to serve, or address of the server behind.
    """

    upstream: Path | str
    host: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    served_bytes: int = 0
    release: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Address of the root."""
        return f"http://{self.host}"

    def paths(self, match: str = "") -> list[str]:
        """Return the paths that were asked for."""
        return [path for path, _ in self.asked if match in path]

    def fault_for(self, path: str) -> Fault | None:
        """Return the failure that meets a request, and count it."""
        with self.lock:
            for fault in self.faults:
                if fault.match not in path:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                elif fault.times is None or fault.times > 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def do_GET(self) -> None:
        self._answer(b"")

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def _answer(self, body: bytes) -> None:
        with self.proxy.lock:
            self.proxy.asked.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        fault = self.proxy.fault_for(self.path)
        answer = self._from_folder() if isinstance(self.proxy.upstream, Path) else self._from_server(body)
        with contextlib.suppress(ConnectionError):  # the other side may hang up: that is part of the game
            (send if fault is None else fault.act)(self, answer)

    def _from_folder(self) -> Answer:
        assert isinstance(self.proxy.upstream, Path)
        file = self.proxy.upstream / unquote(urlsplit(self.path).path).lstrip("/")
        if not file.is_file():
            return Answer(_NOT_THERE, b"no such file")
        content = file.read_bytes()
        return part_of(content, self.headers.get("Range"), {"ETag": f'"{len(content)}"'})

    def _from_server(self, body: bytes) -> Answer:
        """Ask the server behind, whose own address in what it says becomes ours."""
        behind = str(self.proxy.upstream).rstrip("/")
        kept = {
            key: value
            for key, value in self.headers.items()
            if key.lower() not in ("host", "connection", "accept-encoding")
        }
        request = urllib.request.Request(behind + self.path, data=body or None, headers=kept, method=self.command)  # noqa: S310 - of a test
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                found = Answer(answer.status, answer.read(), dict(answer.headers.items()))
        except urllib.error.HTTPError as problem:
            found = Answer(problem.code, problem.read(), dict(problem.headers.items()))
        gone = {"connection", "transfer-encoding", "content-length", "server", "date"}
        headers = {key: value for key, value in found.headers.items() if key.lower() not in gone}
        content = found.body
        if "json" in headers.get("Content-Type", headers.get("content-type", "")):
            content = content.replace(behind.encode(), self.proxy.url.encode())
        return Answer(found.status, content, headers)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def part_of(content: bytes, asked: str | None, headers: Mapping[str, str]) -> Answer:
    """Return the part of a file that a Range header asks for."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
    if found is None:
        return Answer(_OK, content, headers)
    first, last = int(found[1]), min(int(found[2] or len(content) - 1), len(content) - 1)
    if first >= len(content):
        return Answer(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
    place = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
    return Answer(_PART, content[first : last + 1], {**headers, **place})


def send(handler: Handler, answer: Answer, *, cut: int | None = None) -> None:
    """Send an answer, or its first bytes only."""
    handler.send_response(answer.status)
    for key, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
        handler.send_header(key, value)
    handler.end_headers()
    if handler.command != "HEAD":
        body = answer.body[:cut]
        handler.wfile.write(body)
        handler.proxy.served_bytes += len(body)


# ------------------------------------------------------------------------------------------------------------- faults


def status(code: int, **headers: str) -> Act:
    """Answer with a status."""

    def act(handler: Handler, _answer: Answer) -> None:
        send(handler, Answer(code, b"no", {key.replace("_", "-"): value for key, value in headers.items()}))

    return act


def reset(handler: Handler, _answer: Answer) -> None:
    """Break the connection without an answer (RST)."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def cut(handler: Handler, answer: Answer) -> None:
    """Promise all, send half, hang up."""
    send(handler, answer, cut=len(answer.body) // 2)
    handler.wfile.flush()
    handler.close_connection = True


def short_part(handler: Handler, answer: Answer) -> None:
    """Say that all of a part comes, and send half of it as if it were all."""
    send(handler, Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers))


def huge_header(handler: Handler, answer: Answer) -> None:
    """Send a header of a megabyte before the content."""
    send(handler, Answer(answer.status, answer.body, {"X-Padding": "x" * 1_000_000, **answer.headers}))


def ignore_range(handler: Handler, answer: Answer) -> None:
    """Send the whole file whatever was asked for."""
    del handler.headers["Range"]
    whole = handler._from_folder() if isinstance(handler.proxy.upstream, Path) else handler._from_server(b"")  # noqa: SLF001
    send(handler, Answer(whole.status, whole.body, {"ETag": whole.headers.get("ETag", '"x"')}))
    del answer


def hang(handler: Handler, _answer: Answer) -> None:
    """Say nothing until released."""
    handler.proxy.release.wait(60)
    handler.close_connection = True


def drip(handler: Handler, answer: Answer) -> None:
    """Send a byte now and then."""
    handler.send_response(answer.status)
    for key, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
        handler.send_header(key, value)
    handler.end_headers()
    for k in range(len(answer.body)):
        if handler.proxy.release.wait(0.05):
            return
        handler.wfile.write(answer.body[k : k + 1])
        handler.wfile.flush()


def redirect(address: str) -> Act:
    """Send elsewhere."""
    return status(302, Location=address)


def other_part(handler: Handler, answer: Answer) -> None:
    """Send another part than was asked for."""
    total = answer.headers.get("Content-Range", "/1000").rpartition("/")[2]
    place = {"Content-Range": f"bytes 7-{6 + len(answer.body)}/{total}"}
    send(handler, Answer(answer.status, answer.body, {**answer.headers, **place}))


def other_version(handler: Handler, answer: Answer) -> None:
    """Send a part of a file that has changed."""
    send(handler, Answer(answer.status, answer.body, {**answer.headers, "ETag": '"changed"'}))


def unless_signed(token: str) -> Act:
    """Refuse what is not signed with a token."""

    def act(handler: Handler, answer: Answer) -> None:
        if token in handler.path:
            send(handler, answer)
        else:
            status(403)(handler, answer)

    return act


def give_tokens(tokens: list[str], until: str) -> Act:
    """Give out signatures, one after the other, the last one again and again."""

    def act(handler: Handler, _answer: Answer) -> None:
        token = tokens.pop(0) if len(tokens) > 1 else tokens[0]
        body = json.dumps({"token": token, "msft:expiry": until}).encode()
        send(handler, Answer(_OK, body, {"Content-Type": "application/json"}))

    return act


def same_page(handler: Handler, answer: Answer) -> None:
    """Say that this page comes next, without end."""
    content = json.loads(answer.body)
    again = {"rel": "next", "href": f"{handler.proxy.url}{handler.path}", "type": "application/geo+json"}
    content["links"] = [link for link in content.get("links", []) if link.get("rel") != "next"] + [again]
    send(handler, Answer(answer.status, json.dumps(content).encode(), {"Content-Type": "application/geo+json"}))


@dataclass
class Waits:
    """A clock that does not wait."""

    slept: list[float] = field(default_factory=list)
    time: float = 0.0

    def clock(self) -> Clock:
        """Return the clock."""
        return Clock(lambda: self.time, self.sleep)

    def sleep(self, seconds: float) -> None:
        """Note how long it would have been."""
        self.slept.append(seconds)
        self.time += seconds


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: programs hang up on a server that fails."""


@contextmanager
def fault_proxy(upstream: Path | str, *faults: Fault) -> Iterator[FaultProxy]:
    """Start a server on loopback; it ends with the block."""
    proxy = FaultProxy(upstream, faults=list(faults))
    handler = type("Bound", (Handler,), {"proxy": proxy})
    server = _Server(("127.0.0.1", 0), handler)
    proxy.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
