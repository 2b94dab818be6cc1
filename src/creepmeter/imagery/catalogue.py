"""What a catalogue has of an area: any STAC API, or a static catalogue."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pystac_client import Client
from pystac_client.warnings import PystacClientWarning

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import CreepmeterError, InputError, ServiceError
from creepmeter.imagery.access import AccessPolicy, RefusedError, is_address, is_file_here, resolved, without_secrets
from creepmeter.imagery.asking import UNUSABLE, CatalogueIO, plain
from creepmeter.imagery.attempts import Clock
from creepmeter.imagery.query import SERVICES, Gathered, Query, links_of, mark_of
from creepmeter.imagery.scene_options import AskOptions, Window
from creepmeter.imagery.walk import walk

_LOG = logging.getLogger(__name__)
_MAX_PAGES = 2000
_BARREN = 2  # pages in a row with nothing new, after which a server is taken to go round in circles


def gather(
    query: Query,
    gathered: Gathered,
    options: AskOptions,
    *,
    policy: AccessPolicy | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> str:
    """Ask a catalogue, hand over its items, and return its address or file as it may be shown.

    Parameters
    ----------
    query : Query
        What is asked for.
    gathered : Gathered
        Takes the items.
    options : AskOptions
        Limits of pages, time, attempts.
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
        It has no collection of what is asked for.
    """
    source, shown_to = query.source, progress if progress is not None else NullProgress()
    asking = CatalogueIO(source, options, policy, clock)
    shown_to.start(f"search {query.what}", len(query.windows))
    try:
        root = _root(asking, source)
        if root.get("type") == "FeatureCollection":
            gathered.take(root.get("features") or (), source)
            if links_of(root, "next"):
                gathered.leave_out(
                    f"{without_secrets(source)} is one page of several, and the others are not read: give the address "
                    "of the API itself"
                )
        elif _is_api(root):
            _ask(_Api(asking, query, root, options.page_size), gathered, shown_to)
        else:
            walk(asking, query, root, gathered.take, gathered.leave_out)
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
    return without_secrets(source)


def _root(asking: CatalogueIO, source: str) -> Mapping[str, Any]:
    if not is_address(source) and not source.startswith("file:") and not is_file_here(source):
        message = (
            f"catalogue {source!r:.120} is neither a name ({', '.join(SERVICES)}) nor an address (https://...) nor a "
            "file (catalog.json): correct --catalogue"
        )
        raise InputError(message)
    return asking.read_json(source)


# ----------------------------------------------------------------------------------------------------------------- API


@dataclass(frozen=True)
class _Api:
    """A STAC API that can be searched."""

    asking: CatalogueIO
    query: Query
    root: Mapping[str, Any]
    page_size: int

    @property
    def source(self) -> str:
        """Its address."""
        return self.query.source


def _is_api(root: Mapping[str, Any]) -> bool:
    if root.get("type") not in {"Catalog", "Collection"} and "stac_version" not in root:
        message = "the answer is neither a STAC catalogue nor a collection of items"
        raise ValueError(message)
    return bool(links_of(root, "search"))


def _ask(api: _Api, gathered: Gathered, progress: Progress) -> None:
    """Search an API, one span of days after the other."""
    collections = _collections(api)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PystacClientWarning)  # of servers that say less of themselves than they can do
        client = Client.open(api.source, stac_io=api.asking)
        if not client.conforms_to("ITEM_SEARCH"):
            client.add_conforms_to("ITEM_SEARCH")  # it has a link to its search
        for window in api.query.windows:
            span = api.query.what if window is None else f"{window.first} to {window.last}"
            for page in _new_pages(_pages(client, api, collections, window), span, gathered):
                gathered.take(page.get("features") or (), api.source)
            progress.advance(1)


def _pages(client: Client, api: _Api, collections: tuple[str, ...], window: Window | None) -> Iterator[dict[str, Any]]:
    posts = any(str(link.get("method", "GET")).upper() == "POST" for link in links_of(api.root, "search"))
    asked = client.search(
        method="POST" if posts else "GET",
        collections=list(collections),
        intersects=api.query.area.coarse_outline,
        datetime=None if window is None else window.interval,
        limit=api.page_size,
        max_items=None,
    )
    yield from asked.pages_as_dicts()


def _new_pages(pages: Iterator[dict[str, Any]], span: str, gathered: Gathered) -> Iterator[dict[str, Any]]:
    """Pass pages on until they end, or bring nothing new: a server may go round in circles."""
    seen: set[str] = set()
    onward: set[str] = set()
    barren = 0
    for number, page in enumerate(pages, start=1):
        marks = {mark_of(item) for item in page.get("features") or () if isinstance(item, Mapping)}
        barren = 0 if marks - seen else barren + 1
        seen |= marks
        yield page
        ahead = json.dumps(links_of(page, "next"), sort_keys=True, default=str)
        if barren >= _BARREN or (ahead != "[]" and ahead in onward):
            gathered.leave_out(
                f"{span}: the catalogue gives the same page again and again (seen after "
                f"{number} pages): what may lie behind is not listed"
            )
            return
        onward.add(ahead)
        if number >= _MAX_PAGES or gathered.is_full:
            gathered.leave_out(f"{span}: stopped after {number} pages: take a smaller area or fewer dates")
            return


def _collections(api: _Api) -> tuple[str, ...]:
    """Return what to search: what the user says, what is known of the catalogue, else what it has of the usual."""
    query = api.query
    if query.collections:
        return query.collections
    named = SERVICES.get(query.catalogue)
    if named is not None:
        return named.collections[query.what]
    have = _collection_names(api)
    found = tuple(name for name in query.usual if name in have)
    if have and not found:
        message = (
            f"{without_secrets(api.source)} has no collection of {query.what} by the names {', '.join(query.usual)}; "
            f"it has {', '.join(sorted(have)[:40])}: name one with --collection"
        )
        raise InputError(message)
    return found or query.usual


def _collection_names(api: _Api) -> set[str]:
    """Return the names of all collections of an API; none when it does not list them."""
    links = links_of(api.root, "data")
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
        links = links_of(page, "next") if new else []
    return names
