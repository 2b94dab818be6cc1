"""What may be asked: scheme, host and folder are checked before a request, on every redirect and once connected."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from creepmeter.errors import InputError, ServiceError
from creepmeter.imagery.attempts import UnreachableError
from creepmeter.imagery.earthdata import is_private, shown

_REDIRECTS = 8
_PORTS = {"http": 80, "https": 443}
_LONGEST = 8000
_LEADS_INSIDE = "its name leads to this machine or to a private network"
_SECRETS = ("sig=", "signature=", "x-amz-", "token=", "x-goog-", "key=")


class RefusedError(ServiceError):
    """An address that may not be asked, or a file that may not be read."""


@dataclass(frozen=True)
class AccessPolicy:
    """Where pixels and catalogues may come from.

    Addresses with https of public hosts are open. Everything else is allowed by name: hosts of one's own, and folders
    of this machine.

    Parameters
    ----------
    hosts : collection of str
        ``host`` or ``host:port`` that may also be private or this machine, and be asked over plain http.
    folders : collection of Path
        Files below are read.

    Examples
    --------
    >>> AccessPolicy().require("https://example.com/B08.tif?sig=secret")
    >>> AccessPolicy().require("http://169.254.169.254/latest")
    Traceback (most recent call last):
    ...
    creepmeter.imagery.access.RefusedError: http://169.254.169.254/latest is not asked: plain http...
    """

    hosts: Collection[str] = frozenset()
    folders: Collection[Path] = ()
    _own: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_own", frozenset(_host_name(host) for host in self.hosts))

    def require(self, url: str) -> None:
        """Raise unless an address may be asked; names are not resolved yet.

        Raises
        ------
        RefusedError
            Another scheme, plain http, credentials in the address, this machine or a private network.
        """
        host, port, scheme = _parts(url)
        if self.is_own(host, port):
            return
        if scheme == "http":
            _refuse(url, "plain http can be changed on its way", host, port)
        if is_private(host):
            _refuse(url, "it is this machine or a private network", host, port)

    def is_own(self, host: str, port: int) -> bool:
        """Tell whether the user has allowed a host by name."""
        return host in self._own or f"{host}:{port}" in self._own

    def require_resolved(self, url: str) -> None:
        """Raise when a name leads to this machine or to a private network.

        Raises
        ------
        RefusedError
            One of its addresses is private.
        UnreachableError
            The name is not known.
        """
        host, port, _ = _parts(url)
        if self.is_own(host, port):
            return
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            message = f"{host} is not known: check the connection to the internet and the address"
            raise UnreachableError(message) from None
        if any(is_private(str(entry[4][0])) for entry in found):
            _refuse(url, _LEADS_INSIDE, host, port)

    def file_of(self, href: str) -> Path:
        """Return a file of this machine, links followed, that may be read.

        Raises
        ------
        RefusedError
            It does not lie below an allowed folder.
        """
        path = local_path(href).resolve()
        if not any(path.is_relative_to(Path(folder).resolve()) for folder in self.folders):
            message = (
                f"{local_path(href)} is not read: a catalogue may not name any file of this machine; if it is right, "
                "allow its folder (--allow-folder DIR)"
            )
            raise RefusedError(message)
        return path


def _parts(url: str) -> tuple[str, int, str]:
    """Return host, port and scheme of an address that is one at all."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        message = f"{url[:80]!r} is no address: correct the list"
        raise RefusedError(message) from None
    if parts.scheme not in _PORTS or not host or len(url) > _LONGEST:
        message = f"{_short(url)} is no https address: only those are read; correct the list"
        raise RefusedError(message)
    if parts.username is not None or parts.password is not None:
        message = f"{shown(url)} holds a user or password, which would be sent to whoever it names: it is not asked"
        raise RefusedError(message)
    return host, port or _PORTS[parts.scheme], parts.scheme


