from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from creepmeter.errors import InputError, LockedError, ServiceError, StoreError
from creepmeter.imagery.attempts import Clock
from creepmeter.imagery.earthdata import Credentials, EarthdataSession, shown
from creepmeter.imagery.fetch import AccessError, Fetched, fetch
from creepmeter.imagery.granules import Granule
from creepmeter.imagery.options import FetchOptions
from creepmeter.io.lock import RunLock

TOKEN = "t0ken-of-somebody-that-must-not-be-seen"  # noqa: S105 - nobody's
NAME = "S1-GUNW-A-R-064-tops-20210723_20210711-015001-35393N_33512N-PP-6267-v2_0_4.nc"
CONTENT = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 4000
QUICK = FetchOptions(jobs=1, tries=4, wait_s=1.0, longest_wait_s=50.0, timeout_s=2.0)
Answer = Callable[["Handler", int], None]


@dataclass
class Archive:
    """A server on loopback that answers as it is told, and remembers what it was asked."""

    answer: Answer
    asked: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    host: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: Archive

    def do_GET(self) -> None:
        self.archive.asked.append({key.lower(): value for key, value in self.headers.items()})
        self.archive.paths.append(self.path)
        self.archive.answer(self, len(self.archive.asked))

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_range(self, content: bytes = CONTENT, **headers: str) -> None:
        start = self.start()
        if not start:
            self.send(200, content, ETag='"one"', **headers)
            return
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send(206, content[start:], Content_Range=place, ETag='"one"', **headers)

    def start(self) -> int:
        asked = self.headers.get("Range", "bytes=0-")
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def cut(self, end: int, content: bytes = CONTENT) -> None:
        """Promise the rest, send it up to a byte, and hang up."""
        start = self.start()
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start:end])
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Serve = Callable[[Answer], Archive]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(answer: Answer) -> Archive:
        archive = Archive(answer)
        handler = type("Bound", (Handler,), {"archive": archive})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        archive.host = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return archive

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Waits:
    """A clock that does not wait."""

    slept: list[float] = field(default_factory=list)
    time: float = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def waits() -> Waits:
    return Waits()


def product(archive: Archive, *, name: str = NAME, nbytes: int | None = None, md5: str | None = None) -> Granule:
    return Granule(name, f"http://{archive.host}/{name}?secret=signature", nbytes, md5)


def get(
    archive: Archive, folder: Path, waits: Waits, *, granule: Granule | None = None, options: FetchOptions = QUICK
) -> Fetched:
    one = granule or product(archive)
    return fetch([one], folder, Credentials(token=TOKEN), options=options, also=[archive.host], clock=waits.clock())


def test_a_product_is_got_whole_and_the_token_is_shown_to_its_host(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send_range())
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    done = get(archive, tmp_path, waits, granule=product(archive, nbytes=len(CONTENT), md5=md5))
    assert done == Fetched((tmp_path / NAME,), (), ())
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert archive.asked[0]["authorization"] == f"Bearer {TOKEN}"
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]


def test_what_is_there_is_not_asked_for_again_and_needs_no_account(serve: Serve, tmp_path: Path) -> None:
    archive = serve(lambda handler, _: handler.send_range())
    (tmp_path / NAME).write_bytes(CONTENT)
    done = fetch([product(archive, nbytes=len(CONTENT))], tmp_path, Credentials(), also=[archive.host])
    assert done == Fetched((), (tmp_path / NAME,), ())
    assert archive.asked == []


def test_a_file_of_another_size_is_got_again(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send_range())
    (tmp_path / NAME).write_bytes(CONTENT[:100])
    done = get(archive, tmp_path, waits, granule=product(archive, nbytes=len(CONTENT)))
    assert done.new == (tmp_path / NAME,)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_without_credentials_nothing_is_asked(serve: Serve, tmp_path: Path) -> None:
    archive = serve(lambda handler, _: handler.send_range())
    with pytest.raises(AccessError, match=r"no credentials: put `machine urs\.earthdata\.nasa\.gov"):
        fetch([product(archive)], tmp_path, Credentials(), also=[archive.host])
    assert archive.asked == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_when_it_says(serve: Serve, tmp_path: Path, waits: Waits, status: int) -> None:
    def answer(handler: Handler, count: int) -> None:
        if count < 3:
            handler.send(status, b"busy", **({"Retry_After": "7"} if count == 1 else {}))
        else:
            handler.send_range()

    archive = serve(answer)
    assert get(archive, tmp_path, waits).new == (tmp_path / NAME,)
    assert waits.slept[0] == 7.0
    assert 2.0 <= waits.slept[1] <= 2.5  # the second wait is twice the first, and not the same for all files
    assert len(archive.asked) == 3


