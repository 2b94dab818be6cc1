"""Stations from a server on loopback that fails in every way that servers do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.validation.samples import days, moved, write_tenv3
from tests.validation.test_los import LIST

from creepmeter.errors import ConfigError, InputError, ServiceError
from creepmeter.imagery.access import AccessPolicy, RefusedError
from creepmeter.imagery.attempts import Clock
from creepmeter.workflow.station_server import StationServer

NOT_THERE = "<!DOCTYPE html><html><body>404 Not Found</body></html>"


class Laboratory:
    """What the server has and what it was asked.

    Parameters
    ----------
    good : bytes
        A file of positions.
    """

    def __init__(self, good: bytes) -> None:
        self.good = good
        self.listed = LIST.encode()
        self.held: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.broken = {"HALF"}
        self.busy = 0

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2].removesuffix(".tenv3")
        self.asked.append(handler.path)
        if name == "BUSY" and self.busy < 2:
            self.busy += 1
            self.answer(handler, 503, b"later")
            return
        contents = {
            "DataHoldings.txt": self.listed,
            "VOID": b"",
            "PAGE": NOT_THERE.encode(),
            "LINE": self.good[: len(self.good) // 2],
            "WORD": b"nothing to see here\n",
            **self.held,
        }
        if name == "GONE" or (name == "OLDS" and "IGS20" in handler.path):
            self.answer(handler, 404, NOT_THERE.encode())
        elif name in self.broken:  # the connection ends before all has come
            self.answer(handler, 200, self.good, told=2 * len(self.good))
        else:
            self.answer(handler, 200, contents.get(name, self.good))

    @staticmethod
    def answer(handler: BaseHTTPRequestHandler, status: int, content: bytes, told: int | None = None) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if told is None else told))
        handler.end_headers()
        handler.wfile.write(content)


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    path = tmp_path / "made.tenv3"
    times = days(60, start="2018-01-01")
    return Laboratory(write_tenv3(path, times, moved(times)).read_bytes())


@pytest.fixture
def address(laboratory: Laboratory) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            laboratory.reply(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(address: str, tmp_path: Path) -> StationServer:
    clock = Clock(sleep=lambda _: None)
    return StationServer(f"http://{address}", tmp_path / "kept", AccessPolicy(frozenset({address})), clock=clock)


def test_bad_stations_are_named_and_the_others_come(server: StationServer, laboratory: Laboratory) -> None:
    paths, left_out = server.fetch(["GOOD", "GONE", "VOID", "PAGE", "LINE", "WORD", "HALF", "BUSY", "../X"])
    assert [path.name for path in paths] == ["GOOD.tenv3", "BUSY.tenv3"]
    assert paths[0].read_bytes() == laboratory.good
    reasons = dict(text.split(": ", 1) for text in left_out)
    assert "answers 404 (there is no such file)" in reasons["GONE"]
    assert "gave nothing in place of positions" in reasons["VOID"]
    assert "gave a web page in place of positions" in reasons["PAGE"]
    assert "gave other text" in reasons["WORD"]
    assert "the file is cut or of another format" in reasons["LINE"]
    assert "given up after 4 attempt(s)" in reasons["HALF"]
    assert "no name of a station" in reasons["../X"]
    assert sorted(path.name for path in server.folder.iterdir()) == ["BUSY.tenv3", "GOOD.tenv3"]
    assert sum(path.endswith("BUSY.tenv3") for path in laboratory.asked) == 3


def test_what_is_kept_is_not_fetched_again(server: StationServer, laboratory: Laboratory) -> None:
    assert [each.name for each in server.holdings()] == ["00NA", "P156", "EAST"]
    server.fetch(["GOOD"])
    before = len(laboratory.asked)
    server.holdings()
    server.fetch(["GOOD"])
    assert len(laboratory.asked) == before == 2
    assert laboratory.asked[0] == "/NGLStationPages/DataHoldings.txt"
    assert laboratory.asked[1] == "/gps_timeseries/IGS20/tenv3/IGS20/GOOD.tenv3"
    server.redo = True
    server.fetch(["GOOD"])
    assert len(laboratory.asked) == before + 1


def test_station_of_an_older_frame_is_found(server: StationServer, laboratory: Laboratory) -> None:
    paths, left_out = server.fetch(["OLDS"])
    assert [path.name for path in paths] == ["OLDS.tenv3"]
    assert left_out == []
    assert laboratory.asked[-1] == "/gps_timeseries/tenv3/IGS14/OLDS.tenv3"


def test_list_that_is_a_page_is_not_kept(server: StationServer, laboratory: Laboratory) -> None:
    laboratory.listed = NOT_THERE.encode()
    with pytest.raises(InputError, match="is no list of stations"):
        server.holdings()
    assert not server.folder.exists() or not list(server.folder.iterdir())


def test_file_that_never_ends_is_given_up(
    server: StationServer, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creepmeter.workflow.station_server._MOST_BYTES", 1000)
    assert len(laboratory.good) > 1000
    with pytest.raises(ServiceError, match="is longer than 1000 bytes"):
        server.station("GOOD")


def test_plain_http_and_this_machine_are_not_asked_unless_named(server: StationServer) -> None:
    server.policy = AccessPolicy()
    with pytest.raises(RefusedError, match="plain http"):
        server.station("GOOD")


@pytest.mark.parametrize("base", ["geodesy.unr.edu", "ftp://example.org", "https://", "http://example.org:x"])
def test_what_is_no_address_is_said_and_not_asked(base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--gnss-server\) is no address: write https"):
        StationServer(base, tmp_path)


@pytest.mark.parametrize(
    "base", ["http://user:hidden@{}", "http://hidden@{}", "http://{}/copy?token=hidden", "http://{}/#hidden"]
)
def test_secrets_of_an_address_are_neither_sent_nor_shown(
    base: str, address: str, laboratory: Laboratory, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="may be secret: leave them out") as raised:
        StationServer(base.format(address), tmp_path, AccessPolicy(frozenset({address})))
    assert "hidden" not in str(raised.value)
    assert laboratory.asked == []


def test_silent_server_is_not_waited_for_station_by_station(server: StationServer, laboratory: Laboratory) -> None:
    """Three files in a row that never come are enough; what is kept is still taken."""
    server.fetch(["KEPT"])
    laboratory.broken = {"AAAA", "BBBB", "CCCC"}
    paths, left_out = server.fetch(["AAAA", "KEPT", "BBBB", "CCCC", "DDDD", "EEEE", "KEPT"])
    assert [path.name for path in paths] == ["KEPT.tenv3", "KEPT.tenv3"]
    assert ["not asked for" in text for text in left_out] == [False, False, False, True, True]
    assert not any(name in path for path in laboratory.asked for name in ("DDDD", "EEEE"))


def test_file_that_comes_byte_by_byte_is_given_up(server: StationServer) -> None:
    passed = iter(range(0, 10**9, 700))  # each look at the clock is later than a file may take
    server.clock = Clock(now=lambda: float(next(passed)), sleep=lambda _: None)
    with pytest.raises(ServiceError, match="the time for it is over"):
        server.station("GOOD")
