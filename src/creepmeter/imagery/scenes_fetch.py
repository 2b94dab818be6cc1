"""Scenes of a list as a folder of images of one area on one grid, with masks; what is there is not read again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import CreepmeterError, InputError, ServiceError, StoreError
from creepmeter.imagery.access import without_secrets
from creepmeter.imagery.area import AreaOfInterest
from creepmeter.imagery.attempts import UnreachableError, no_addresses_logged
from creepmeter.imagery.found import FoundScene, scene_of, split_duplicates
from creepmeter.imagery.masks import CLEAR, MISSING, WORDS, mask_rule
from creepmeter.imagery.options import SceneFetchOptions
from creepmeter.imagery.radiometry import radiometry_of
from creepmeter.imagery.remote import Access
from creepmeter.imagery.scene_folder import (
    SceneFiles,
    ScenePlan,
    read_plan,
    require_same_recipe,
    scenes_in,
    stem_of,
    write_plan,
)
from creepmeter.imagery.windows import grid_of_raster, href_of, read_image, read_mask, window_grid
from creepmeter.io.lock import RunLock
from creepmeter.io.provenance import digest_text
from creepmeter.model.grid import Grid, describe_grid

_LOG = logging.getLogger(__name__)
_BYTES_PER_PIXEL = 32  # digital numbers, validity, reflectance, mask, and what is made on the way
_BYTES_PER_SCENE = 64e6  # blocks of the file, and of what is written
_UNREACHABLE = 3  # scenes in a row that no server gives, after which there is no connection
_BLACK, _DARK_SHARE = -0.005, 0.2  # noise over dark water lies below zero as well
VERSION = 1  # of what is made of a scene: a change makes all of them again


@dataclass(frozen=True)
class FetchedScenes:
    """What was done.

    Parameters
    ----------
    new, present : tuple of Path
        Images that were made, and those that were there already.
    failed : tuple of str
        Names of scenes that are left out, and why.
    doubles : tuple of str
        Names of scenes in whose place another of the same pass was taken, and which.
    others : tuple of Path
        Images of the folder that no scene of the list has made.
    grid : Grid
        Of all images.
    """

    new: tuple[Path, ...]
    present: tuple[Path, ...]
    failed: tuple[str, ...]
    doubles: tuple[str, ...]
    others: tuple[Path, ...]
    grid: Grid


def fetch_scenes(
    items: Sequence[Mapping[str, Any]],
    area: AreaOfInterest,
    folder: Path,
    access: Access,
    *,
    options: SceneFetchOptions | None = None,
    base: str | Path | None = None,
    progress: Progress | None = None,
) -> FetchedScenes:
    """Make a folder of images of an area from the scenes of a list.

    Parameters
    ----------
    items : sequence of mapping
        STAC items as JSON.
    area : AreaOfInterest
        What is cut out: every pixel that it touches, of the box around it.
    folder : Path
        Made if absent; one fetch at a time works in it.
    access : Access
        How files are reached.
    options : SceneFetchOptions, optional
        Band, mask, memory.
    base : str or Path, optional
        Where the items lie, for relative references.
    progress : Progress, optional
        Counts scenes.

    Returns
    -------
    FetchedScenes
        A scene that cannot be read is named there, and the others go on.

    Raises
    ------
    InputError
        No scene shows the area, or the folder holds scenes of another kind.
    ServiceError
        No server can be reached.
    StoreError
        The folder cannot be written, or another fetch works in it.
    """
    chosen, shown_to = options or SceneFetchOptions(), progress or NullProgress()
    scenes, failed = _scenes(items)
    cover = {one.name: area.covered_by(one.footprint) for one in scenes}
    kept, instead = split_duplicates(scenes, cover)
    doubles = tuple(f"{name}: the same pass as {other.name}, which is taken" for name, other in instead.items())
    _note_groups(kept)
    band = _common_band(kept, chosen.band)
    recipe = _recipe(area, band, chosen)
    with RunLock(folder), no_addresses_logged():
        plan = read_plan(folder)
        if plan is None:
            plan = ScenePlan(recipe, _find_grid(kept, failed, area, access, chosen, base=base, band=str(band)))
            write_plan(folder, plan)
        require_same_recipe(folder, plan, recipe)
        work = _Work(folder, plan, access, chosen, base)
        present = [one for one in kept if work.is_there(one)]
        todo = [one for one in kept if one not in present]
        shown_to.start("fetch scenes", len(kept))
        shown_to.advance(len(present))
        try:
            outcomes = work.all(todo, lambda: shown_to.advance(1))
        finally:
            shown_to.finish()
        others = {files.image for files in scenes_in(folder)} - {work.files(one).image for one in kept}
    new = [work.files(one).image for one, why in zip(todo, outcomes, strict=True) if why is None]
    failed += [f"{one.name}: {why}" for one, why in zip(todo, outcomes, strict=True) if why is not None]
    if not new and not present:
        message = f"none of {len(items)} scene(s) could be fetched; the first: {failed[0] if failed else 'none given'}"
        raise ServiceError(message)
    there = tuple(work.files(one).image for one in present)
    return FetchedScenes(tuple(new), there, tuple(failed), doubles, tuple(sorted(others)), plan.grid)


def _scenes(items: Sequence[Mapping[str, Any]]) -> tuple[list[FoundScene], list[str]]:
    """Return the scenes of items, each once, and what is wrong with the other items."""
    scenes: dict[str, FoundScene] = {}
    failed = []
    for number, item in enumerate(items, start=1):
        try:
            one = scene_of(item)
        except InputError as problem:
            failed.append(f"entry {number}: {problem}")
            continue
        scenes[one.name] = one
    return list(scenes.values()), failed


def _note_groups(scenes: Sequence[FoundScene]) -> None:
    """Say when images of a list do not belong together: other orbits see relief from another side."""
    groups = sorted({one.group for one in scenes})
    if len(groups) > 1:
        shown = ", ".join(f"{orbit or 'unknown orbit'} {tile or 'unknown tile'}" for orbit, tile in groups)
        _LOG.warning(
            "scenes of %d orbits and tiles (%s): relief moves between them; `creepmeter scenes search` keeps one",
            len(groups),
            shown,
        )


def _recipe(area: AreaOfInterest, band: str | None, options: SceneFetchOptions) -> dict[str, Any]:
    """Return what decides on the content of a scene's files."""
    outline = [[round(float(value), 9) for value in point] for point in area.shape.envelope.exterior.coords]
    classes = None if options.classes is None else list(options.classes)
    return {
        "version": VERSION,
        "area": outline,
        "band": band,
        "mask_classes": classes,
        "mask_snow": options.mask_snow,
        "max_masked": options.max_masked,
        "resample": options.resample,
    }


