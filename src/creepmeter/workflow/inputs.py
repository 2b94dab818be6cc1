"""From the images section to scenes that are known to be usable."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.errors import EpochError, ImageError, InputError, NetworkError
from creepmeter.io.provenance import digest_file, digest_text
from creepmeter.io.raster import RasterImage, read_header, read_image, require_usable
from creepmeter.io.rasterfile import local_grid
from creepmeter.io.swap import write_text
from creepmeter.io.vector import burn_mask
from creepmeter.model.epoch import Epoch, epoch_from_pattern, epochs_in_name
from creepmeter.model.grid import Grid, require_same_grid
from creepmeter.model.scene import Scene
from creepmeter.tracking.large import HiddenImage
from creepmeter.workflow.config import ImagesSection

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Images:
    """The images of a run.

    Parameters
    ----------
    scenes : tuple of Scene
        In order of time; `source` is the path.
    grid : Grid
        Of all images.
    options : ImagesSection
        How they are read.
    masks : tuple of (Path, ...)
        Per scene, what is left out.
    left_out : tuple of str
        Images not used, and why.
    """

    scenes: tuple[Scene, ...]
    grid: Grid
    options: ImagesSection
    masks: tuple[tuple[Path, ...], ...]
    left_out: tuple[str, ...] = ()

    def index_of(self, time: Epoch) -> int:
        """Return the place of the scene taken at `time`."""
        return next(k for k, scene in enumerate(self.scenes) if scene.time == time)

    def read(self, index: int) -> tuple[Floats, Bools | None]:
        """Return an image and its mask (True = missing)."""
        return _read(self.scenes[index], self.options), self._mask(index)

    def source(self, index: int) -> HiddenImage:
        """Return an image to be read part by part, NaN = missing or masked."""
        path = Path(self.scenes[index].source)
        size = self.grid.shape[0], self.grid.shape[1]
        return HiddenImage(RasterImage(path, size, self.options.nodata, band=self.options.band), self._mask(index))

    def _mask(self, index: int) -> Bools | None:
        masks = [burn_mask(mask, self.grid, name="exclude") for mask in self.masks[index]]
        return np.logical_or.reduce(masks) if masks else None

    def digests(self) -> dict[str, str]:
        """Return the digest of every image and mask by path."""
        files = [Path(scene.source) for scene in self.scenes] + [mask for masks in self.masks for mask in masks]
        return {str(file): digest_with_sidecars(file) for file in dict.fromkeys(files)}

    def contents(self) -> list[list[str]]:
        """Return time, digest of the image and digests of its masks, per scene: what a result depends on."""
        found = self.digests()
        return [
            [str(scene.time), found[scene.source], *(found[str(mask)] for mask in masks)]
            for scene, masks in zip(self.scenes, self.masks, strict=True)
        ]


def find_images(options: ImagesSection, base: Path, masks_of_run: Iterable[Path] = ()) -> Images:
    """Find the images of a run and check their headers; no pixel is read.

    Parameters
    ----------
    options : ImagesSection
        What to look for.
    base : Path
        Folder that relative names start from; names not found there are looked for in the working folder.
    masks_of_run : iterable of Path
        Files that have another role in the run: a pattern such as ``*.jpg`` may match them, and they are no images.

    Raises
    ------
    InputError
        No image found.
    EpochError
        A name without a date.
    GridError
        An image on another grid than the first.
    NetworkError
        Fewer than two dates, or two images of one date.
    """
    masks = find_files(options.exclude, base, "images.exclude") if options.exclude else []
    others = {file.resolve() for file in (*masks, *masks_of_run)}
    files = [file for file in find_files(options.files, base, "images.files") if file.resolve() not in others]
    scenes = sorted((Scene(_date_of(file, options.dates_pattern), str(file)) for file in files), key=lambda s: s.time)
    _require_dates(scenes)
    grid, left_out, kept = _common_grid(scenes, options)
    _require_dates(kept)
    per_scene = _masks_by_scene(kept, masks, options.dates_pattern)
    return Images(tuple(kept), grid, options, per_scene, tuple(left_out))


def digest_with_sidecars(path: Path) -> str:
    """Return the digest of a file; of a shapefile, with the files beside it that hold its system and attributes."""
    if path.suffix.lower() != ".shp":
        return digest_file(path)
    return digest_text(*(digest_file(part) for part in sorted(path.parent.glob(f"{path.stem}.*"))))


def find_files(patterns: Iterable[str], base: Path, option: str) -> list[Path]:
    """Return the files that patterns name, from `base` or else from the working folder.

    Raises
    ------
    InputError
        A pattern names no file.
    """
    found: list[Path] = []
    for pattern in patterns:
        here = _glob(base, pattern) or _glob(Path.cwd(), pattern)
        if not here:
            message = f"{option}: no file {pattern!r} in {base} nor in the working folder: check the name or pattern"
            raise InputError(message)
        found += here
    return list(dict.fromkeys(found))


def find_file(name: str, base: Path, option: str) -> Path:
    """Return one file, from `base` or else from the working folder."""
    return find_files([name], base, option)[0]


def _glob(base: Path, pattern: str) -> list[Path]:
    anchor = Path(pattern)
    folder, inner = (Path(anchor.anchor), str(anchor.relative_to(anchor.anchor))) if anchor.anchor else (base, pattern)
    if (folder / inner).is_file():
        return [folder / inner]
    parts = Path(inner).parts
    while parts and parts[0] == "..":
        folder, parts = folder / "..", parts[1:]
    return sorted(path for path in folder.glob(str(Path(*parts))) if path.is_file()) if parts else []


def _date_of(file: Path, pattern: str | None) -> Epoch:
    if pattern is not None:
        return epoch_from_pattern(file.name, pattern)
    found = epochs_in_name(file.name)
    if not found:
        message = f"{file}: no date (YYYYMMDD) in the file name: rename it, or give images.dates_pattern"
        raise EpochError(message)
    return found[0]


def _require_dates(scenes: Sequence[Scene]) -> None:
    for first, second in pairwise(scenes):
        if first.time == second.time:
            message = f"{first.source} and {second.source} have one date ({str(first.time)[:10]}): keep one of them"
            raise NetworkError(message)
    if len(scenes) < 2:  # noqa: PLR2004 - a pair
        names = ", ".join(scene.source for scene in scenes) or "none"
        message = f"motion needs images of at least two dates, found {len(scenes)} ({names})"
        raise NetworkError(message)


def _common_grid(scenes: Sequence[Scene], options: ImagesSection) -> tuple[Grid, list[str], list[Scene]]:
    grid: Grid | None = None
    first = ""
    left_out, kept = [], []
    for scene in scenes:
        try:
            found = local_grid(scene.source, read_header(scene.source), options.pixel_size_m)
        except ImageError as problem:
            if options.bad_images == "stop":
                raise
            left_out.append(str(problem))
            continue
        if grid is None:
            grid, first = found, scene.source
        require_same_grid(grid, found, expected_name=first, found_name=scene.source)
        kept.append(scene)
    if grid is None:
        message = f"no image can be read: {left_out[0]}"
        raise ImageError(message)
    return grid, left_out, kept


def _masks_by_scene(
    scenes: Sequence[Scene], masks: Sequence[Path], pattern: str | None
) -> tuple[tuple[Path, ...], ...]:
    """Return the masks of each scene: those of its date, and those without a date, which hold for all."""
    chosen: list[list[Path]] = [[] for _ in scenes]
    for mask in masks:
        date = _date_of_mask(mask, pattern)
        places = [k for k, scene in enumerate(scenes) if date is None or _same_date(date, scene.time)]
        for place in places:
            chosen[place].append(mask)
        if not places:
            logger.warning("images.exclude: %s has the date of no image and is not used", mask)
    if masks and not any(chosen):
        message = f"images.exclude: no mask has the date of an image (such as {masks[0].name}): check the names"
        raise InputError(message)
    return tuple(tuple(each) for each in chosen)


def _date_of_mask(mask: Path, pattern: str | None) -> Epoch | None:
    if pattern is not None:
        with suppress(EpochError):
            return epoch_from_pattern(mask.name, pattern)
    found = epochs_in_name(mask.name)
    return found[0] if found else None


def _same_date(mask: Epoch, scene: Epoch) -> bool:
    """Compare a mask's date with an image's: by the day where either name gives no time of day."""
    days = [date.astype("datetime64[D]") for date in (mask, scene)]
    whole = any(date == day for date, day in zip((mask, scene), days, strict=True))
    return bool(days[0] == days[1] if whole else mask == scene)


def check_images(images: Images, notebook: Path, progress: Progress) -> Images:
    """Read every image once, so that a bad one is met before the work and not in the middle of it.

    Results are kept in `notebook` (JSON), so that a file that has not changed is not read again.

    Raises
    ------
    ImageError
        An image is damaged, constant or all missing, and `bad_images` is stop. All of them are named.
    """
    known = _notes(notebook)
    bad: dict[int, str] = {}
    progress.start("check images", len(images.scenes))
    for index, scene in enumerate(images.scenes):
        files = [scene.source, *map(str, images.masks[index])]
        key = digest_text(
            [digest_file(file) for file in files], images.options.model_dump(exclude={"files", "exclude"})
        )
        if key not in known:
            known[key] = _problem(images, index)
            write_text(notebook, json.dumps(known, indent=0, sort_keys=True))
        if known[key]:
            bad[index] = known[key]
        progress.advance(1)
    progress.finish()
    if bad and images.options.bad_images == "stop":
        message = "\n".join([*bad.values(), "repair them, or set images.bad_images: skip to go on without"])
        raise ImageError(message)
    return _without(images, bad)


def _problem(images: Images, index: int) -> str:
    try:
        image, mask = images.read(index)
        require_usable(
            image if mask is None else np.where(mask, np.float32(np.nan), image), images.scenes[index].source
        )
    except ImageError as problem:
        return str(problem)
    return ""


def _without(images: Images, bad: dict[int, str]) -> Images:
    for problem in bad.values():
        logger.warning("left out: %s", problem)
    kept = [k for k in range(len(images.scenes)) if k not in bad]
    scenes = [images.scenes[k] for k in kept]
    _require_dates(scenes)
    left_out = (*images.left_out, *bad.values())
    return Images(tuple(scenes), images.grid, images.options, tuple(images.masks[k] for k in kept), left_out)


def _notes(notebook: Path) -> dict[str, str]:
    try:
        known = json.loads(notebook.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in known.items()} if isinstance(known, dict) else {}


def _read(scene: Scene, options: ImagesSection) -> Floats:
    image, _ = read_image(scene.source, band=options.band, nodata=options.nodata, pixel_size_m=options.pixel_size_m)
    return image
