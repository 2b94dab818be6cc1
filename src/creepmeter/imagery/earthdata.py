"""Credentials of NASA Earthdata, and sessions that show them to Earthdata's own hosts only."""

from __future__ import annotations

import ipaddress
import netrc
import os
import re
from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from creepmeter.errors import ConfigError, InputError, ServiceError

LOGIN = "urs.earthdata.nasa.gov"
DOMAINS = ("earthdata.nasa.gov", "earthdatacloud.nasa.gov", "asf.alaska.edu")
TOKEN_VARIABLE = "EARTHDATA_TOKEN"  # noqa: S105 - the name of a variable
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{20,8000}")
_LEADING_ON = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))  # translated, and compatible
_MAX_TOKEN_FILE = 20_000
_REDIRECTS = 12


@dataclass(frozen=True)
class Credentials:
    """How to prove who asks; nothing of it is ever shown.

    Parameters
    ----------
    token : str or None
        Bearer token.
    login : (str, str) or None
        User and password.
    """

    token: str | None = field(default=None, repr=False)
    login: tuple[str, str] | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return self.token is not None or self.login is not None


def find_credentials(token_file: Path | None = None) -> Credentials:
    """Return credentials: a token from a file or from EARTHDATA_TOKEN, else user and password from a netrc file.

    Parameters
    ----------
    token_file : Path, optional
        File that holds a token and nothing else.

    Raises
    ------
    ConfigError
        The file or variable holds no token, or the netrc file cannot be read; what it holds is not shown.
    """
    if token_file is not None:
        return Credentials(token=_token(_read_token(token_file), str(token_file)))
    text = os.environ.get(TOKEN_VARIABLE, "").strip()
    if text:
        return Credentials(token=_token(text, TOKEN_VARIABLE))
    return Credentials(login=_from_netrc())


def _read_token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_TOKEN_FILE).decode("ascii", errors="replace").strip()
    except OSError as problem:
        message = f"token file {path} cannot be read: {problem.strerror or problem}"
        raise ConfigError(message) from problem


def _token(text: str, source: str) -> str:
    if not _TOKEN.fullmatch(text):
        message = (
            f"{source} holds no token: make one at https://{LOGIN} (Generate Token) and store it alone, on one line"
        )
        raise ConfigError(message)
    return text


def _from_netrc() -> tuple[str, str] | None:
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return None
    try:
        found = netrc.netrc(str(path)).authenticators(LOGIN)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as problem:
        line = getattr(problem, "lineno", None)
        where = "" if line is None else f", line {line}"
        message = f"{path} cannot be read as a netrc file{where}: correct it (machine {LOGIN} login USER password ...)"
        raise ConfigError(message) from None
    if found is None or not found[0] or not found[2]:
        return None
    return str(found[0]), str(found[2])


class EarthdataSession(requests.Session):
    """A session that shows credentials to Earthdata's hosts, over TLS, and to no other host on a redirect.

    Parameters
    ----------
    credentials : Credentials
        May be empty.
    also : collection of str
        Further hosts, ``host:port``, that count as Earthdata's, over plain HTTP as well: servers of one's own.
    """

    def __init__(self, credentials: Credentials, *, also: Collection[str] = ()) -> None:
        super().__init__()
        self._credentials = credentials
        self._also = frozenset(also)
        self.auth = self._sign  # so that requests does not look into a netrc file by itself
        self.max_redirects = _REDIRECTS
        self.headers["User-Agent"] = "creepmeter"
        self.mount("http://", HTTPAdapter())

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Give a request the credentials that its host may see."""
        request.headers.pop("Authorization", None)
        proof = self._proof(request.url or "")
        if proof is not None:
            request.headers["Authorization"] = proof
        return request

    def _proof(self, url: str) -> str | None:
        parts = urlsplit(url)
        if not self.is_trusted(url):
            return None
        if self._credentials.token is not None:
            return f"Bearer {self._credentials.token}"
        if self._credentials.login is not None and (parts.hostname == LOGIN or parts.netloc in self._also):
            return "Basic " + b64encode(":".join(self._credentials.login).encode()).decode()
        return None

    def is_trusted(self, url: str) -> bool:
        """Tell whether a host may see credentials."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if parts.netloc in self._also:
            return True
        return parts.scheme == "https" and any(host == name or host.endswith(f".{name}") for name in DOMAINS)

    def require_reachable(self, url: str) -> None:
        """Refuse what is no https address of a public host.

        Raises
        ------
        ServiceError
            Another scheme, this machine, or a private network.
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if parts.netloc in self._also:
            return
        if parts.scheme != "https" or not host or parts.username is not None or is_private(host):
            message = f"{shown(url)} is no https address of a public host: it is not asked; correct the list"
            raise ServiceError(message)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:  # noqa: ARG002
        """Decide anew, on a redirect, what the next host may see."""
        self.require_reachable(prepared_request.url or "")
        self._sign(prepared_request)


def is_private(host: str) -> bool:
    """Tell whether the name of a host, or an address, is not one of the public internet."""
    if (
        host == "localhost"
        or host.endswith((".localhost", ".local", ".internal"))
        or ("." not in host and ":" not in host)
    ):
        return True
    try:
        return not _is_public(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return False


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address, and the address of the old kind that it may lead on to, is one of the internet."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    old = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if any(address in each for each in _LEADING_ON) else None
    inner = old or address.ipv4_mapped or address.sixtofour
    return not address.is_site_local and (inner is None or _is_public(inner))


def shown(url: str) -> str:
    """Return an address without user, password and query: those may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def require_product_host(session: EarthdataSession, url: str) -> None:
    """Refuse to ask any but Earthdata's hosts for products.

    Raises
    ------
    InputError
        Another host.
    """
    if not session.is_trusted(url):
        message = (
            f"{shown(url)} is not on a host of Earthdata ({', '.join(DOMAINS)}): it is not asked; correct the list"
        )
        raise InputError(message)