def band_label(scene: FoundScene, band: str | None) -> str:
    """Return the band that is taken of a scene by the name of the table of sensors, not by that of the catalogue."""
    key = scene.sensor.band_key(scene.item, band)
    return next((name for name, keys in scene.sensor.bands.items() if key in keys), key)


def _common_band(scenes: Sequence[FoundScene], band: str | None) -> str | None:
    """Return the band that most scenes have."""
    labels = []
    for one in scenes:
        with suppress(InputError):
            labels.append(band_label(one, band))
    return Counter(labels).most_common(1)[0][0] if labels else band


def _require_band(found: str, common: str) -> None:
    if found != common:
        message = f"it has band {found}, most others have {common}: they are not comparable; give --band"
        raise InputError(message)


# ---------------------------------------------------------------------------------------------------------------- grid


def _find_grid(
    scenes: Sequence[FoundScene],
    failed: Sequence[str],
    area: AreaOfInterest,
    access: Access,
    options: SceneFetchOptions,
    *,
    base: str | Path | None,
    band: str,
) -> Grid:
    """Return the grid of the first scene that can be opened, of those whose pixels most others have too."""
    problems, unreachable, odd = list(failed), 0, None
    for scene in _likeliest_first(scenes, options.band):
        try:
            _require_band(band_label(scene, options.band), band)
            href = href_of(scene.item, scene.sensor.band_key(scene.item, options.band), base)
            with access.open(href) as raster:
                whole = grid_of_raster(raster, scene.name)
            grid = window_grid(area, whole, scene.name, max_pixels=most_pixels(options.memory_gb))
            if _said_lattice(scene, options.band) in (None, _lattice(whole)):
                return grid
            odd = odd or grid  # not what its item says: taken only if there is no other
            unreachable = 0
        except (InputError, ServiceError) as problem:
            unreachable = unreachable + 1 if isinstance(problem, UnreachableError) else 0
            problems.append(f"{scene.name}: {problem}")
        if unreachable == _UNREACHABLE:
            message = f"{_UNREACHABLE} scenes in a row cannot be reached: {problems[-1]}"
            raise ServiceError(message)
    if odd is not None:
        return odd
    message = f"no scene of the list can be used: {problems[0] if problems else 'it is empty'}"
    raise InputError(message)


def most_pixels(memory_gb: float) -> int:
    """Return how many pixels an image may have, for one scene at a time to fit in memory."""
    return max(int((memory_gb * 1e9 - _BYTES_PER_SCENE) / _BYTES_PER_PIXEL), 1)


def _likeliest_first(scenes: Sequence[FoundScene], band: str | None) -> list[FoundScene]:
    """Return scenes with those first whose pixels, as their items say, most others have."""
    lattices = {one.name: _said_lattice(one, band) for one in scenes}
    count = Counter(lattice for lattice in lattices.values() if lattice is not None)
    return sorted(scenes, key=lambda one: -count.get(lattices[one.name] or (), 0))


def _said_lattice(scene: FoundScene, band: str | None) -> tuple[object, ...] | None:
    """Return reference system, size and phase of the pixels as an item tells them, None where it does not."""
    try:
        asset = scene.item["assets"][scene.sensor.band_key(scene.item, band)]
        facts = {**scene.item["properties"], **asset}
        system = str(facts.get("proj:code") or facts.get("proj:epsg")).rpartition(":")[2]
        across, _, west, _, down, north = (float(value) for value in facts["proj:transform"][:6])
        return _lattice_of(system, across, down, west, north)
    except (InputError, KeyError, TypeError, ValueError, ArithmeticError):
        return None


def _lattice(grid: Grid) -> tuple[object, ...]:
    """Return the same of a raster."""
    code = None if grid.crs is None else grid.crs.to_epsg()
    turn = grid.affine
    return _lattice_of(str(code), turn.a, turn.e, turn.c, turn.f)


def _lattice_of(system: str, across: float, down: float, west: float, north: float) -> tuple[object, ...]:
    return system, across, down, round(west % across, 3), round(north % abs(down), 3)


# ---------------------------------------------------------------------------------------------------------------- work


class _Work:
    """The scenes of one call."""

    def __init__(
        self, folder: Path, plan: ScenePlan, access: Access, options: SceneFetchOptions, base: str | Path | None
    ) -> None:
        self._folder, self._plan, self._access, self._options, self._base = folder, plan, access, options, base

    def files(self, scene: FoundScene) -> SceneFiles:
        """Return where a scene is kept."""
        return SceneFiles(self._folder, stem_of(scene.moment, str(self._plan.recipe["band"]), scene.name))

    def is_there(self, scene: FoundScene) -> bool:
        """Tell whether a scene is there whole, made from what the list says."""
        key = self._key(scene)
        return bool(key) and self.files(scene).is_whole(key)

    def _key(self, scene: FoundScene) -> str:
        """Return what a scene that is there must have been made from; empty when its item does not tell."""
        try:
            band_key, hrefs = self._assets(scene)
            how = radiometry_of(scene.item, band_key)
        except InputError:
            return ""
        said = [str(scene.moment), scene.baseline, scene.processed, how.as_json(), *map(without_secrets, hrefs)]
        return digest_text(self._plan.digest, scene.name, said)[:32]

    def _assets(self, scene: FoundScene) -> tuple[str, tuple[str, str]]:
        """Return the key of the band, and the addresses of band and mask."""
        keys = scene.sensor.band_key(scene.item, self._options.band), scene.sensor.mask_key(scene.item)
        return keys[0], (href_of(scene.item, keys[0], self._base), href_of(scene.item, keys[1], self._base))

    def all(self, scenes: Sequence[FoundScene], count: Callable[[], None]) -> list[str | None]:
        """Return for every scene None, or why it is not there."""
        per_scene = _BYTES_PER_PIXEL * self._plan.grid.shape[0] * self._plan.grid.shape[1] + _BYTES_PER_SCENE
        jobs = max(1, min(self._options.jobs, int(self._options.memory_gb * 1e9 / per_scene)))
        with ThreadPoolExecutor(jobs) as pool:
            try:
                futures = [pool.submit(self._one, scene, count) for scene in scenes]
                return [future.result() for future in futures]
            except BaseException:
                self._access.stop.set()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, scene: FoundScene, count: Callable[[], None]) -> str | None:
        if self._access.stop.is_set():
            return "not begun"
        try:
            self._make(scene)
        except StoreError:
            self._access.stop.set()  # it would go the same way with every other scene
            raise
        except CreepmeterError as problem:
            return str(problem)
        except OSError as problem:  # of files on this machine that are read
            return f"it cannot be read ({problem.strerror or type(problem).__name__}): leave it out"
        except MemoryError:
            return "it does not fit in memory: give a smaller area, or fewer --jobs"
        count()
        return None

    def _make(self, scene: FoundScene) -> None:
        """Read a scene and write its files."""
        options, grid, band = self._options, self._plan.grid, str(self._plan.recipe["band"])
        band_key, (image_href, mask_href) = self._assets(scene)
        _require_band(band_label(scene, options.band), band)
        how = radiometry_of(scene.item, band_key)
        rule = mask_rule(scene.sensor, options.classes, snow=options.mask_snow)
        image, moved = read_image(self._access, image_href, grid, how, options.resample)
        mask = read_mask(self._access, mask_href, grid, rule, resample=options.resample != "never")
        mask[np.isnan(image)] = MISSING
        shares = _shares(mask)
        _require_enough(shares, options.max_masked)
        dark = _dark_share(image, mask)
        _note_dark(scene.name, dark)
        facts = {
            "key": self._key(scene),
            "scene": scene.name,
            "collection": scene.item.get("collection"),
            "datetime": scene.moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "platform": scene.platform,
            "relative_orbit": scene.orbit,
            "tile": scene.tile,
            "processing_baseline": ".".join(f"{part:02d}" for part in scene.baseline) or None,
            "band": band,
            "assets": {"image": without_secrets(image_href), "mask": without_secrets(mask_href)},
            "radiometry": how.as_json(),
            "below_zero": dark,
            "resampled": moved,
            "mask": {"classes": sorted(rule.classes), "shares": shares},
            "grid": describe_grid(grid),
        }
        self.files(scene).write(image, mask, grid, facts, self._plan.recipe)


def _shares(mask: npt.NDArray[np.uint8]) -> dict[str, float]:
    counts = np.bincount(mask.ravel(), minlength=len(WORDS))
    return {word: round(float(counts[code]) / mask.size, 6) for code, word in enumerate(WORDS)}


def _require_enough(shares: Mapping[str, float], max_masked: float) -> None:
    """Raise when next to nothing of the ground is to be seen."""
    masked = 100 * (1 - shares[WORDS[CLEAR]])
    if masked > max_masked or masked >= 100 - 1e-4:
        seen = ", ".join(
            f"{word} {100 * share:.0f} %" for word, share in shares.items() if word != WORDS[CLEAR] and share
        )
        message = f"{masked:.1f} % of the area is not to be seen ({seen}): more than --max-masked {max_masked:g}"
        raise InputError(message)


def _dark_share(image: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]) -> float:
    """Return the share of pixels to be seen that are darker than black."""
    seen = image[mask == CLEAR]
    return round(float((seen < _BLACK).mean()), 6) if seen.size else 0.0


def _note_dark(name: str, share: float) -> None:
    """Say when the catalogue may be wrong about the offset; pixels are not changed by a guess."""
    if share > _DARK_SHARE:
        _LOG.warning(
            "%s: %.0f %% of what is to be seen has a reflectance below zero: what its item says of the offset "
            "(boa_offset_applied) may be wrong; compare it with the other scenes",
            name,
            100 * share,
        )
