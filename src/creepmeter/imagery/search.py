"""Search for optical scenes: any STAC API, or a static catalogue."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pystac_client import Client
from pystac_client.warnings import PystacClientWarning

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import CreepmeterError, InputError, ServiceError
from creepmeter.imagery.access import AccessPolicy, RefusedError, is_address, resolved, without_secrets
from creepmeter.imagery.area import AreaOfInterest
from creepmeter.imagery.asking import UNUSABLE, CatalogueIO, plain
from creepmeter.imagery.attempts import Clock
from creepmeter.imagery.found import FoundScene, scene_of
from creepmeter.imagery.scene_options import SceneSearchOptions, Window
from creepmeter.imagery.sensors import sensor_named
from creepmeter.imagery.walk import walk

_LOG = logging.getLogger(__name__)
_MAX_PAGES = 2000
_BARREN = 2  # pages in a row with nothing new, after which a server is taken to go round in circles


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
class Found:
    """What a search found.

    Parameters
    ----------
    scenes : tuple of FoundScene
        In order of time and name; each item once.
    cover : dict of str to float
        Share of the area within each scene, by its name.
    left_out : tuple of str
        What could not be used or was not seen to the end, and why.
    source : str
        Address or file of the catalogue.
    """

    scenes: tuple[FoundScene, ...]
    cover: dict[str, float] = field(repr=False)
    left_out: tuple[str, ...]
    source: str


def search_scenes(
    area: AreaOfInterest,
    options: SceneSearchOptions,
    *,
    policy: AccessPolicy | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> Found:
    """Return the scenes of an area and a time.

    Parameters
    ----------
    area : AreaOfInterest
        Where.
    options : SceneSearchOptions
        Catalogue, sensor, dates, limits.
    policy : AccessPolicy, optional
        Hosts and folders, besides the catalogue's own, that the catalogue may lead to.
    clock : Clock, optional
        For tests.
    progress : Progress, optional
        Counts spans of days.

    Raises
    ------
    ServiceError
        The catalogue does not answer, refuses, or is none.
    InputError
        It has no collection of the sensor.
    """
    named = SERVICES.get(options.catalogue)
    source = _absolute(options.catalogue) if named is None else named.url
    shown_to = progress if progress is not None else NullProgress()
    asking = CatalogueIO(source, options, policy, clock)
    gathered = _Gathered(area, options)
    shown_to.start("search scenes", len(options.windows))
    try:
        root = _root(asking, source)
        if root.get("type") == "FeatureCollection":
            gathered.take(root.get("features") or (), source)
        elif _is_api(root):
            _ask(_Api(asking, source, root), gathered, shown_to)
        else:
            walk(asking, source, root, area, options, gathered.take, gathered.leave_out)
    except UNUSABLE as problem:
        if isinstance(problem, CreepmeterError):
            raise
        message = (
            f"{without_secrets(source)} answers in a way that is not understood ({plain(problem)}): is it a STAC API?"
        )
        raise ServiceError(message) from problem
    finally:
        asking.session.close()
        shown_to.finish()
    return gathered.result(without_secrets(source))


def _absolute(catalogue: str) -> str:
    """Return where a catalogue is, whatever the working folder will be when its items are read."""
    path = Path(catalogue)
    return str(path.absolute()) if not is_address(catalogue) and path.is_file() else catalogue


def _root(asking: CatalogueIO, source: str) -> Mapping[str, Any]:
    if not is_address(source) and not source.startswith("file:") and not Path(source).is_file():
        message = (
            f"catalogue {source!r:.120} is neither a name ({', '.join(SERVICES)}) nor an address (https://...) nor a "
            "file (catalog.json): correct --catalogue"
        )
        raise InputError(message)
    return asking.read_json(source)


class _Gathered:
    """Scenes as they come in."""

    def __init__(self, area: AreaOfInterest, options: SceneSearchOptions) -> None:
        self.area, self.options = area, options
        self._sensor = sensor_named(options.sensor)
        self._scenes: dict[str, FoundScene] = {}
        self._cover: dict[str, float] = {}
        self._left_out: dict[str, None] = {}
        self._seen: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Tell whether no more are listed."""
        return len(self._scenes) >= self.options.most

    def leave_out(self, why: str) -> None:
        """Note what is left out."""
        self._left_out[why] = None

    def take(self, features: Iterable[Any], base: str) -> None:
        """Take the items that are wanted, each once."""
        for feature in features:
            item = feature if isinstance(feature, Mapping) else {}
            mark = _mark(item)
            if mark not in self._seen:
                self._seen.add(mark)
                self._consider(item, base)

    def _consider(self, item: Mapping[str, Any], base: str) -> None:
        try:
            one = scene_of(item)
            if one.sensor != self._sensor or not any(window.holds(one.moment) for window in self.options.windows):
                return
            cover = self.area.covered_by(one.footprint)
            if cover <= 0 or one.name in self._scenes:
                return
            one = replace(one, item=_plain_item(item, base))
        except InputError as problem:
            self.leave_out(str(problem))
            return
        if self.is_full:
            self.leave_out(f"more than {self.options.most} scenes: the others are not listed (--most)")
            return
        self._scenes[one.name], self._cover[one.name] = one, cover

    def result(self, source: str) -> Found:
        """Return what was found."""
        scenes = sorted(self._scenes.values(), key=lambda one: (one.moment, one.name))
        return Found(tuple(scenes), self._cover, tuple(self._left_out), source)