def test_an_endless_wait_is_not_obeyed(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send(503, Retry_After="999999"))
    done = get(archive, tmp_path, waits)
    assert done.failed[0].startswith(f"{NAME}: given up after 4 attempt(s): the server answered 503")
    assert waits.slept == [50.0, 50.0, 50.0]


def test_a_date_to_wait_for_that_is_over_is_no_wait(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    def answer(handler: Handler, count: int) -> None:
        if count == 1:
            handler.send(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
        else:
            handler.send_range()

    get(serve(answer), tmp_path, waits)
    assert waits.slept == [0.0]


def test_a_cut_download_goes_on_where_it_ended(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    def answer(handler: Handler, count: int) -> None:
        if count < 3:
            handler.cut(count * 300_000)
        else:
            handler.send_range()

    archive = serve(answer)
    assert get(archive, tmp_path, waits, granule=product(archive, nbytes=len(CONTENT))).failed == ()
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [asked.get("range") for asked in archive.asked] == [None, "bytes=300000-", "bytes=600000-"]
    assert archive.asked[1]["if-range"] == '"one"'


def test_the_next_run_goes_on_as_well_and_the_name_appears_only_when_whole(
    serve: Serve, tmp_path: Path, waits: Waits
) -> None:
    archive = serve(lambda handler, _: handler.cut(200_000))
    first = get(archive, tmp_path, waits, options=FetchOptions(jobs=1, tries=1))
    assert "200000 of" in first.failed[0] or "connection failed" in first.failed[0]
    assert not (tmp_path / NAME).exists()
    assert (tmp_path / f"{NAME}.part").stat().st_size == 200_000
    assert TOKEN not in (tmp_path / f"{NAME}.part.json").read_text()
    assert "signature" not in (tmp_path / f"{NAME}.part.json").read_text()
    archive.answer = lambda handler, _: handler.send_range()
    assert get(archive, tmp_path, waits).new == (tmp_path / NAME,)
    assert archive.asked[-1]["range"] == "bytes=200000-"
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    def answer(handler: Handler, count: int) -> None:
        if count == 1:
            handler.cut(300_000)
        else:
            handler.send(200, CONTENT)

    archive = serve(answer)
    assert get(archive, tmp_path, waits).failed == ()
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_not_joined_to_the_old_part(
    serve: Serve, tmp_path: Path, waits: Waits
) -> None:
    other = CONTENT[:8] + b"other" * 100_000

    def answer(handler: Handler, count: int) -> None:
        if count == 1:
            handler.cut(300_000)
        else:  # If-Range does not match: the whole new file
            handler.send(200, other, ETag='"two"')

    assert get(serve(answer), tmp_path, waits).failed == ()
    assert (tmp_path / NAME).read_bytes() == other


def test_a_part_that_is_whole_already_is_taken(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    def answer(handler: Handler, count: int) -> None:
        if count == 1:
            handler.cut(300_000)
        else:
            handler.send(416, Content_Range=f"bytes */{len(CONTENT)}")

    archive = serve(answer)
    get(archive, tmp_path, waits, options=FetchOptions(jobs=1, tries=1))
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)
    assert get(archive, tmp_path, waits).new == (tmp_path / NAME,)


def test_another_part_than_was_asked_for_is_not_used(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    def answer(handler: Handler, count: int) -> None:
        if count == 1:
            handler.cut(300_000)
        elif count == 2:
            handler.send(206, CONTENT[5:], Content_Range=f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            handler.send_range()

    archive = serve(answer)
    assert get(archive, tmp_path, waits).failed == ()
    assert archive.asked[-1].get("range") is None
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_wrong_checksum_is_never_renamed(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send_range())
    done = get(archive, tmp_path, waits, granule=product(archive, md5="0" * 32))
    assert "its checksum is" in done.failed[0]
    assert list(tmp_path.iterdir()) == []


def test_another_size_than_listed_is_refused(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send_range())
    done = get(archive, tmp_path, waits, granule=product(archive, nbytes=5))
    assert "the list says 5" in done.failed[0]
    assert not (tmp_path / NAME).exists()


def test_an_endless_answer_of_unknown_length_stops_at_the_listed_size(
    serve: Serve, tmp_path: Path, waits: Waits
) -> None:
    def answer(handler: Handler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        with suppress(OSError):
            handler.wfile.write(CONTENT * 20)
        handler.close_connection = True

    archive = serve(answer)
    done = get(archive, tmp_path, waits, granule=product(archive, nbytes=len(CONTENT)), options=FetchOptions(tries=1))
    assert "bytes" in done.failed[0]
    assert not (tmp_path / NAME).exists()


def test_text_in_the_place_of_a_product_is_damage(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send(200, b"service temporarily elsewhere", Content_Type="text/plain"))
    assert "it is no netCDF-4 file" in get(archive, tmp_path, waits).failed[0]
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_end_the_run_without_being_shown(
    serve: Serve, tmp_path: Path, waits: Waits, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    archive = serve(lambda handler, _: handler.send(status, TOKEN.encode()))
    granules = [product(archive, name=NAME.replace("6267", f"{number:04d}")) for number in range(5)]
    with pytest.raises(AccessError, match="does not accept the credentials") as caught:
        fetch(granules, tmp_path, Credentials(token=TOKEN), options=QUICK, also=[archive.host], clock=waits.clock())
    assert len(archive.asked) == 1
    assert waits.slept == []
    told = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {Credentials(token=TOKEN)!r}"
    assert TOKEN not in told
    assert "signature" not in told


def test_a_page_to_log_in_is_no_product(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(
        lambda handler, _: handler.send(200, b"<html>log in</html>", Content_Type="text/html; charset=utf-8")
    )
    with pytest.raises(AccessError, match="does not accept the credentials"):
        get(archive, tmp_path, waits)


def test_no_other_host_sees_credentials_on_a_redirect(
    serve: Serve, tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = serve(lambda handler, _: handler.send_range())
    archive = serve(
        lambda handler, _: handler.send(302, Location=f"http://{storage.host}/bucket/{NAME}?signature=of-the-link")
    )
    monkeypatch.setattr(EarthdataSession, "require_reachable", lambda *_: None)
    assert get(archive, tmp_path, waits).new == (tmp_path / NAME,)
    assert archive.asked[0]["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in storage.asked[0]
    assert TOKEN not in str(storage.asked)


def test_a_redirect_to_this_machine_or_without_tls_is_refused(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    storage = serve(lambda handler, _: handler.send_range())
    archive = serve(lambda handler, _: handler.send(302, Location=f"http://{storage.host}/{NAME}"))
    done = get(archive, tmp_path, waits)
    assert "is no https address of a public host" in done.failed[0]
    assert storage.asked == []


def test_an_expired_link_to_the_storage_is_made_anew(
    serve: Serve, tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = serve(lambda handler, count: handler.send(403) if count == 1 else handler.send_range())
    archive = serve(lambda handler, count: handler.send(302, Location=f"http://{storage.host}/{NAME}?link={count}"))
    monkeypatch.setattr(EarthdataSession, "require_reachable", lambda *_: None)
    assert get(archive, tmp_path, waits).failed == ()
    assert [path.split("=")[-1] for path in storage.paths] == ["1", "2"]


def test_user_and_password_are_shown_where_the_archive_sends_to_log_in(
    serve: Serve, tmp_path: Path, waits: Waits
) -> None:
    def login_page(handler: Handler, _: int) -> None:
        if handler.headers.get("Authorization", "").startswith("Basic "):
            handler.send(302, Location=f"http://{archive.host}/login?code=1")
        else:
            handler.send(401)

    def door(handler: Handler, _: int) -> None:
        if handler.path.startswith("/login"):
            handler.send(302, Location=f"http://{archive.host}/{NAME}", Set_Cookie="urs=1; Path=/")
        elif "urs=1" in handler.headers.get("Cookie", ""):
            handler.send_range()
        else:
            handler.send(302, Location=f"http://{login.host}/oauth/authorize?client_id=x")

    login, archive = serve(login_page), serve(door)
    hosts = [archive.host, login.host]
    granules = [product(archive), product(archive, name=NAME.replace("6267", "0001"))]
    account = Credentials(login=("me", "hidden"))
    done = fetch(granules, tmp_path, account, options=QUICK, also=hosts, clock=waits.clock())
    assert len(done.new) == 2
    assert len(login.asked) == 1  # the session stays logged in


def test_user_and_password_go_to_the_login_host_only() -> None:
    session = EarthdataSession(Credentials(login=("somebody", "pässword")))
    for url, seen in (
        ("https://urs.earthdata.nasa.gov/oauth/authorize?x=1", True),
        ("https://grfn.asf.alaska.edu/door/download/a.nc", False),
        ("http://urs.earthdata.nasa.gov/oauth", False),
        ("https://urs.earthdata.nasa.gov.evil.org/oauth", False),
        ("https://evil.org/urs.earthdata.nasa.gov", False),
    ):
        request = session.prepare_request(requests.Request("GET", url))
        assert ("Authorization" in request.headers) is seen, url


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://asf.alaska.edu/a.nc",
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/a.nc",
        "https://[::1]/a.nc",
        "https://localhost/a.nc",
        "https://evil.org/a.nc",
        "https://user:secret@grfn.asf.alaska.edu.evil.org/a.nc",
    ],
)
def test_other_addresses_are_not_asked(tmp_path: Path, url: str) -> None:
    done = fetch([Granule("a.nc", url)], tmp_path, Credentials(token=TOKEN), options=QUICK)
    assert "not on a host of Earthdata" in done.failed[0]
    assert "secret" not in done.failed[0]


def test_a_silent_server_ends_the_attempt(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    let_go = threading.Event()

    def answer(handler: Handler, _: int) -> None:
        let_go.wait(10)
        handler.close_connection = True

    archive = serve(answer)
    try:
        done = get(archive, tmp_path, waits, options=FetchOptions(jobs=1, tries=1, timeout_s=0.2))
    finally:
        let_go.set()
    assert "the server fell silent" in done.failed[0]


def test_the_time_for_a_file_is_bounded(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send(503))
    done = get(archive, tmp_path, waits, options=FetchOptions(jobs=1, tries=100, wait_s=20, file_minutes=1))
    assert sum(waits.slept) < 60
    assert "given up" in done.failed[0]


def test_a_product_that_is_gone_does_not_stop_the_others(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send(404) if "6267" in handler.path else handler.send_range())
    granules = [product(archive), product(archive, name=NAME.replace("6267", "0001"))]
    done = fetch(granules, tmp_path, Credentials(token=TOKEN), options=QUICK, also=[archive.host], clock=waits.clock())
    assert [path.name for path in done.new] == [granules[1].name]
    assert "answered 404" in done.failed[0]


def test_one_download_at_a_time_works_in_a_folder(serve: Serve, tmp_path: Path, waits: Waits) -> None:
    archive = serve(lambda handler, _: handler.send_range())
    with RunLock(tmp_path), pytest.raises(LockedError, match="is in use by"):
        get(archive, tmp_path, waits)


def test_a_full_disk_is_no_error_of_the_connection(
    serve: Serve, tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = serve(lambda handler, _: handler.send_range())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        get(archive, tmp_path, waits)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("name", ["../evil.nc", "a/b.nc", ".hidden.nc", "a\0.nc", "x" * 300 + ".nc", ""])
def test_names_stay_in_the_folder(name: str) -> None:
    with pytest.raises(InputError, match="no plain file name"):
        Granule(name, "https://grfn.asf.alaska.edu/a.nc")


def test_addresses_are_shown_without_secrets() -> None:
    assert shown("https://user:pass@host.org/a/b.nc?token=x#y") == "https://host.org/a/b.nc"


def test_errors_are_of_one_family() -> None:
    assert issubclass(AccessError, ServiceError)
