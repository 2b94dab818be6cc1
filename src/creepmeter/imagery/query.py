"""What a catalogue is asked for, and what takes its answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from creepmeter.errors import InputError
from creepmeter.imagery.access import is_address, is_file_here, is_reference, resolved
from creepmeter.imagery.area import AreaOfInterest
from creepmeter.imagery.scene_options import Window
from creepmeter.imagery.sensors import section


@dataclass(frozen=True)
class Service:
    """A catalogue with a name of its own.

    Parameters
    ----------
    url : str
        Address of the STAC API.
    collections : mapping of str to tuple of str
        What is searched, by name of the sensor.
    """

    url: str
    collections: Mapping[str, tuple[str, ...]]


SERVICES: dict[str, Service] = {
    "earth-search": Service(
        "https://earth-search.aws.element84.com/v1",
        {"sentinel-2": ("sentinel-2-l2a", "sentinel-2-c1-l2a"), "landsat": ("landsat-c2-l2",)},
    ),
    "planetary-computer": Service(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        {"sentinel-2": ("sentinel-2-l2a",), "landsat": ("landsat-c2-l2",)},
    ),
}


@dataclass(frozen=True)
class Query:
    """What a catalogue is asked for.

    Parameters
    ----------
    catalogue : str
        Name, address or file.
    area : AreaOfInterest
        Where.
    windows : tuple of Window or None
        When, one request each; None = at any time.
    what : str
        In a word, for messages: the name of a sensor.
    collections : tuple of str
        Where it is looked for; none = what is known of the catalogue, else those of `usual` that it has.
    usual : tuple of str
        Names that catalogues give to collections of it.
    """

    catalogue: str
    area: AreaOfInterest
    windows: tuple[Window | None, ...]
    what: str
    collections: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Address of the catalogue, or its file, whatever the working folder will be when items are read."""
        named = SERVICES.get(self.catalogue)
        if named is not None:
            return named.url
        return str(Path(self.catalogue).absolute()) if is_file_here(self.catalogue) else self.catalogue


class Gathered(ABC):
    """Items as they come in, each once.

    Parameters
    ----------
    most : int
        Items to keep.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._left_out: dict[str, None] = {}
        self._seen: set[str] = set()

    @property
    def left_out(self) -> tuple[str, ...]:
        """What could not be used or was not seen to the end, and why."""
        return tuple(self._left_out)

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of items that are kept."""

    @property
    def is_full(self) -> bool:
        """Tell whether no more are listed."""
        return self.count >= self.most

    def leave_out(self, why: str) -> None:
        """Note what is left out."""
        self._left_out[why] = None

    def take(self, features: Iterable[Any], base: str) -> None:
        """Take the items that are wanted, each once."""
        for feature in features:
            item = feature if isinstance(feature, Mapping) else {}
            mark = mark_of(item)
            if mark not in self._seen:
                self._seen.add(mark)
                try:
                    self.consider(item, base)
                except InputError as problem:
                    self.leave_out(str(problem))

    @abstractmethod
    def consider(self, item: Mapping[str, Any], base: str) -> None:
        """Keep an item if it is wanted; raise `InputError` if it cannot be used."""


def mark_of(item: Mapping[str, Any]) -> str:
    """Return what tells an item from others of a catalogue."""
    return f"{item.get('collection')}/{item.get('id')}"


def links_of(content: Mapping[str, Any], rel: str) -> list[Mapping[str, Any]]:
    """Return the links of one kind of a catalogue, page or item; what is no link is passed over."""
    links = content.get("links")
    found = links if isinstance(links, list) else []
    return [link for link in found if isinstance(link, Mapping) and link.get("rel") == rel]


def plain_item(item: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return an item without links and with absolute addresses of its assets."""
    own = [str(link["href"]) for link in links_of(item, "self") if link.get("href")]
    start = next((href for href in own if is_reference(href) and is_address(href)), base)
    assets = {}
    for key, asset in section(item, "assets").items():
        if isinstance(asset, Mapping) and isinstance(asset.get("href"), str):
            assets[str(key)] = {**asset, "href": resolved(asset["href"], start)}
    return {**item, "links": [], "assets": assets}
