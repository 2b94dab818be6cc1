"""Downloads that resume: a part file beside, renamed only when it is whole; bounded tries, waits and time."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import CreepmeterError, ServiceError, StoreError
from creepmeter.imagery.attempts import (
    AGAIN,
    Clock,
    PassingError,
    Patience,
    asked_wait,
    blocks_of,
    no_addresses_logged,
    persist,
    reason_of,
)
from creepmeter.imagery.earthdata import (
    LOGIN,
    TOKEN_VARIABLE,
    Credentials,
    EarthdataSession,
    require_product_host,
    shown,
)
from creepmeter.imagery.granules import Granule
from creepmeter.imagery.options import FetchOptions
from creepmeter.io import swap
from creepmeter.io.lock import RunLock

_HDF5 = b"\x89HDF\r\n\x1a\n"
_OK, _PART, _MULTIPLE, _DENIED, _FORBIDDEN, _RANGE = 200, 206, 300, 401, 403, 416


class AccessError(ServiceError):
    """The archive wants other credentials."""


@dataclass(frozen=True)
class Fetched:
    """What a download did.

    Parameters
    ----------
    new, present : tuple of Path
        Files that were got, and those that were there already.
    failed : tuple of str
        Names of the others, and why.
    """

    new: tuple[Path, ...]
    present: tuple[Path, ...]
    failed: tuple[str, ...]


def fetch(
    granules: Sequence[Granule],
    folder: Path,
    credentials: Credentials,
    *,
    options: FetchOptions | None = None,
    also: Collection[str] = (),
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Fetched:
    """Download products into a folder; those that are there whole are not asked for again.

    Parameters
    ----------
    granules : sequence of Granule
        What to get.
    folder : Path
        Made if absent; one download at a time works in it.
    credentials : Credentials
        Of Earthdata.
    options : FetchOptions, optional
        Tries, waits, time.
    also : collection of str
        Further hosts, ``host:port``, that are asked and see credentials.
    progress : Progress, optional
        Counts files.
    clock : Clock, optional
        For tests.

    Raises
    ------
    AccessError
        There are no credentials, or the archive refuses them.
    StoreError
        The folder cannot be written, or another download works in it.
    """
    chosen, shown_to = options or FetchOptions(), progress if progress is not None else NullProgress()
    with RunLock(folder):
        present = [one for one in granules if _is_whole(folder / one.name, one)]
        todo = [one for one in granules if one not in present]
        if todo and not credentials:
            raise AccessError(_no_credentials(len(todo)))
        work = _Work(folder, credentials, chosen, frozenset(also), clock or Clock())
        shown_to.start("download products", len(granules))
        shown_to.advance(len(present))
        try:
            with no_addresses_logged():
                outcomes = work.all(todo, lambda: shown_to.advance(1))
        finally:
            shown_to.finish()
    new = [folder / one.name for one, why in zip(todo, outcomes, strict=True) if why is None]
    failed = [f"{one.name}: {why}" for one, why in zip(todo, outcomes, strict=True) if why is not None]
    return Fetched(tuple(new), tuple(folder / one.name for one in present), tuple(failed))


def _no_credentials(count: int) -> str:
    return (
        f"{count} product(s) are to be downloaded and there are no credentials: put `machine {LOGIN} login USER "
        f"password ...` into ~/.netrc, or a token into {TOKEN_VARIABLE} or --token-file (accounts are free: "
        f"https://{LOGIN})"
    )


def _is_whole(path: Path, one: Granule) -> bool:
    """Tell whether a file is there that is no product in part."""
    if not path.is_file():
        return False
    if one.nbytes is not None and path.stat().st_size != one.nbytes:
        return False
    with path.open("rb") as file:
        return not path.name.endswith(".nc") or file.read(len(_HDF5)) == _HDF5


class _Work:
    """The downloads of one call."""

    def __init__(
        self, folder: Path, credentials: Credentials, options: FetchOptions, also: frozenset[str], clock: Clock
    ) -> None:
        self._folder, self._credentials, self._options, self._also, self._clock = (
            folder,
            credentials,
            options,
            also,
            clock,
        )
        self._stop = threading.Event()
        self._local = threading.local()
        self._sessions: list[EarthdataSession] = []

    def all(self, granules: Sequence[Granule], count: Callable[[], None]) -> list[str | None]:
        """Return for every product None, or why it was not got."""
        with ThreadPoolExecutor(self._options.jobs) as pool:
            try:
                futures = [pool.submit(self._one, granule, count) for granule in granules]
                return [future.result() for future in futures]
            finally:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                for session in self._sessions:
                    session.close()

    def _one(self, granule: Granule, count: Callable[[], None]) -> str | None:
        if self._stop.is_set():
            return "not begun"
        try:
            self._get(granule)
        except (AccessError, StoreError, OSError):
            self._stop.set()  # it would go the same way with every other file
            raise
        except CreepmeterError as problem:
            return str(problem)
        count()
        return None

    def _session(self) -> EarthdataSession:
        if not hasattr(self._local, "session"):
            self._local.session = EarthdataSession(self._credentials, also=self._also)
            self._sessions.append(self._local.session)
        session: EarthdataSession = self._local.session
        return session

    def _get(self, granule: Granule) -> None:
        """Download one product, attempt after attempt."""
        session, options = self._session(), self._options
        require_product_host(session, granule.url)
        download = _Download(self._folder / granule.name, granule, session, options)
        until = self._clock.now() + options.file_minutes * 60
        patience = Patience(
            options.tries, options.wait_s, options.longest_wait_s, until, clock=self._clock, stop=self._stop
        )
        persist(lambda: download.attempt(patience), patience, granule.name)


class _Download:
    """One file on its way."""

    def __init__(self, target: Path, granule: Granule, session: EarthdataSession, options: FetchOptions) -> None:
        self._target, self._granule, self._session, self._options = target, granule, session, options
        self._part = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    def attempt(self, patience: Patience) -> None:
        """Ask once, from where the part file ends; rename it when it is whole."""
        have, tag = self._state()
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", **({"If-Range": tag} if tag else {})}
        try:
            with self._session.get(
                self._granule.url,
                headers=headers,
                stream=True,
                timeout=(min(30.0, self._options.timeout_s), self._options.timeout_s),
            ) as answer:
                total = self._judged(answer, have)
                if total is not None:
                    self._take(answer, total, patience)
        except (requests.RequestException, HTTPError) as problem:
            message = f"the connection failed ({reason_of(problem)})"
            raise PassingError(message) from None
        self._finish()

    def _state(self) -> tuple[int, str | None]:
        """Return how much is there, and the mark of the version it is of; a part of something else is dropped."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            same = note["url"] == shown(self._granule.url)
            size = self._part.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            same, size, note = False, 0, {}
        known = self._granule.nbytes
        if not same or (known is not None and size > known):
            with swap.file_errors(self._part, "replace"):
                self._part.unlink(missing_ok=True)
            return 0, None
        tag = note.get("tag")
        return size, tag if isinstance(tag, str) else None

    def _judged(self, answer: requests.Response, have: int) -> tuple[int, int | None] | None:
        """Return where the content begins and how long the whole file is; None when all is here already."""
        status = answer.status_code
        if status in (_DENIED, _FORBIDDEN) or (status < _MULTIPLE and _is_page(answer)):
            if self._session.is_trusted(answer.url):
                raise AccessError(self._refused(answer))
            message = f"the storage answered {status}: the link to it may have expired"
            raise PassingError(message)
        if status in AGAIN:
            message = f"the server answered {status}"
            raise PassingError(message, asked_wait(answer))
        if status == _RANGE and have:
            total = _whole_size(answer)
            if total == have:
                return None
            self._part.unlink(missing_ok=True)
            message = "the part that is here does not belong to the file"
            raise PassingError(message, 0.0)
        if status not in (_OK, _PART):
            message = f"{shown(answer.url)} answered {status} {answer.reason}: search again, the product may have moved"
            raise ServiceError(message)
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        if status == _OK:
            return 0, size
        found = re.match(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            self._part.unlink(missing_ok=True)
            message = "the server sent another part than was asked for"
            raise PassingError(message, 0.0)
        return have, int(found[2]) if found[2] != "*" else None if size is None else have + size

    def _refused(self, answer: requests.Response) -> str:
        host = shown(answer.url).split("/")[2]
        return (
            f"{host} does not accept the credentials ({answer.status_code}) for {self._granule.name}: check the "
            f"account at https://{LOGIN} (an expired token, or an agreement of the Alaska Satellite Facility that is "
            "not accepted yet)"
        )

    def _take(self, answer: requests.Response, where: tuple[int, int | None], patience: Patience) -> None:
        """Append the content to the part file."""
        start, total = where
        expected = self._granule.nbytes
        if expected is not None and total is not None and total != expected:
            message = f"the server has {total} bytes, the list says {expected}: search again, the product has changed"
            raise ServiceError(message)
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        weak = tag is not None and tag.startswith("W/")
        note = {"url": shown(self._granule.url), "tag": None if weak else tag}
        with swap.file_errors(self._part, "write"):
            self._note.write_text(json.dumps(note), encoding="utf-8")
            with self._part.open("r+b" if start else "wb") as file:
                file.seek(start)
                file.truncate()
                done = start
                for block in blocks_of(answer):
                    file.write(block)
                    done += len(block)
                    patience.require_time()
                    if expected is not None and done > expected:
                        break
                file.flush()
                os.fsync(file.fileno())
        limit = total if total is not None else expected
        if limit is not None and done != limit:
            message = f"the connection ended after {done} of {limit} bytes"
            raise PassingError(message)

    def _finish(self) -> None:
        """Put the file in its place when it is what was asked for."""
        size = self._part.stat().st_size
        expected, wanted = self._granule.nbytes, self._granule.md5
        with self._part.open("rb") as file:
            right = not self._target.name.endswith(".nc") or file.read(len(_HDF5)) == _HDF5
            file.seek(0)
            found = hashlib.file_digest(file, _md5).hexdigest() if right and wanted is not None else None
        problem = None
        if expected is not None and size != expected:
            problem = f"it has {size} bytes, {expected} expected"
        elif not right:
            problem = "it is no netCDF-4 file"
        elif found != wanted:
            problem = f"its checksum is {found}, {wanted} expected"
        if problem is not None:
            self._part.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)
            message = f"what was sent is damaged: {problem}"
            raise PassingError(message)
        with swap.file_errors(self._target, "write"):
            self._part.replace(self._target)
            swap.sync_folder(self._target.parent)
        with suppress(OSError):
            self._note.unlink(missing_ok=True)


def _md5() -> Any:  # noqa: ANN401 - hashlib's own type is private
    return hashlib.md5(usedforsecurity=False)  # the archive's checksum, not a signature


def _is_page(answer: requests.Response) -> bool:
    """Tell whether a page for people came in the place of a file: the archive asks to log in."""
    return answer.headers.get("Content-Type", "").split(";")[0].strip().lower() == "text/html"


def _whole_size(answer: requests.Response) -> int | None:
    found = re.match(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
    return None if found is None else int(found[1])
