"""Files on servers, read in parts: every byte is asked for by us, tried again, limited, and checked."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import requests
from urllib3.exceptions import HTTPError

from creepmeter.errors import ImageError, ServiceError
from creepmeter.imagery.access import AccessPolicy, GuardedSession, RefusedError, is_address, without_secrets
from creepmeter.imagery.attempts import AGAIN, Clock, PassingError, Patience, asked_wait, blocks_of, persist, reason_of
from creepmeter.imagery.options import ReadOptions
from creepmeter.imagery.signing import Signer
from creepmeter.io.rasterfile import MAX_PIXELS, Raster, open_raster
from creepmeter.io.rasterstream import open_stream

_BLOCK = 1 << 17
_KEPT_BLOCKS = 256  # 32 MiB of a file
_HEADER = 1 << 24
_LONGEST_READ = 1 << 28
_LARGEST_BLOCK = 1 << 25  # pixels; a strip of one row of anything is less
_MB = 1_000_000
_OK, _PART, _RANGE = 200, 206, 416
_DENIED = frozenset({401, 403})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class _DeniedError(Exception):
    """The server wants another signature."""


class Access:
    """How files are reached: policy, signatures, tries and time; used as a context, by several threads.

    Parameters
    ----------
    policy : AccessPolicy, optional
        What may be asked. Default: https of public hosts.
    options : ReadOptions, optional
        Tries, waits, limits.
    signer : Signer, optional
        Signs links of the Planetary Computer. Default: one that asks there when such links are met.
    clock : Clock, optional
        For tests.
    """

    def __init__(
        self,
        policy: AccessPolicy | None = None,
        options: ReadOptions | None = None,
        *,
        signer: Signer | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.policy, self.options = policy or AccessPolicy(), options or ReadOptions()
        self.signer, self.clock = signer or Signer(), clock or Clock()
        self.stop = threading.Event()
        self._local = threading.local()
        self._sessions: list[GuardedSession] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        for session in self._sessions:
            session.close()

    def session(self) -> GuardedSession:
        """Return the session of this thread."""
        if not hasattr(self._local, "session"):
            self._local.session = GuardedSession(self.policy)
            self._sessions.append(self._local.session)
        session: GuardedSession = self._local.session
        return session

    def patience(self) -> Patience:
        """Return how long a file is tried, from now on."""
        options = self.options
        until = self.clock.now() + options.file_minutes * 60
        return Patience(options.tries, options.wait_s, options.longest_wait_s, until, self.clock, self.stop)

    @contextmanager
    def open(self, href: str, *, max_pixels: int = MAX_PIXELS) -> Iterator[Raster]:
        """Open a raster of a catalogue: on a server by parts, or a file of this machine where that is allowed.

        Parameters
        ----------
        href : str
            Address or path.
        max_pixels : int
            Refuse larger images before memory is asked for.

        Raises
        ------
        RefusedError
            It may not be read.
        ServiceError
            The server does not give it.
        ImageError
            It is no raster, damaged or cut.
        """
        if not is_address(href):
            with open_raster(self.policy.file_of(href), max_pixels=max_pixels) as raster:
                _require_tiles(raster, href)
                yield raster
            return
        self.policy.require(href)
        file = RemoteFile(href, self)
        with open_stream(file, file.name, max_pixels=max_pixels) as raster:
            file.header_is_read()
            _require_tiles(raster, file.name)
            yield raster


def _require_tiles(raster: Raster, name: str) -> None:
    """Refuse a raster that can only be read in parts too large for memory."""
    tall, wide = raster.block_shapes[0]
    if tall * wide > _LARGEST_BLOCK:
        message = f"image {name} has blocks of {tall} x {wide} px: it is not made for reading in parts; leave it out"
        raise ImageError(message)


class RemoteFile:
    """A file on a server; what was read is kept in blocks, the last used ones.

    Parameters
    ----------
    href : str
        Its address.
    access : Access
        How it is asked for.
    """

    def __init__(self, href: str, access: Access) -> None:
        self.name = without_secrets(href)
        self._href, self._access, self._patience = href, access, access.patience()
        self._size: int | None = None
        self._tag: str | None = None
        self._whole: bytes | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._taken, self._limit = 0, _HEADER
        self._was_signed_anew = False

    def size(self) -> int:
        """Return the length of the file."""
        if self._size is None:
            self._load(0, 1)
        return self._size or 0

    def header_is_read(self) -> None:
        """Allow to read as much as pixels need."""
        self._limit = int(self._access.options.file_mb * _MB)

    def read_at(self, start: int, count: int) -> bytes:
        """Return bytes from a place on; fewer only at the end of the file.

        Raises
        ------
        ServiceError
            The server does not give them.
        """
        if count <= 0 or start >= self.size():
            return b""
        stop = min(start + count, self.size())
        if stop - start > _LONGEST_READ:
            message = (
                f"{self.name} holds a block of {(stop - start) / _MB:.0f} MB: it is damaged, or not made for parts"
            )
            raise ServiceError(message)
        if self._whole is not None:
            return self._whole[start:stop]
        first, last = start // _BLOCK, (stop - 1) // _BLOCK
        found = self._load(first, last + 1)
        joined = b"".join(found[number] for number in range(first, last + 1))
        return joined[start - first * _BLOCK : stop - first * _BLOCK]

    def _load(self, first: int, stop: int) -> dict[int, bytes]:
        """Return blocks, those that are not here asked for in runs."""
        found = {number: self._blocks[number] for number in range(first, stop) if number in self._blocks}
        for run in _runs([number for number in range(first, stop) if number not in found]):
            content = self._ask(run.start * _BLOCK, run.stop * _BLOCK)
            if self._whole is not None:
                return {}
            pieces = {number: content[k * _BLOCK : (k + 1) * _BLOCK] for k, number in enumerate(run)}
            found |= pieces
        for number, block in found.items():
            self._blocks[number] = block
            self._blocks.move_to_end(number)
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return found

    def _ask(self, start: int, stop: int) -> bytes:
        stop = stop if self._size is None else min(stop, self._size)
        self._taken += stop - start
        if self._taken > self._limit:
            what = "its header alone" if self._limit == _HEADER else "the part that is needed"
            message = (
                f"{self.name}: {what} takes more than {self._limit / _MB:.0f} MB: the file is damaged or not made for "
                "reading in parts; leave it out, or raise --file-mb"
            )
            raise ServiceError(message)
        try:
            return persist(lambda: self._attempt(start, stop), self._patience, self.name)
        except RefusedError:
            raise
        except ServiceError as problem:
            message = f"{self.name}: {problem}"
            raise type(problem)(message) from None

    # ------------------------------------------------------------------------------------------------- one request

    def _attempt(self, start: int, stop: int) -> bytes:
        """Ask once; a link that is refused is signed anew, once for a file."""
        session, signer = self._access.session(), self._access.signer
        href = signer.sign(self._href, session)
        try:
            return self._request(href, start, stop)
        except _DeniedError as problem:
            if self._was_signed_anew or not signer.knows(href):
                message = f"{problem}: the link has expired, or the file is not free; search again"
                raise ServiceError(message) from None
        self._was_signed_anew = True
        self._href = signer.sign(self._href, session, refused=href)
        return self._attempt(start, stop)

    def _request(self, href: str, start: int, stop: int) -> bytes:
        self._patience.require_time()
        session, options = self._access.session(), self._access.options
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        timeout = (min(30.0, options.timeout_s), options.timeout_s)
        try:
            with session.get(href, headers=headers, stream=True, timeout=timeout) as answer:
                return self._judged(answer, start, stop)
        except (requests.RequestException, HTTPError) as problem:
            message = f"the connection failed ({reason_of(problem)})"
            raise PassingError(message) from None

    def _judged(self, answer: requests.Response, start: int, stop: int) -> bytes:
        status = answer.status_code
        if status in AGAIN:
            message = f"the server answered {status}"
            raise PassingError(message, asked_wait(answer))
        if status in _DENIED:
            message = f"the server answered {status}"
            raise _DeniedError(message)
        if status == _RANGE:
            message = "the file is empty or shorter than it says: it is damaged or cut where it comes from"
            raise ServiceError(message)
        if status not in (_OK, _PART):
            message = f"the server answered {status}: search again, the scene may have moved"
            raise ServiceError(message)
        if answer.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            message = "the server packs parts of files, which cannot be put together"
            raise ServiceError(message)
        self._require_same(answer)
        return self._take_whole(answer, start, stop) if status == _OK else self._take_part(answer, start, stop)

    def _require_same(self, answer: requests.Response) -> None:
        """Raise when the file has changed between two parts."""
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if self._tag is not None and tag != self._tag:
            message = "the file has changed while it was read: run again"
            raise ServiceError(message)
        self._tag = tag

    def _take_whole(self, answer: requests.Response, start: int, stop: int) -> bytes:
        """Take all of a small file from a server that knows no parts."""
        most = int(self._access.options.whole_mb * _MB)
        length = answer.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > most:
            size = f"{int(length) / _MB:.0f} MB" if length.isdecimal() else "unknown length"
            message = (
                f"the server gives whole files only ({size}; it ignores Range), and more than {most / _MB:.0f} MB are "
                "not taken: download it and read it from disk, or raise --whole-mb"
            )
            raise ServiceError(message)
        self._whole = self._content(answer, int(length))
        self._size = int(length)
        return self._whole[start:stop]

    def _take_part(self, answer: requests.Response, start: int, stop: int) -> bytes:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
        if found is None:
            message = "the server sends parts without saying which: they cannot be put together"
            raise ServiceError(message)
        first, last, total = (int(text) for text in found.groups())
        if self._size is not None and total != self._size:
            message = "the file has changed while it was read: run again"
            raise ServiceError(message)
        if first != start or last != min(stop, total) - 1:
            message = "the server sent another part than was asked for"
            raise PassingError(message)
        content = self._content(answer, last + 1 - first)
        self._size = total
        return content

    def _content(self, answer: requests.Response, count: int) -> bytes:
        parts, have = [], 0
        for block in blocks_of(answer):
            self._patience.require_time()
            parts.append(block)
            have += len(block)
            if have > count:
                break
        if have != count:
            message = f"the server sent {have} bytes, {count} expected"
            raise PassingError(message)
        return b"".join(parts)


def _runs(numbers: list[int]) -> list[range]:
    """Return rising numbers as ranges without gaps."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs
