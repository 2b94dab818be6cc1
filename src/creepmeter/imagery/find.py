"""From an area and dates to the scenes that are used: search, then choice."""

from __future__ import annotations

from creepmeter.blocks import Progress
from creepmeter.imagery.access import AccessPolicy
from creepmeter.imagery.area import AreaOfInterest
from creepmeter.imagery.asking import with_source
from creepmeter.imagery.attempts import no_addresses_logged
from creepmeter.imagery.meter import by_mask
from creepmeter.imagery.options import ReadOptions
from creepmeter.imagery.remote import Access
from creepmeter.imagery.scene_options import SceneSearchOptions, SelectOptions
from creepmeter.imagery.search import Found, search_scenes
from creepmeter.imagery.select import Selection, select_scenes


def find_scenes(
    area: AreaOfInterest,
    search: SceneSearchOptions,
    choice: SelectOptions,
    *,
    policy: AccessPolicy | None = None,
    progress: Progress | None = None,
) -> tuple[Found, Selection]:
    """Search a catalogue and choose among what it has; masks inside the area are read unless `choice` says otherwise.

    Parameters
    ----------
    area : AreaOfInterest
        Where.
    search : SceneSearchOptions
        Catalogue, dates.
    choice : SelectOptions
        What is kept.
    policy : AccessPolicy, optional
        Hosts and folders, besides the catalogue's own, that it may lead to.
    progress : Progress, optional
        Counts what is done.

    Raises
    ------
    ServiceError
        The catalogue, or no mask of its scenes, can be read.
    """
    allowed = policy or AccessPolicy()
    found = search_scenes(area, search, policy=allowed, progress=progress)
    if not choice.measure:
        return found, select_scenes(found, search.windows, choice, progress=progress)
    reading = ReadOptions(tries=search.tries, wait_s=search.wait_s, timeout_s=search.timeout_s)
    with Access(with_source(allowed, search.catalogue), reading) as access, no_addresses_logged():
        measure = by_mask(area, access, choice)
        return found, select_scenes(found, search.windows, choice, measure=measure, progress=progress)
