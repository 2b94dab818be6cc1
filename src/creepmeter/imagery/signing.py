"""Links of the Planetary Computer are signed when they are read: a signature lives for minutes, a run for hours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit, urlunsplit

import requests
from urllib3.exceptions import HTTPError

from creepmeter.errors import ServiceError
from creepmeter.imagery.access import GuardedSession, is_signed
from creepmeter.imagery.attempts import AGAIN, PassingError, asked_wait, reason_of

ENDPOINT = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
STORAGE = ".blob.core.windows.net"
_EARLY_S = 120.0  # a signature is renewed this long before it ends
_SHORTEST_S = 60.0
_UNSIGNED_S = 3600.0
_OK = 200
_NOT_SIGNED = frozenset({400, 404})  # a container of somebody else: its files are asked for as they are
_MAX_BYTES = 100_000


@dataclass(frozen=True)
class _Token:
    """A signature of a container, and until when it holds."""

    query: str = field(repr=False)
    until: float


class Signer:
    """Signs addresses of a storage; one signature serves all files of a container.

    Parameters
    ----------
    endpoint : str
        Where signatures are given out, without an account.
    storage : str
        End of the hosts whose addresses are signed.
    now : callable
        Seconds since 1970.
    """

    def __init__(
        self, endpoint: str = ENDPOINT, storage: str = STORAGE, *, now: Callable[[], float] = time.time
    ) -> None:
        self._endpoint, self._storage, self._now = endpoint.rstrip("/"), storage, now
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.Lock()

    def knows(self, href: str) -> bool:
        """Tell whether an address is one to be signed."""
        host = (urlsplit(href).hostname or "").lower()
        return host.endswith(self._storage) and len(urlsplit(href).path.strip("/").split("/")) > 1

    def sign(self, href: str, session: GuardedSession, *, refused: str | None = None) -> str:
        """Return an address with a signature; one that has a signature keeps it unless it was refused.

        Parameters
        ----------
        href : str
            The address.
        session : GuardedSession
            To ask for a signature with.
        refused : str, optional
            The signed address that the storage did not take.

        Raises
        ------
        ServiceError
            No signature is given.
        PassingError
            None is given now.
        """
        if not self.knows(href) or (is_signed(href) and refused is None):
            return href
        parts = urlsplit(href)
        account, container = (parts.hostname or "").split(".")[0], parts.path.strip("/").split("/")[0]
        place = f"{quote(account, safe='')}/{quote(container, safe='')}"
        with self._lock:
            token = self._tokens.get(place)
            stale = refused is not None and token is not None and token.query == urlsplit(refused).query
            if token is None or stale or token.until - _EARLY_S < self._now():
                token = self._ask(place, session)
                self._tokens[place] = token
        return urlunsplit(parts._replace(query=token.query, fragment=""))

    def _ask(self, place: str, session: GuardedSession) -> _Token:
        try:
            answer = session.get(f"{self._endpoint}/{place}", timeout=30.0)
        except (requests.RequestException, HTTPError) as problem:
            message = f"no signature could be asked for ({reason_of(problem)})"
            raise PassingError(message) from None
        if answer.status_code in AGAIN:
            message = f"the server of signatures answered {answer.status_code}"
            raise PassingError(message, asked_wait(answer))
        if answer.status_code in _NOT_SIGNED:
            return _Token("", self._now() + _UNSIGNED_S)
        try:
            found = answer.json() if answer.status_code == _OK and len(answer.content) < _MAX_BYTES else {}
            query, ends = str(found["token"]).lstrip("?"), str(found["msft:expiry"])
            until = datetime.fromisoformat(ends).astimezone(UTC).timestamp()
        except (ValueError, KeyError, TypeError):
            message = f"no signature is given for {place} (answer {answer.status_code}): search again"
            raise ServiceError(message) from None
        return _Token(query, max(until, self._now() + _EARLY_S + _SHORTEST_S))
