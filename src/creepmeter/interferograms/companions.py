"""Files that belong to one pair: coherence, components, wrapped phase, magnitude; found by the dates in their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.interferograms.catalogue import Report, grid_of_layer, matching, one_file
from creepmeter.interferograms.layers import Resampled, Scaled, lattice_offset
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, by_pair, dates_of
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.io.rasterfile import is_raster
from creepmeter.model.grid import Grid, describe_grid
from creepmeter.model.pair import Pair

T = TypeVar("T")
_SHOWN = 2
OPTION_OF = {
    "coherence": "cor_file",
    "connectComponent": "conn_comp_file",
    "wrapPhase": "int_file",
    "magnitude": "mag_file",
}


@dataclass(frozen=True)
class Companions:
    """Files of each layer by pair.

    Parameters
    ----------
    files : mapping of str to mapping of Pair to (Path, DatePair)
        Layer -> pair -> file, and its dates as written.
    """

    files: Mapping[str, Mapping[Pair, tuple[Path, DatePair]]]

    @classmethod
    def of(cls, options: LoadOptions, base: Path, report: Report) -> Companions:
        """Look for the files of the options; patterns without a file are noted."""
        found = {}
        for layer, option in OPTION_OF.items():
            pattern = getattr(options, option)
            files = matching(pattern, base)
            if pattern and not files:
                report.note(f"{option}: no file matches {pattern}, {layer} is not loaded")
            elif files:
                found[layer] = by_pair(files, options.dates_pattern)
                if not found[layer]:
                    report.note(f"{option}: none of {len(files)} names holds two dates, {layer} is not loaded")
        return cls(found)

    def of_pair(self, pair: Pair) -> Iterator[tuple[str, Path, DatePair]]:
        """Yield layer, file and dates as written, for what there is of a pair."""
        for layer, files in self.files.items():
            if pair in files:
                yield (layer, *files[pair])


@dataclass
class LostLayers:
    """Layers that could not be read, so that many of one kind make one note.

    Parameters
    ----------
    why : dict of str to list of str
        Layer -> what was wrong, file by file.
    """

    why: dict[str, list[str]] = field(default_factory=dict)

    def attempt(self, name: str, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; when the file cannot be read, keep why."""
        try:
            return read()
        except CreepmeterError as problem:
            self.why.setdefault(name, []).append(str(problem))
            return None

    def tell(self, report: Report) -> None:
        """Note every layer that was lost, with the first files in words."""
        for name, texts in self.why.items():
            more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
            report.note(f"{name} of {len(texts)} product(s) cannot be read: {'; '.join(texts[:_SHOWN])}{more}")


def require_dates(path: Path, options: LoadOptions) -> DatePair:
    """Return the dates in the name of a file or its folders.

    Raises
    ------
    InputError
        There are not two.
    """
    found = dates_of(path, options.dates_pattern)
    if found is None:
        message = (
            f"{path} holds no two dates in its name or its folder's (YYYYMMDD, YYMMDD-YYMMDD): rename it or give "
            "dates_pattern"
        )
        raise InputError(message)
    return found


def turned_note(count: int, report: Report) -> None:
    """Note that products run backward in time."""
    if count:
        report.note(
            f"{count} product(s) run from the later to the earlier date: signs of phase and baseline are turned"
        )


def is_geotiff(path: Path) -> bool:
    """Tell whether a file is a raster with header of its own, whatever its name."""
    return path.is_file() and is_raster(path)


def place_of(raster: RasterLayer) -> Grid | None:
    """Return the grid of a raster; None without reference system: such a raster is in radar coordinates."""
    grid = raster.grid
    return None if grid is None or grid.crs is None else grid


@dataclass(frozen=True)
class Placed:
    """A layer of a file without georeference, and the grid that a header gives it.

    Parameters
    ----------
    layer : Layer
        Source.
    grid : Grid or None
        None in radar coordinates.
    """

    layer: Layer
    grid: Grid | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.layer.shape

    @property
    def name(self) -> str:
        """File and band."""
        return self.layer.name

    def read(self, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return the values of a window, (rows, columns)."""
        return self.layer.read(rows, columns)


_GEOMETRY = {
    "height": "dem_file",
    "incidenceAngle": "inc_angle_file",
    "azimuthAngle": "az_angle_file",
    "latitude": "lookup_y_file",
    "longitude": "lookup_x_file",
    "shadowMask": "shadow_mask_file",
    "waterMask": "water_mask_file",
}


def geometry_files(
    options: LoadOptions, base: Path, report: Report, *, tables: bool = True
) -> Iterator[tuple[str, Path]]:
    """Yield name and file of each layer of the geometry that the options give.

    Parameters
    ----------
    options : LoadOptions
        Patterns.
    base : Path
        Folder that they start from.
    report : Report
        Is told of patterns without a file.
    tables : bool
        With latitude and longitude; else those options name a lookup table, which is no layer.
    """
    for name, option in _GEOMETRY.items():
        if tables or option not in ("lookup_y_file", "lookup_x_file"):
            path = one_file(getattr(options, option), base, report, option)
            if path is not None:
                yield name, path


def known_layer(layer: Layer, name: str) -> Layer:
    """Return a layer of the geometry whose declared no-data is NaN, and 0 in masks."""
    nodata = getattr(layer, "nodata", None)
    if nodata is None:
        return layer
    return Scaled(layer, nodata=nodata, fill=0.0 if name.endswith("Mask") else np.nan)


def on_grid(layer: Layer, target: Grid | None, report: Report, label: str) -> Layer:
    """Return a layer on the grid of the interferograms: resampled, with a note, when it lies on another lattice.

    Parameters
    ----------
    layer : Layer
        May carry a grid.
    target : Grid or None
        Grid of the interferograms; None in radar coordinates, where layers stay as they are.
    report : Report
        Takes the note.
    label : str
        Name of the layer; masks and lookup tables are taken from the nearest pixel, others bilinear.
    """
    own = grid_of_layer(layer)
    if own is None or target is None or lattice_offset(own, target) is not None:
        return layer
    method: Literal["nearest", "bilinear"] = "nearest" if label.endswith("Mask") else "bilinear"
    report.note(f"{label}: {layer.name} lies on another grid ({describe_grid(own)}), it is resampled ({method})")
    return Placed(Resampled(layer, own, target, method), target)
