"""How a catalogue is asked: within limits of time, size and number, again after a failure, and nobody else."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

import requests
from pystac import STACError
from pystac.link import Link
from pystac_client.exceptions import APIError, ParametersError
from pystac_client.stac_api_io import StacApiIO
from urllib3.exceptions import HTTPError

from creepmeter.errors import InputError, ServiceError
from creepmeter.imagery.access import (
    AccessPolicy,
    GuardedSession,
    RefusedError,
    is_address,
    is_reference,
    local_path,
    without_secrets,
)
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
from creepmeter.imagery.query import SERVICES
from creepmeter.imagery.scene_options import AskOptions
from creepmeter.io import swap

_LONGEST_WAIT_S = 120.0
_MAX_BYTES = 100_000_000  # of one answer; a page of 1000 items takes some 20 MB
_CONNECT_S = 30.0
_MULTIPLE, _DENIED, _FORBIDDEN, _NOT_FOUND = 300, 401, 403, 404
_ENCODED = "utf-8-sig"
# what reading an answer of another shape than STAC has may raise
UNUSABLE = (APIError, ParametersError, STACError, KeyError, TypeError, ValueError, AttributeError, RecursionError)


class AbsentError(ServiceError):
    """The server has nothing under this address."""


class CatalogueIO(StacApiIO):
    """Reads a catalogue for pystac-client: the host, or the folder, that the user named, and no other.

    Parameters
    ----------
    source : str
        Address or file of the catalogue.
    options : AskOptions
        Time and attempts.
    policy : AccessPolicy, optional
        Further hosts and folders that the user allows.
    clock : Clock, optional
        For tests.
    """

    def __init__(
        self,
        source: str,
        options: AskOptions,
        policy: AccessPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(max_retries=None)
        given = policy or AccessPolicy()
        self._options = options
        self._policy = with_source(given, source)
        self.session = GuardedSession(self._policy)
        now = clock or Clock()
        until = now.now() + options.minutes * 60
        self.patience = Patience(options.tries, options.wait_s, _LONGEST_WAIT_S, until, now)

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - as pystac has it
        """Return the text of an address, of a paging link, or of a file below an allowed folder."""
        if isinstance(source, Link) or is_address(str(source)):
            return super().read_text(source, *args, **kwargs)
        path = self._policy.file_of(str(source))
        if not path.is_file():
            message = f"{source} is no file: give the address or the file (catalog.json) of a catalogue, or its name"
            raise InputError(message)
        with swap.file_errors(path, "read"):
            if path.stat().st_size > _MAX_BYTES:
                message = f"{path} has more than {_MAX_BYTES} bytes: that is no part of a catalogue"
                raise InputError(message)
            return path.read_bytes().decode(_ENCODED, errors="replace")

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Return what a server answers.

        Raises
        ------
        RefusedError
            The address is that of another host.
        AbsentError
            There is nothing.
        ServiceError
            No answer within the attempts and the time, or another that cannot be used.
        """
        verb = (method or "GET").upper()
        if verb not in {"GET", "POST"}:
            message = f"{without_secrets(href)} is to be asked by {verb}: only GET and POST are done"
            raise RefusedError(message)
        self._require_same_host(href)
        body = {"json": parameters} if verb == "POST" else {"params": deepcopy(parameters or {})}
        asked = self.session.prepare_request(requests.Request(verb, href, headers=headers, **body))
        if self.patience.is_over():
            message = (
                f"the search took more than {self._options.minutes:g} minutes: ask for less, or allow more (--minutes)"
            )
            raise ServiceError(message)
        where = without_secrets(href)
        try:
            with no_addresses_logged():
                return persist(lambda: self._once(asked), self.patience, where, "check the connection, try again later")
        except RefusedError:
            raise
        except ServiceError as problem:
            message = f"{where}: {problem}"
            raise type(problem)(message) from problem

    def _require_same_host(self, href: str) -> None:
        """Refuse to follow a catalogue to a host that the user did not name."""
        parts = urlsplit(href)
        host, port = (parts.hostname or "").lower(), parts.port or {"http": 80}.get(parts.scheme, 443)
        if not self._policy.is_own(host, port):
            message = (
                f"the catalogue leads to another host, {without_secrets(href)}, which is not asked; if it belongs to "
                f"it, allow it (--allow-host {host}:{port})"
            )
            raise RefusedError(message)

    def _once(self, asked: requests.PreparedRequest) -> str:
        self.patience.require_time()
        timeout = (min(_CONNECT_S, self._options.timeout_s), self._options.timeout_s)
        try:
            settings = self.session.merge_environment_settings(asked.url or "", {}, True, None, None)  # noqa: FBT003
            with self.session.send(asked, timeout=timeout, **settings) as answer:
                _judge(answer)
                return self._text(answer)
        except (requests.TooManyRedirects, requests.exceptions.InvalidURL) as problem:
            message = f"the address leads nowhere ({reason_of(problem)}): check it"
            raise ServiceError(message) from None
        except (requests.RequestException, HTTPError) as problem:
            message = f"the connection failed ({reason_of(problem)})"
            raise PassingError(message) from None

    def _text(self, answer: requests.Response) -> str:
        """Return the content, within the limit of size and the time that is left."""
        found = bytearray()
        for block in blocks_of(answer):
            found += block
            self.patience.require_time()
            if len(found) > _MAX_BYTES:
                message = f"the answer has more than {_MAX_BYTES} bytes: ask for less at a time (--page-size)"
                raise ServiceError(message)
        size = answer.headers.get("Content-Length", "")
        if size.isdecimal() and "Content-Encoding" not in answer.headers and len(found) < int(size):
            message = f"the connection ended after {len(found)} of {size} bytes"
            raise PassingError(message)
        return bytes(found).decode(_ENCODED, errors="replace")

    def read_json(self, source: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - as pystac has it
        """Return the JSON object of an address or a file.

        Raises
        ------
        ServiceError
            It is none.
        """
        text = self.read_text(source, *args, **kwargs)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            where = source.href if isinstance(source, Link) else str(source)
            message = f"{without_secrets(str(where))} does not answer with JSON: is it a STAC catalogue?"
            raise ServiceError(message)
        return found


def _judge(answer: requests.Response) -> None:
    """Raise unless a server gave what was asked for."""
    status = answer.status_code
    if status < _MULTIPLE:
        return
    if status in AGAIN:
        message = f"the server answered {status}"
        raise PassingError(message, asked_wait(answer))
    if status == _NOT_FOUND:
        message = "there is nothing (404): check the address of the catalogue"
        raise AbsentError(message)
    if status in (_DENIED, _FORBIDDEN):
        message = f"an account is wanted ({status}): catalogues are asked without one, choose another"
        raise ServiceError(message)
    message = f"the server answered {status} {answer.reason}: check the address, the area and the dates"
    raise ServiceError(message)


def with_source(policy: AccessPolicy, source: str) -> AccessPolicy:
    """Return a policy that also allows the host, or the folder, of a catalogue that the user named.

    Catalogues with a name of their own are public, and need nothing more.
    """
    if source in SERVICES:
        return policy
    host, port = None, 0
    if is_reference(source):
        if not is_address(source):
            return AccessPolicy(policy.hosts, (*policy.folders, local_path(source).resolve().parent))
        with suppress(ValueError):  # a port that is no number
            parts = urlsplit(source)
            host, port = parts.hostname, parts.port or {"http": 80}.get(parts.scheme, 443)
    if not host:
        message = f"{source!r:.120} is no address of a catalogue: give one such as https://example.com/stac"
        raise InputError(message)
    named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return AccessPolicy(frozenset({*policy.hosts, named}), policy.folders)


def plain(problem: Exception) -> str:
    """Return an error of pystac-client in few words, without what may be secret in an address."""
    text = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    return f"{text.partition('?')[0]:.200}"