def _short(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()[:120]


def _host_name(host: str) -> str:
    name = host.strip().lower().removeprefix("http://").removeprefix("https://").rstrip("/.")
    return name.replace("[", "").replace("]", "")  # as urlsplit gives addresses of IPv6


def _refuse(url: str, why: str, host: str, port: int) -> NoReturn:
    where = shown(url).lstrip(":/")
    message = f"{where} is not asked: {why}; if it is a server of yours, allow it (--allow-host {host}:{port})"
    raise RefusedError(message)


# --------------------------------------------------------------------------------------------------------- references


def is_address(href: str) -> bool:
    """Tell whether a reference has a scheme of its own; one letter is a drive."""
    scheme = urlsplit(href).scheme
    return len(scheme) > 1 and scheme != "file"


def resolved(href: str, base: str | Path | None) -> str:
    """Return a reference of a catalogue as an address or a path of its own.

    Parameters
    ----------
    href : str
        As it stands in an item.
    base : str, Path or None
        Address or file of the item; relative references start there.

    Raises
    ------
    InputError
        It is relative and nothing tells to what, or it is none.
    """
    if not all(map(is_reference, (href, str(base)))):
        message = "an item names an empty or damaged address: search again"
        raise InputError(message)
    if is_address(href) or href.startswith("file:") or Path(href).is_absolute():
        return href
    if base is None:
        message = f"{href!r:.100} is relative, and nothing tells to what: search again"
        raise InputError(message)
    if isinstance(base, str) and is_address(base):
        return urljoin(base, href)
    return str(local_path(str(base)).parent / href)


def is_reference(href: str) -> bool:
    """Tell whether a string can be an address or a path."""
    try:
        urlsplit(href)
    except ValueError:
        return False
    return bool(href) and "\0" not in href and is_text(href)


def is_text(value: str) -> bool:
    """Tell whether a string can be written: JSON may hold halves of characters, which cannot."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_file_here(name: str | Path) -> bool:
    """Tell whether a file of this machine has a name; text too long for a name (an outline, an address) is none."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def local_path(href: str) -> Path:
    """Return the path of a ``file:`` address or of a plain name."""
    if not href.startswith("file:"):
        return Path(href)
    parts = urlsplit(href)
    if parts.netloc not in ("", "localhost"):
        message = f"{href[:120]} names a file of another machine: only files of this one are read"
        raise RefusedError(message)
    return Path(url2pathname(parts.path))


def without_secrets(href: str) -> str:
    """Return an address as it may be shown and kept: without user, password and query."""
    return shown(href) if is_address(href) else href


def is_signed(href: str) -> bool:
    """Tell whether an address carries a signature."""
    query = urlsplit(href).query.lower()
    return any(mark in query for mark in _SECRETS)


# ----------------------------------------------------------------------------------------------------------- sessions


class GuardedSession(requests.Session):
    """A session that asks nothing but what a policy allows: each request, each redirect, and who really answers.

    No credentials of the user (netrc files) are sent. With a proxy of the environment, the proxy looks names up.

    Parameters
    ----------
    policy : AccessPolicy
        What is allowed.
    """

    def __init__(self, policy: AccessPolicy) -> None:
        super().__init__()
        self.policy = policy
        self._resolved: set[str] = set()
        self.auth = _no_credentials  # so that requests does not look into a netrc file by itself
        self.max_redirects = _REDIRECTS
        self.headers["User-Agent"] = "creepmeter"
        self.mount("https://", _GuardedAdapter(policy))
        self.mount("http://", _GuardedAdapter(policy))

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:  # noqa: ANN401
        """Send a request when its address is allowed; redirects come by here as well."""
        url = request.url or ""
        self.policy.require(url)
        place = urlsplit(url).netloc
        if not settings.get("proxies") and place not in self._resolved:
            self.policy.require_resolved(url)
            self._resolved.add(place)
        return super().send(request, **settings)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Show nobody on a redirect what was meant for another host."""
        super().rebuild_auth(prepared_request, response)
        host, before = (urlsplit(one.url or "").hostname for one in (prepared_request, response.request))
        if host != before:
            prepared_request.headers.pop("Authorization", None)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _GuardedAdapter(HTTPAdapter):
    """Connects, and looks at who is there before anything is said: a name may lead elsewhere the second time."""

    def __init__(self, policy: AccessPolicy) -> None:
        self._policy = policy
        super().__init__()

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:  # noqa: ANN401 - as requests has it
        super().init_poolmanager(*args, **settings)
        self.poolmanager.pool_classes_by_scheme = _pools(self._policy)


def _pools(policy: AccessPolicy) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            _require_peer(policy, self)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            _require_peer(policy, self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _require_peer(policy: AccessPolicy, connection: HTTPConnection) -> None:
    """Hang up when the machine at the other end is a private one; nothing has been said yet."""
    if policy.is_own(connection.host.lower().strip("[]"), connection.port or 0) or connection.sock is None:
        return
    try:
        address = str(connection.sock.getpeername()[0])
    except OSError:
        address = ""
    if is_private(address):
        connection.close()
        _refuse(f"//{connection.host}", _LEADS_INSIDE, connection.host, connection.port or 0)


def allowed(hosts: Iterable[str], folders: Iterable[Path]) -> AccessPolicy:
    """Return a policy from what the user has allowed."""
    return AccessPolicy(frozenset(hosts), tuple(folders))
