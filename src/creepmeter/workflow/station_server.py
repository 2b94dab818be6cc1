"""Station files fetched from a server and kept in a folder; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests

from creepmeter.errors import ConfigError, CreepmeterError, InputError, ServiceError
from creepmeter.imagery.access import AccessPolicy, GuardedSession
from creepmeter.imagery.attempts import (
    AGAIN,
    Clock,
    PassingError,
    Patience,
    UnreachableError,
    asked_wait,
    blocks_of,
    persist,
    reason_of,
)
from creepmeter.io.swap import write_text
from creepmeter.validation.gnss import is_gnss, read_gnss
from creepmeter.validation.holdings import Holding, read_holdings

LIST = "DataHoldings.txt"
_LIST_AT = f"NGLStationPages/{LIST}"
_SERIES_AT = ("gps_timeseries/IGS20/tenv3/IGS20/{}.tenv3", "gps_timeseries/tenv3/IGS14/{}.tenv3")  # newest frame first
_MOST_BYTES = 30_000_000  # the list has 3 MB, thirty years of a station 2 MB
_TIMEOUT_S = (20.0, 60.0)
_TRIES, _FIRST_WAIT_S, _LONGEST_WAIT_S, _MINUTES = 4, 2.0, 60.0, 10.0  # for one file
_SILENT = 3  # files in a row that do not come: the server is not asked for more
_OK, _NOT_FOUND = 200, 404


class AbsentError(ServiceError):
    """The server has no such file."""


def host_of(server: str) -> str:
    """Return host and port of the address of a server.

    Raises
    ------
    ConfigError
        It is no such address, or holds what may be secret.

    Examples
    --------
    >>> host_of("http://localhost:8080/copy")
    'localhost:8080'
    """
    try:
        parts = urlsplit(server)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        message = "the server of stations (--gnss-server) is no address: write https://HOST or http://HOST:PORT"
        raise ConfigError(message)
    if "@" in parts.netloc or parts.query or parts.fragment:
        message = (
            f"the server of stations (--gnss-server) on {parts.hostname} is given with user, password or query, which "
            "may be secret: leave them out"
        )
        raise ConfigError(message)
    return parts.netloc


@dataclass
class StationServer:
    """The server of the Nevada Geodetic Laboratory, or a copy of it.

    Parameters
    ----------
    base : str
        Its address.
    folder : Path
        Where files are kept; those that are there are not fetched again.
    policy : AccessPolicy
        What may be asked.
    redo : bool
        Fetch again what is there.
    clock : Clock
        For tests.
    """

    base: str
    folder: Path
    policy: AccessPolicy = field(default_factory=AccessPolicy)
    redo: bool = False
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        host_of(self.base)

    def holdings(self) -> tuple[Holding, ...]:
        """Return the list of stations.

        Raises
        ------
        ServiceError
            It cannot be fetched.
        InputError
            What came is no such list.
        """
        path = self.folder / LIST
        if self.redo or not path.is_file():
            text = self._text(_LIST_AT)
            found = read_holdings(text, f"{self.base}/{_LIST_AT}")
            write_text(path, text)
            return found
        return read_holdings(path.read_text(encoding="utf-8", errors="replace"), str(path))

    def fetch(self, names: Sequence[str]) -> tuple[list[Path], list[str]]:
        """Return the files of stations, and those that cannot be had, with the reason.

        A server that has fallen silent is not waited for station by station.
        """
        paths, left_out, silent = [], [], 0
        for name in names:
            kept = self._is_kept(name)
            if silent >= _SILENT and not kept:
                left_out.append(f"{name}: not asked for, the server does not answer: try again later")
                continue
            try:
                paths.append(self.station(name))
                silent = silent if kept else 0
            except CreepmeterError as problem:
                left_out.append(f"{name}: {problem}")
                silent = silent + 1 if isinstance(problem, UnreachableError) else 0
        return paths, left_out

    def station(self, name: str) -> Path:
        """Return the file of a station.

        Raises
        ------
        ServiceError
            It cannot be fetched.
        InputError
            What came are no positions: it is not kept.
        """
        if not name.isalnum():
            message = f"{name!r} is no name of a station: letters and digits"
            raise InputError(message)
        path = self._path(name)
        if self._is_kept(name):
            return path
        text, where = self._first_of([place.format(quote(name)) for place in _SERIES_AT])
        if not is_gnss(text):
            message = f"{where} gave {_kind_of(text)} in place of positions: try again later, or leave it out"
            raise InputError(message)
        read_gnss(text, where)  # a file that is cut is not kept
        write_text(path, text)
        return path

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.tenv3"

    def _is_kept(self, name: str) -> bool:
        return self._path(name).is_file() and not self.redo

    def _first_of(self, places: Sequence[str]) -> tuple[str, str]:
        """Return the text of the first place that is there, and its address."""
        for place in places[:-1]:
            try:
                return self._text(place), f"{self.base}/{place}"
            except AbsentError:
                continue
        return self._text(places[-1]), f"{self.base}/{places[-1]}"

    def _text(self, place: str) -> str:
        url = f"{self.base.rstrip('/')}/{place}"
        session = GuardedSession(self.policy)
        until = self.clock.now() + 60 * _MINUTES
        patience = Patience(_TRIES, _FIRST_WAIT_S, _LONGEST_WAIT_S, until, self.clock)
        try:
            return persist(
                lambda: _once(session, url, patience), patience, url, "check the connection, or try again later"
            )
        except ServiceError as problem:
            message = str(problem) if url in str(problem) else f"{url}: {problem}"
            raise type(problem)(message) from problem


def _kind_of(text: str) -> str:
    if not text.strip():
        return "nothing"
    return "a web page" if "<html" in text[:2000].lower() or text.lstrip()[:1] == "<" else "other text"


def _once(session: GuardedSession, url: str, patience: Patience) -> str:
    try:
        answer = session.get(url, stream=True, timeout=_TIMEOUT_S)
    except requests.RequestException as problem:
        raise PassingError(reason_of(problem)) from None
    with answer:
        if answer.status_code in AGAIN:
            message = f"the server answers {answer.status_code}"
            raise PassingError(message, asked_wait(answer))
        if answer.status_code != _OK:
            absent = answer.status_code == _NOT_FOUND
            message = f"{url}: the server answers {answer.status_code}{' (there is no such file)' if absent else ''}"
            raise AbsentError(message) if absent else ServiceError(message)
        content, told = _read(answer, url, patience), answer.headers.get("Content-Length", "")
    if told.isdecimal() and "Content-Encoding" not in answer.headers and len(content) < int(told):
        message = f"{len(content)} of {told} bytes came"
        raise PassingError(message)
    return content.decode("utf-8", errors="replace")


def _read(answer: requests.Response, url: str, patience: Patience) -> bytes:
    content = bytearray()
    for block in blocks_of(answer):
        content += block
        patience.require_time()  # a server may send byte by byte for ever
        if len(content) > _MOST_BYTES:
            message = f"{url} is longer than {_MOST_BYTES} bytes: that is no file of a station"
            raise ServiceError(message)
    return bytes(content)
