"""Steps export and report: products to files that people open."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import InputError
from creepmeter.io.vector import polygons
from creepmeter.model.grid import Grid, grid_of
from creepmeter.products.export import save_geotiff
from creepmeter.products.frame import Backdrop
from creepmeter.products.report import ReportContext, ReportTable, write_report
from creepmeter.velocity.options import DetectOptions
from creepmeter.workflow.config import config_text
from creepmeter.workflow.inventory import detect_to_file, motion_table, statistics_of_file
from creepmeter.workflow.journal import Journal
from creepmeter.workflow.offsets import OFFSETS, STACK
from creepmeter.workflow.scenes import FIGURE, SEARCH
from creepmeter.workflow.setting import Setting
from creepmeter.workflow.verbs import relief_behind

logger = logging.getLogger(__name__)
SERIES, MOTION, REPORT = "timeseries.zarr", "velocity.zarr", "report.html"
POLYGONS, INVENTORY = "polygons.gpkg", "inventory.gpkg"
_BACKGROUND_PX = 1600  # a picture needs no more
_ENOUGH = 0.99  # share seen that ends the search for a better image


def export(run: Setting, _key: str) -> Sequence[str]:
    """Write velocity as GeoTIFF, and the motion of polygons: those given, and areas that move."""
    maps = save_geotiff(run.product(MOTION), run.folder) if run.config.output.geotiff else []
    return [*(path.name for path in maps), *_polygon_files(run), *_inventory_files(run)]


def _polygon_files(run: Setting) -> list[str]:
    path = run.polygon_file()
    if path is None:
        return []
    target = run.folder / POLYGONS
    try:
        _, unmeasured = statistics_of_file(run.folder / MOTION, path, target, dem=run.relief_file())
    except InputError as problem:
        logger.warning("no motion of polygons: %s", problem)
        return []
    for text in unmeasured:
        logger.warning("%s: %s", path.name, text)
    return [target.name, target.with_suffix(".csv").name]


def _inventory_files(run: Setting) -> list[str]:
    if not run.config.output.detect:
        return []
    target = run.folder / INVENTORY
    detect_to_file(run.folder / MOTION, target, DetectOptions(), dem=run.relief_file())
    return [target.name, target.with_suffix(".csv").name]


def report(run: Setting, _key: str) -> Sequence[str]:
    """Write the report page."""
    behind = _backdrop(run)
    context = ReportContext(
        motion=run.product(MOTION),
        series=run.product(SERIES),
        stack=run.product(STACK),
        stack_before=run.product(OFFSETS),
        stable=run.stable,
        background=behind.image,
        background_grid=behind.grid,
        background_kind=behind.kind,
        outlines=_outlines(run),
        tables=_tables(run),
        title=run.config.output.title,
        settings=config_text(run.config),
        notes=[*run.notes, *(f"Left out: {text}" for text in run.images.left_out)],
        scenes=_scenes(run),
    )
    write_report(run.folder / REPORT, context)
    return [REPORT]


def _scenes(run: Setting) -> bytes:
    """Return the figure that the search drew; empty where the images were not searched for."""
    path = run.folder / FIGURE
    return path.read_bytes() if path.name in Journal(run.folder).entry(SEARCH).files and path.exists() else b""


def _tables(run: Setting) -> list[ReportTable]:
    """Return what step export has written of polygons."""
    titles = {POLYGONS: "Motion of polygons", INVENTORY: "Areas that move"}
    paths = [(title, (run.folder / name).with_suffix(".csv")) for name, title in titles.items()]
    known = Journal(run.folder).entry("export").files
    return [motion_table(title, path) for title, path in paths if path.name in known and path.exists()]


def _outlines(run: Setting) -> list[Any]:
    """Return the polygons of the moving ground; a raster has none, its border is drawn from the mask."""
    path = run.moving_file()
    if path is None:
        return []
    crs = run.images.grid.crs
    try:
        return list(polygons(path, None if crs is None else crs.to_wkt()))
    except InputError:
        return []


def _backdrop(run: Setting) -> Backdrop:
    """Return what lies behind the maps: shaded heights where there are any, else an image."""
    dem = run.relief_file()
    if dem is not None:
        return relief_behind(grid_of(run.product(MOTION)), dem)
    return Backdrop(*_background(run))


def _background(run: Setting) -> tuple[npt.NDArray[np.float32], Grid]:
    """Return the image that sees most ground, coarse enough for a picture."""
    most, best = -1.0, np.zeros((1, 1), np.float32)
    for index in range(len(run.images.scenes)):
        image, mask = run.images.read(index)
        if mask is not None:
            image = np.where(mask, np.float32(np.nan), image)
        share = float(np.isfinite(image).mean())
        if share > most:
            most, best = share, _coarse(image)
        if share > _ENOUGH:
            break
    return best, _coarse_grid(run.images.grid)


def _factor(shape: tuple[int, ...]) -> int:
    return max(1, int(np.ceil(max(shape) / _BACKGROUND_PX)))


def _coarse(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    factor = _factor(image.shape)
    return image[::factor, ::factor]


def _coarse_grid(grid: Grid) -> Grid:
    factor = _factor((grid.shape[0], grid.shape[1]))
    rows, columns = (-(-size // factor) for size in (grid.shape[0], grid.shape[1]))
    a, b, west, d, e, north = grid.affine[:6]
    return GeoBox((rows, columns), Affine(a * factor, b * factor, west, d * factor, e * factor, north), grid.crs)
