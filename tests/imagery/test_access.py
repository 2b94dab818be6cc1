from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from creepmeter.errors import InputError
from creepmeter.imagery.access import (
    AccessPolicy,
    GuardedSession,
    RefusedError,
    is_signed,
    resolved,
    without_secrets,
)
from creepmeter.imagery.attempts import UnreachableError
from creepmeter.imagery.earthdata import is_private

OPEN = AccessPolicy()
Reply = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Reply], tuple[str, list[dict[str, str]]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers on loopback; each gives its ``host:port`` and the headers that it was asked with."""
    servers = []

    def start(reply: Reply) -> tuple[str, list[dict[str, str]]]:
        asked: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append({"path": self.path, **{key.lower(): value for key, value in self.headers.items()}})
                reply(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"127.0.0.1:{server.server_address[1]}", asked

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def hello(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5")
    handler.end_headers()
    handler.wfile.write(b"hello")


def to(address: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/B08.tif",
        "s3://bucket/B08.tif",
        "gopher://example.com/",
        "/vsicurl/https://example.com/a.tif",
        "http://example.com/B08.tif",
        "http://127.0.0.1/B08.tif",
        "https://127.0.0.1/B08.tif",
        "https://[::1]/B08.tif",
        "https://[::ffff:127.0.0.1]/B08.tif",
        "https://localhost/B08.tif",
        "https://localhost./B08.tif",
        "https://10.1.2.3/B08.tif",
        "https://192.168.1.1/B08.tif",
        "https://172.16.0.9/B08.tif",
        "https://169.254.169.254/latest/meta-data",
        "https://100.100.100.200/latest",
        "https://[fe80::1]/B08.tif",
        "https://[fd00::1]/B08.tif",
        "https://0.0.0.0/B08.tif",
        "https://2130706433/B08.tif",
        "https://metadata.google.internal/computeMetadata",
        "https://user:Pa55@example.com/B08.tif",
        "https://example.com:port/B08.tif",
        "https://",
        "",
    ],
)
def test_what_is_no_public_https_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match=r"is not asked|is no address|no https address") as caught:
        OPEN.require(url)
    assert "Pa55" not in str(caught.value)


def test_public_https_is_open() -> None:
    OPEN.require("https://sentinel-cogs.s3.us-west-2.amazonaws.com/52/S/FA/B08.tif?sig=x")
    OPEN.require("https://8.8.8.8:8443/B08.tif")


def test_a_host_is_allowed_with_or_without_its_port() -> None:
    AccessPolicy({"127.0.0.1:8080"}).require("http://127.0.0.1:8080/B08.tif")
    AccessPolicy({"[::1]:8080"}).require("http://[::1]:8080/B08.tif")
    AccessPolicy({"Tiles.Example "}).require("http://tiles.example:1234/B08.tif")
    with pytest.raises(RefusedError, match=r"--allow-host 127\.0\.0\.1:8081"):
        AccessPolicy({"127.0.0.1:8080"}).require("http://127.0.0.1:8081/B08.tif")
    with pytest.raises(RefusedError, match="no https address"):
        AccessPolicy({"127.0.0.1"}).require("ftp://127.0.0.1/B08.tif")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "fe80::1%1"])
def test_a_public_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]
    found.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
    with GuardedSession(OPEN) as session, pytest.raises(RefusedError, match="its name leads to this machine"):
        session.get("https://tiles.example.com/B08.tif?sig=secret", timeout=5)


def test_a_name_that_is_not_known_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with GuardedSession(OPEN) as session, pytest.raises(UnreachableError, match=r"tiles\.example\.com is not known"):
        session.get("https://tiles.example.com/B08.tif", timeout=5)
    monkeypatch.undo()
    with pytest.raises(UnreachableError, match="is not known"):
        OPEN.require_resolved(f"https://{'a' * 70}.example.com/B08.tif")


def test_a_name_that_leads_inside_only_when_connected_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """DNS rebinding: the first look-up gives a public address, the one of the connection does not."""
    place, asked = serve(hello)
    port = int(place.rpartition(":")[2])
    answers = iter(["8.8.8.8"])

    def look_up(_host: object, _port: object, *_args: object, **_kwargs: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers, "127.0.0.1"), port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(AccessPolicy, "require", lambda *_: None)  # plain http, so that the server can answer
    with GuardedSession(OPEN) as session, pytest.raises(RefusedError, match="leads to this machine"):
        session.get(f"http://tiles.example.com:{port}/B08.tif", timeout=5)
    assert asked == []


def test_a_redirect_to_a_host_that_is_not_allowed_is_refused(
    serve: Serve,
) -> None:
    inner, asked = serve(hello)
    outer, _ = serve(to(f"http://{inner}/secret?sig=hidden"))
    with GuardedSession(AccessPolicy({outer})) as session, pytest.raises(RefusedError, match="plain http") as caught:
        session.get(f"http://{outer}/B08.tif", timeout=5)
    assert asked == []
    assert f"http://{inner}/secret is not asked" in str(caught.value)
    assert f"--allow-host {inner}" in str(caught.value)
    assert "hidden" not in str(caught.value)
    with GuardedSession(AccessPolicy({outer, inner})) as session:
        assert session.get(f"http://{outer}/B08.tif", timeout=5).text == "hello"


def test_a_redirect_to_a_file_is_refused(serve: Serve) -> None:
    place, _ = serve(to("file:///etc/passwd"))
    with GuardedSession(AccessPolicy({place})) as session, pytest.raises(RefusedError, match="no https address"):
        session.get(f"http://{place}/B08.tif", timeout=5)


def test_redirects_without_end_are_not_followed(serve: Serve) -> None:
    place, asked = serve(to("/again"))
    with GuardedSession(AccessPolicy({place})) as session, pytest.raises(requests.TooManyRedirects, match="Exceeded 8"):
        session.get(f"http://{place}/B08.tif", timeout=5)
    assert len(asked) < 12


def test_no_credentials_of_the_user_are_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, serve: Serve) -> None:
    place, asked = serve(hello)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password word\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with GuardedSession(AccessPolicy({place})) as session:
        session.get(f"http://{place}/B08.tif", timeout=5)
    assert "authorization" not in asked[0]


def test_files_are_read_below_allowed_folders_only(tmp_path: Path) -> None:
    inside, outside = tmp_path / "catalogue", tmp_path / "other"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "B08 a.tif").write_bytes(b"")
    (inside / "link.tif").symlink_to(outside / "B08 a.tif")
    policy = AccessPolicy(folders=(inside,))
    assert policy.file_of(str(inside / "B08 a.tif")) == (inside / "B08 a.tif").resolve()
    assert policy.file_of((inside / "B08 a.tif").as_uri()) == (inside / "B08 a.tif").resolve()
    for href in (
        str(outside / "B08 a.tif"),
        str(inside / ".." / "other" / "B08 a.tif"),
        str(inside / "link.tif"),
        (outside / "B08 a.tif").as_uri(),
        "file:///etc/passwd",
        "file://elsewhere/share/B08.tif",
    ):
        with pytest.raises(RefusedError, match=r"is not read|of another machine"):
            policy.file_of(href)
    with pytest.raises(RefusedError, match="--allow-folder"):
        OPEN.file_of(str(inside / "B08 a.tif"))


def test_references_start_where_their_item_lies(tmp_path: Path) -> None:
    assert resolved("B08.tif", "https://example.com/a/item.json") == "https://example.com/a/B08.tif"
    assert resolved("../b/B08.tif", "https://example.com/a/item.json") == "https://example.com/b/B08.tif"
    assert resolved("https://example.com/B08.tif", tmp_path / "i.json") == "https://example.com/B08.tif"
    assert resolved("B08.tif", tmp_path / "i.json") == str(tmp_path / "B08.tif")
    assert resolved("B08.tif", (tmp_path / "i.json").as_uri()) == str(tmp_path / "B08.tif")
    for href in ("", "a\0b"):
        with pytest.raises(InputError, match="empty or damaged"):
            resolved(href, tmp_path / "i.json")
    with pytest.raises(InputError, match="relative, and nothing tells"):
        resolved("B08.tif", None)


def test_what_is_shown_of_an_address_holds_no_signature() -> None:
    signed = "https://user:word@a.blob.core.windows.net/c/B08.tif?st=2026&sig=abc%3D"
    assert without_secrets(signed) == "https://a.blob.core.windows.net/c/B08.tif"
    assert is_signed(signed)
    assert not is_signed("https://a.blob.core.windows.net/c/B08.tif?version=2")


@pytest.mark.parametrize(
    ("address", "private"),
    [
        *((one, True) for one in ("64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:c0a8:1::", "::127.0.0.1", "fec0::1")),
        *((one, True) for one in ("224.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "100.64.0.1", "")),
        *((one, False) for one in ("8.8.8.8", "64:ff9b::808:808", "2a00:1450:4001:800::200e", "::ffff:8.8.8.8")),
    ],
)
def test_an_address_that_leads_on_to_a_private_one_is_private(address: str, private: bool) -> None:  # noqa: FBT001
    assert is_private(address) is private
