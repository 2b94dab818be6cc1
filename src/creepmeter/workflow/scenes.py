"""Steps search and fetch: from an area and years to images of one grid, kept in the run folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from creepmeter import __version__
from creepmeter.blocks import Progress
from creepmeter.errors import CreepmeterError, InputError, NetworkError, StoreError
from creepmeter.imagery.access import AccessPolicy, allowed, is_file_here
from creepmeter.imagery.area import AreaOfInterest, read_area
from creepmeter.imagery.asking import with_source
from creepmeter.imagery.find import find_scenes
from creepmeter.imagery.heights import fetch_heights
from creepmeter.imagery.item_list import read_items, write_items
from creepmeter.imagery.options import HeightOptions, SceneFetchOptions
from creepmeter.imagery.remote import Access
from creepmeter.imagery.scene_folder import whole_scenes
from creepmeter.imagery.scenes_fetch import FetchedScenes, fetch_scenes
from creepmeter.imagery.select import require_some
from creepmeter.io.provenance import digest_file, digest_text
from creepmeter.model.epoch import DAYS_PER_YEAR, Epochs
from creepmeter.model.network import Network
from creepmeter.model.scene import Scene
from creepmeter.pairs.options import PairOptions
from creepmeter.pairs.select import select_pairs
from creepmeter.products.canvas import save_figure
from creepmeter.products.scene_choice import save_scene_table, scene_figure
from creepmeter.workflow.config import ImagesSection, RunConfig, ScenesSection
from creepmeter.workflow.inputs import find_file
from creepmeter.workflow.journal import Entry, Journal

logger = logging.getLogger(__name__)

SEARCH, FETCH = "search", "fetch"
SCENE_STEPS = (SEARCH, FETCH)
FOLDER = "scenes"
LIST, TABLE, FIGURE = "scene-list.json", "scene-list.csv", "scene-list.png"
HEIGHTS = "dem.tif"
AROUND_MOVING_M = 2000.0  # stable ground taken in around polygons when no area is given
NEAR_ANNIVERSARY_DAYS = (15.0, 30.0, 45.0, 60.0)  # from a whole number of years: the sun then stands alike
FEWEST_FOR_SEASONS = 10  # dates
SHORTEST_FOR_SEASONS_DAYS = 700.0
LONGEST_SEASON_UNSEEN_DAYS = 150.0


@dataclass(frozen=True)
class ScenesOfRun:
    """Images that a run uses, and what was done to have them.

    Parameters
    ----------
    images : ImagesSection or None
        Files and masks; None when the run ends before they are fetched.
    made, fresh : tuple of str
        Steps that were done, and those that were up to date.
    left_out : tuple of str
        Scenes, tiles of heights and catalogues that were not used, and why.
    heights : Path or None
        File of heights that was fetched with them.
    """

    images: ImagesSection | None
    made: tuple[str, ...]
    fresh: tuple[str, ...]
    left_out: tuple[str, ...]
    heights: Path | None = None


@dataclass(frozen=True)
class _Place:
    """Where a run takes its scenes from, and where it keeps them."""

    section: ScenesSection
    area: AreaOfInterest
    base: Path
    folder: Path
    progress: Progress

    @property
    def catalogue(self) -> str:
        """Name, address or file of the catalogue; files are looked for from the run file on."""
        beside = self.base / self.section.catalogue
        return str(beside) if is_file_here(beside) else self.section.catalogue

    @property
    def catalogue_state(self) -> dict[str, str]:
        """What a file of a catalogue holds; of a server, and of a file that is gone, nothing is known."""
        return {"catalogue": digest_file(self.catalogue)} if is_file_here(self.catalogue) else {}

    @property
    def policy(self) -> AccessPolicy:
        """What the catalogue may lead to."""
        policy = allowed(self.section.allow_host, (self.base / name for name in self.section.allow_folder))
        return with_source(policy, self.catalogue)

    @property
    def reading(self) -> SceneFetchOptions:
        """How scenes are read: what counts as unseen is the same as in the choice among them, unless said."""
        choice, reading = self.section.select, self.section.read
        return reading.override(
            {
                "mask_snow": reading.mask_snow or choice.mask_snow,
                "mask_classes": reading.mask_classes or tuple(map(str, choice.mask_classes)),
            },
            step="scenes.read",
        )

    @property
    def heights(self) -> HeightOptions | None:
        """Which heights are fetched, if any."""
        wanted = self.section.dem
        if not wanted:
            return None
        named = {} if wanted is True else {"collection": wanted}
        given = {"catalogue": self.catalogue, "memory_gb": self.reading.memory_gb, **named}
        return HeightOptions().override(given, step="scenes.dem")


def scenes_of_run(
    config: RunConfig, base: Path, folder: Path, progress: Progress, *, wanted: Sequence[str], force: bool
) -> ScenesOfRun:
    """Search for scenes and fetch them, as far as that is wanted and not up to date.

    Parameters
    ----------
    config : RunConfig
        With a section `scenes`.
    base : Path
        Folder that names in the configuration start from.
    folder : Path
        Of the run.
    progress : Progress
        Counts what is done.
    wanted : sequence of str
        Steps to do: search, fetch; those not wanted must be up to date.
    force : bool
        Do them again even if they are up to date.

    Raises
    ------
    StoreError
        A step that is not wanted is stale.
    InputError
        No scene is found or kept.
    ServiceError
        The catalogue or its scenes cannot be reached.
    """
    section = config.scenes
    if section is None:
        message = "the run file has no section scenes: there is nothing to search for"
        raise InputError(message)
    place = _Place(section, _area(config, section, base), base, folder, progress)
    journal = Journal(folder)
    made: list[str] = []
    searched = _searched(place, journal, made, wanted=SEARCH in wanted, force=force)
    if tuple(wanted) == (SEARCH,):
        return ScenesOfRun(None, tuple(made), _others(wanted, made), searched.left_out)
    fetched = _fetched(place, journal, searched.key, made, wanted=FETCH in wanted, force=force)
    kept = (folder / FOLDER).absolute()  # names that are relative would be looked for beside the run file first
    files = tuple(str(kept / name) for name in sorted(fetched.state))
    masks = tuple(name.removesuffix(".tif") + "_mask.tif" for name in files)
    images = ImagesSection(files=files, exclude=masks, bad_images="skip")
    options = place.heights if config.output.dem is None else None
    heights = (
        Entry() if options is None else _heights(place, options, journal, made, wanted=FETCH in wanted, force=force)
    )
    left_out = (*searched.left_out, *fetched.left_out, *heights.left_out)
    return ScenesOfRun(
        images, tuple(made), _others(wanted, made), left_out, folder / HEIGHTS if heights.files else None
    )


def _others(wanted: Sequence[str], made: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name not in made)


def _area(config: RunConfig, section: ScenesSection, base: Path) -> AreaOfInterest:
    if section.area is None:
        moving = find_file(str(config.stable.moving), base, "stable.moving")
        return read_area(moving, buffer_m=section.buffer_m or AROUND_MOVING_M, crs=section.area_crs)
    beside = base / section.area
    source = str(beside) if is_file_here(beside) else section.area
    return read_area(source, buffer_m=section.buffer_m, crs=section.area_crs)


# -------------------------------------------------------------------------------------------------------------- search


def _searched(place: _Place, journal: Journal, made: list[str], *, wanted: bool, force: bool) -> Entry:
    """Return what is known of the search, done now if it is wanted and stale."""
    choice = place.section.model_dump(mode="json", exclude={"read", "allow_host", "allow_folder", "area", "dem"})
    key = digest_text(SEARCH, __version__, choice, place.area.outline)
    known = journal.entry(SEARCH)
    fresh = known.key == key and all((place.folder / name).exists() for name in known.files)
    fresh = fresh and place.catalogue_state.items() <= known.state.items()
    if fresh and not (wanted and force):
        return known
    if not wanted:
        message = f"step {SEARCH} is stale or was not done in {place.folder}: start from {SEARCH}"
        raise StoreError(message)
    entry = _search(place, key)
    journal.note(SEARCH, entry)
    made.append(SEARCH)
    return entry


def _search(place: _Place, key: str) -> Entry:
    """Search, and write list, table and figure of what was found."""
    section, folder, state = place.section, place.folder, place.catalogue_state
    options = section.override({"catalogue": place.catalogue}, step="scenes")
    found, selection = find_scenes(place.area, options, section.select, policy=place.policy, progress=place.progress)
    files = [LIST]
    if selection.verdicts:
        save_scene_table(selection.verdicts, folder / TABLE)
        save_figure(scene_figure(selection.verdicts, around=section.around), folder / FIGURE)
        files += [TABLE, FIGURE]
    require_some(selection, found, section.select)
    write_items(folder / LIST, (one.item for one in selection.kept), place.area)
    for window in selection.empty:
        logger.warning("no clear scene near %s", window.middle)
    logger.info("%d of %d scenes are kept", len(selection.kept), len(found.scenes))
    return Entry(key, tuple(files), left_out=(*found.left_out, *selection.left_out), state=state)


# --------------------------------------------------------------------------------------------------------------- fetch


def _fetched(place: _Place, journal: Journal, searched: str, made: list[str], *, wanted: bool, force: bool) -> Entry:
    """Return what is known of the images, fetched now if that is wanted and they are not all there."""
    limits = {"jobs", "tries", "wait_s", "longest_wait_s", "timeout_s", "file_minutes", "memory_gb"}
    listed = digest_file(place.folder / LIST)  # the same search may have found others, or somebody took one out
    key = digest_text(FETCH, searched, listed, place.reading.model_dump(mode="json", exclude=limits))
    known = journal.entry(FETCH)
    whole = {files.image.name for files in whole_scenes(place.folder / FOLDER)}
    there = known.key == key and bool(known.state) and whole.issuperset(known.state)
    if there and not (wanted and (force or known.left_out)):
        return known
    if not wanted:
        message = f"step {FETCH} is stale or was not done in {place.folder}: start from {FETCH}"
        raise StoreError(message)
    done = _fetch(place)
    images = {path.name: "" for path in (*done.new, *done.present)}
    entry = Entry(key, state=images, left_out=tuple(done.failed))
    journal.note(FETCH, entry)
    if done.new or not there:
        made.append(FETCH)
    return entry


def _fetch(place: _Place) -> FetchedScenes:
    """Fetch the scenes of the list; those that are there are not read again."""
    listed = place.folder / LIST
    found = read_items(listed)
    with Access(place.policy, place.reading) as access:
        done = fetch_scenes(
            found.items,
            place.area,
            place.folder / FOLDER,
            access,
            options=place.reading,
            base=listed.absolute(),
            progress=place.progress,
        )
    for text in done.doubles:
        logger.info("not taken: %s", text)
    for text in done.failed:
        logger.warning("left out: %s", text)
    return done


# ------------------------------------------------------------------------------------------------------------- heights


def _heights(
    place: _Place, options: HeightOptions, journal: Journal, made: list[str], *, wanted: bool, force: bool
) -> Entry:
    """Return what is known of the heights, fetched now if that is wanted; without them a run goes on."""
    key = digest_text(HEIGHTS, __version__, options.model_dump(mode="json", exclude={"memory_gb"}), place.area.outline)
    known = journal.entry(HEIGHTS)
    there = known.key == key and all((place.folder / name).exists() for name in known.files)
    if there and not (wanted and (force or known.left_out)):
        return known
    if not wanted:
        return Entry(left_out=(f"heights (scenes.dem): stale or not there, start from {FETCH}",))
    try:
        entry = Entry(key, (HEIGHTS,), left_out=_fetch_heights(place, options))
    except CreepmeterError as problem:
        logger.warning("no heights (scenes.dem): %s", problem)
        entry = known if there and known.files else Entry(key, left_out=(f"heights (scenes.dem): {problem}",))
    journal.note(HEIGHTS, entry)
    if entry.files and not (there and entry == known) and FETCH not in made:
        made.append(FETCH)
    return entry


def _fetch_heights(place: _Place, options: HeightOptions) -> tuple[str, ...]:
    """Fetch heights; return what is left out."""
    with Access(place.policy, place.reading) as access:
        done = fetch_heights(place.area, place.folder / HEIGHTS, access, options=options, progress=place.progress)
    if done.unknown:
        logger.warning("%.1f %% of the area has no height: sea, holes, or tiles that are not there", 100 * done.unknown)
    return tuple(f"heights of {text}" for text in done.left_out)


# --------------------------------------------------------------------------------------------------------------- pairs


def near_anniversaries(scenes: Sequence[Scene], options: PairOptions) -> Network:
    """Return pairs as the options say, but near whole years as far as these join all scenes.

    Near an anniversary the sun stands where it stood and plants are as they were: shadows do not move by themselves.
    """
    for days in NEAR_ANNIVERSARY_DAYS:
        try:
            network = select_pairs(scenes, options.override({"anniversary_days": days}, step="pairs"))
        except NetworkError:
            continue
        if len(network.islands()) == 1:
            return network
    network = select_pairs(scenes, options)
    if max(pair.days for pair in network.pairs) > DAYS_PER_YEAR - max(NEAR_ANNIVERSARY_DAYS):
        logger.warning(
            "pairs near whole years do not join all scenes: pairs of any span are used, shadows may seem to move"
        )
    return network


# ---------------------------------------------------------------------------------------------------------------- terms


def show_all_seasons(times: Epochs) -> bool:
    """Tell whether dates are enough, and spread enough over years and seasons, to tell a swing in the year apart."""
    days = np.asarray(times, dtype="datetime64[D]")
    if len(days) < FEWEST_FOR_SEASONS or (days.max() - days.min()) / np.timedelta64(1, "D") < SHORTEST_FOR_SEASONS_DAYS:
        return False
    of_year = np.sort((days - days.astype("datetime64[Y]")) / np.timedelta64(1, "D"))
    gaps = np.diff(np.concatenate([of_year, of_year[:1] + DAYS_PER_YEAR]))
    return bool(gaps.max() <= LONGEST_SEASON_UNSEEN_DAYS)