def _plain_item(item: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return an item without links and with absolute addresses of its assets."""
    own = [link.get("href") for link in item.get("links") or () if link.get("rel") == "self"]
    start = next((str(href) for href in own if href and is_address(str(href))), base)
    assets = {}
    for key, asset in (item.get("assets") or {}).items():
        if isinstance(asset, Mapping) and isinstance(asset.get("href"), str):
            assets[str(key)] = {**asset, "href": resolved(asset["href"], start)}
    return {**item, "links": [], "assets": assets}


# ----------------------------------------------------------------------------------------------------------------- API


@dataclass(frozen=True)
class _Api:
    """A STAC API that can be searched."""

    asking: CatalogueIO
    source: str
    root: Mapping[str, Any]


def _links(content: Mapping[str, Any], rel: str) -> list[Mapping[str, Any]]:
    return [link for link in content.get("links") or () if isinstance(link, Mapping) and link.get("rel") == rel]


def _is_api(root: Mapping[str, Any]) -> bool:
    if root.get("type") not in {"Catalog", "Collection"} and "stac_version" not in root:
        message = "the answer is neither a STAC catalogue nor a collection of items"
        raise ValueError(message)
    return bool(_links(root, "search"))


def _ask(api: _Api, gathered: _Gathered, progress: Progress) -> None:
    """Search an API, one span of days after the other."""
    collections = _collections(api, gathered.options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PystacClientWarning)  # of servers that say less of themselves than they can do
        client = Client.open(api.source, stac_io=api.asking)
        if not client.conforms_to("ITEM_SEARCH"):
            client.add_conforms_to("ITEM_SEARCH")  # it has a link to its search
        for window in gathered.options.windows:
            for page in _new_pages(_pages(client, api, collections, window, gathered), window, gathered):
                gathered.take(page.get("features") or (), api.source)
            progress.advance(1)


def _pages(
    client: Client, api: _Api, collections: tuple[str, ...], window: Window, gathered: _Gathered
) -> Iterator[dict[str, Any]]:
    posts = any(str(link.get("method", "GET")).upper() == "POST" for link in _links(api.root, "search"))
    asked = client.search(
        method="POST" if posts else "GET",
        collections=list(collections),
        intersects=gathered.area.coarse_outline,
        datetime=window.interval,
        limit=gathered.options.page_size,
        max_items=None,
    )
    yield from asked.pages_as_dicts()


def _new_pages(pages: Iterator[dict[str, Any]], window: Window, gathered: _Gathered) -> Iterator[dict[str, Any]]:
    """Pass pages on until they end, or bring nothing new: a server may go round in circles."""
    seen: set[str] = set()
    onward: set[str] = set()
    barren = 0
    for number, page in enumerate(pages, start=1):
        marks = {_mark(item) for item in page.get("features") or () if isinstance(item, Mapping)}
        barren = 0 if marks - seen else barren + 1
        seen |= marks
        yield page
        ahead = json.dumps(_links(page, "next"), sort_keys=True, default=str)
        if barren >= _BARREN or (ahead != "[]" and ahead in onward):
            gathered.leave_out(
                f"{window.first} to {window.last}: the catalogue gives the same page again and again (seen after "
                f"{number} pages): what may lie behind is not listed"
            )
            return
        onward.add(ahead)
        if number >= _MAX_PAGES or gathered.is_full:
            gathered.leave_out(
                f"{window.first} to {window.last}: stopped after {number} pages: take a smaller area or fewer dates"
            )
            return


def _mark(item: Mapping[str, Any]) -> str:
    return f"{item.get('collection')}/{item.get('id')}"


def _collections(api: _Api, options: SceneSearchOptions) -> tuple[str, ...]:
    """Return what to search: what the user says, what is known of the catalogue, else what it has of the sensor."""
    if options.collections:
        return options.collections
    named = SERVICES.get(options.catalogue)
    if named is not None:
        return named.collections[options.sensor]
    known = sensor_named(options.sensor).collections
    have = _collection_names(api)
    found = tuple(name for name in known if name in have)
    if have and not found:
        message = (
            f"{without_secrets(api.source)} has no collection of {options.sensor} by the names {', '.join(known)}; it "
            f"has {', '.join(sorted(have)[:40])}: name one with --collection"
        )
        raise InputError(message)
    return found or known


def _collection_names(api: _Api) -> set[str]:
    """Return the names of all collections of an API; none when it does not list them."""
    links = _links(api.root, "data")
    names: set[str] = set()
    for _ in range(_MAX_PAGES):
        if not links:
            break
        href = resolved(str(links[0].get("href")), api.source)
        try:
            page = api.asking.read_json(href)
        except RefusedError:
            raise
        except ServiceError:
            _LOG.info("%s does not list its collections", without_secrets(href))
            break
        new = {str(one.get("id")) for one in page.get("collections") or () if isinstance(one, Mapping)} - names
        names |= new
        links = _links(page, "next") if new else []
    return names
