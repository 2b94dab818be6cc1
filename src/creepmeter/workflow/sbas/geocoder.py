"""Products in radar coordinates brought to latitude and longitude, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.errors import InputError
from creepmeter.geometry.ground_grid import ground_grid, known_places
from creepmeter.geometry.lookup import Sources, sources_by_table, sources_on_grid
from creepmeter.geometry.options import GeocodeOptions
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import write_product
from creepmeter.io.provenance import digest_arrays
from creepmeter.model.grid import part_of_grid
from creepmeter.model.table import area_position, cell_position
from creepmeter.workflow.sbas.facts import Facts, facts_of
from creepmeter.workflow.sbas.layers import ZERO_MISSING, Change, write_resampled
from creepmeter.workflow.sbas.places import LookupTable, backward, places_of_pixels, radar_places

Array = npt.NDArray[Any]
Values = npt.NDArray[np.floating]
Shape = tuple[int, int]
_MAP_ATTRIBUTES = ("Y_FIRST", "X_FIRST", "Y_STEP", "X_STEP", "Y_UNIT", "X_UNIT")
_REFERENCE = ("REF_Y", "REF_X", "REF_LAT", "REF_LON")
_SUBSET = ("SUBSET_YMIN", "SUBSET_YMAX", "SUBSET_XMIN", "SUBSET_XMAX")


@dataclass
class Geocoder:
    """Brings files of a radar image to a map and back; where values come from is worked out once for all files.

    Parameters
    ----------
    options : GeocodeOptions
        Area, steps, interpolation.
    lookup : Path or None
        Geometry with latitude and longitude, or a table of rows and columns on a map; by default the one in ``inputs``
        beside a file, or beside it.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.
    """

    options: GeocodeOptions
    lookup: Path | None = None
    memory_gb: float = 4.0
    progress: Progress | None = None
    _known: dict[object, _ToMap | Sources] = field(default_factory=dict, repr=False)

    def to_map(self, source: Path, target: Path) -> Path:
        """Write a file in radar coordinates on a map grid.

        Raises
        ------
        InputError
            It is on a map already, or there is no lookup table.
        """
        facts = facts_of(source)
        if "Y_FIRST" in facts.attributes:
            message = f"{source} is geocoded already (it has Y_FIRST): --geo2radar brings it to radar coordinates"
            raise InputError(message)
        key = ("map", facts.shape, *(facts.attributes.get(name) for name in _SUBSET))
        if key not in self._known:
            places = radar_places(facts.attributes, facts.shape, source, self.lookup)
            self._known[key] = _to_map(places, facts, self.options, self.memory_gb)
        found = self._known[key]
        if not isinstance(found, _ToMap):  # keys tell the two apart
            raise TypeError
        return self._write(facts, target, found.sources, found.attributes_of(facts))

    def to_radar(self, source: Path, target: Path) -> Path:
        """Write a file on a map grid in the radar coordinates of the lookup table.

        Raises
        ------
        InputError
            It is in radar coordinates already, or there is no lookup table.
        """
        facts = facts_of(source)
        if "Y_FIRST" not in facts.attributes:
            message = f"{source} is in radar coordinates already (it has no Y_FIRST)"
            raise InputError(message)
        if self.lookup is None:
            message = "--geo2radar needs the lookup table: name geometryRadar.h5 or geometryGeo.h5 (-l)"
            raise InputError(message)
        key = ("radar", facts.shape, *(facts.attributes.get(name) for name in _MAP_ATTRIBUTES))
        if key not in self._known:
            self._known[key] = _to_radar(self.lookup, facts, source, self.options)
        found = self._known[key]
        if not isinstance(found, Sources):
            raise TypeError
        left_out: dict[str, str | None] = dict.fromkeys((*_MAP_ATTRIBUTES, *_REFERENCE, *_SUBSET, "EPSG", "UTM_ZONE"))
        return self._write(facts, target, found, left_out)

    def _write(self, facts: Facts, target: Path, sources: Sources, attributes: Mapping[str, str | None]) -> Path:
        zero_missing = facts.attributes.get("FILE_TYPE") in ZERO_MISSING

        def take(_name: str, values: Array) -> Array:
            return sources.take(values, self.options.fill_value, zero_missing=zero_missing)

        path = next(iter(facts.arrays.values())).path
        changed = {"FILE_PATH": path.name, "NO_DATA_VALUE": facts.attributes.get("NO_DATA_VALUE", "none"), **attributes}
        key = [self.options.model_dump_json(), digest_arrays(sources.place)]
        change = Change(sources.shape, take, changed, key=key)
        return write_resampled(facts, target, change, memory_gb=self.memory_gb, progress=self.progress)


@dataclass(frozen=True)
class _ToMap:
    """Where the cells of a map take their values from, and where radar pixels lie on it.

    Parameters
    ----------
    sources : Sources
        Pixels.
    attributes : dict of str to str
        Of the map grid.
    places : (array, array) or (LookupTable, array)
        Latitude and longitude of the pixels; or the table.
    """

    sources: Sources
    attributes: dict[str, str]
    places: tuple[Values, Values] | LookupTable

    def attributes_of(self, facts: Facts) -> dict[str, str | None]:
        """Return what differs in the attributes of a file: grid, reference pixel."""
        found: dict[str, str | None] = {**dict.fromkeys(_SUBSET), **self.attributes}
        if not {"REF_Y", "REF_X"} <= set(facts.attributes):
            return found
        pixel = int(facts.attributes["REF_Y"]), int(facts.attributes["REF_X"])
        north, west, tall, wide = (float(self.attributes[name]) for name in _MAP_ATTRIBUTES[:4])
        cells = np.flatnonzero(self.sources.nearest == pixel[0] * self.sources.columns + pixel[1])
        down, across = np.divmod(cells, self.sources.shape[1])
        latitude, longitude = self._place(pixel, (north + (down + 0.5) * tall, west + (across + 0.5) * wide))
        if len(cells) == 0 or not (np.isfinite(latitude) and np.isfinite(longitude)):
            return {**found, **dict.fromkeys(_REFERENCE)}
        # of the cells that hold its value, the one nearest to it: there a geocoded series is zero
        row, column = (float(latitude) - north) / tall - 0.5, (float(longitude) - west) / wide - 0.5
        chosen = int(np.argmin(np.hypot(down - row, across - column)))
        held = {"REF_Y": str(down[chosen]), "REF_X": str(across[chosen])}
        return {**found, **held, "REF_LAT": str(latitude), "REF_LON": str(longitude)}

    def _place(self, pixel: tuple[int, int], cells: tuple[Values, Values]) -> tuple[np.floating, np.floating]:
        """Return where a radar pixel lies: as the lookup table says it, else amid the cells that hold its value."""
        if isinstance(self.places, LookupTable):
            return (cells[0].mean(), cells[1].mean()) if cells[0].size else (np.float64(np.nan), np.float64(np.nan))
        latitude, longitude = (values[pixel] for values in self.places)
        return latitude, longitude


def _to_map(
    places: tuple[Values, Values] | LookupTable, facts: Facts, options: GeocodeOptions, memory_gb: float
) -> _ToMap:
    linear = options.interp_method == "linear"
    if isinstance(places, LookupTable):
        return _by_table(places, facts.shape, options)
    latitude, longitude = places
    known, longitude = known_places(latitude, longitude)
    attributes = {**facts.attributes, "WIDTH": str(facts.shape[1])}
    grid = ground_grid(latitude, longitude, known, attributes, options)
    sources = sources_on_grid(latitude, longitude, known, grid, linear=linear, memory_gb=memory_gb)
    return _ToMap(sources, grid.attributes(), places)


def _by_table(table: LookupTable, shape: Shape, options: GeocodeOptions) -> _ToMap:
    if options.lalo_step is not None:
        message = (
            f"{table.path} is a table on a map grid of its own, which the products are brought to: leave the steps out "
            "(--lalo, mintpy.geocode.laloStep)"
        )
        raise InputError(message)
    rows, columns = slice(0, table.grid.shape[0]), slice(0, table.grid.shape[1])
    if options.snwe is not None:
        ends = [round(end) for end in area_position(table.grid, options.snwe)]
        rows, columns = (
            slice(max(first, 0), min(last, size))
            for first, last, size in zip(ends[::2], ends[1::2], table.grid.shape, strict=True)
        )
    if rows.start >= rows.stop or columns.start >= columns.stop:
        message = f"the area {options.snwe} does not touch {table.path}: correct it (--bbox, mintpy.geocode.SNWE)"
        raise InputError(message)
    part = part_of_grid(table.grid, rows, columns)
    sources = sources_by_table(*table.pixels(rows, columns), shape, linear=options.interp_method == "linear")
    return _ToMap(sources, table.attributes(part), table)


def _to_radar(lookup: Path, facts: Facts, source: Path, options: GeocodeOptions) -> Sources:
    """Return which cells of a map radar pixels take their values from."""
    grid = grid_from(facts.attributes, facts.shape, source)
    if grid is None:
        raise TypeError
    latitude, longitude = places_of_pixels(lookup)
    known, longitude = known_places(latitude, longitude)
    somewhere = np.argmax(known)  # pixels without a place have it for now: positions are taken together
    places = [np.where(known, values, values.flat[somewhere]) for values in (latitude, longitude)]
    row, column = (np.where(known, position - 0.5, np.nan) for position in cell_position(grid, *places))
    return sources_by_table(row, column, facts.shape, linear=options.interp_method == "linear")


def add_places(table: Path, radar: Path | None = None) -> tuple[Path, float]:
    """Add latitude and longitude of every pixel to the geometry of a radar image, by a table on a map.

    Parameters
    ----------
    table : Path
        Geometry on a map with azimuthCoord and rangeCoord.
    radar : Path, optional
        Geometry in radar coordinates; by default the one beside the table.

    Returns
    -------
    Path
        The geometry in radar coordinates.
    float
        Share of its pixels with a place.

    Raises
    ------
    InputError
        There is no geometry in radar coordinates, or no table.
    """
    target = radar or table.with_name("geometryRadar.h5")
    if not target.is_file():
        message = f"{target} is not there: name the geometry in radar coordinates (-w)"
        raise InputError(message)
    facts = facts_of(target)
    on_map = "Y_FIRST" in facts.attributes
    placed = {"latitude", "longitude"} <= set(facts.arrays)
    found = None if on_map or placed else radar_places(facts.attributes, facts.shape, target, table)
    if not isinstance(found, LookupTable):
        what = "is on a map" if on_map else "has latitude and longitude already"
        message = f"{target} {what}: name a geometry in radar coordinates without them (-w)"
        raise InputError(message)
    latitude, longitude = (part.astype(np.float32) for part in backward(found, facts.shape))
    maps = {name: array.read().reshape(facts.shapes[name]) for name, array in facts.arrays.items()}
    write_product(target, {**maps, "latitude": latitude, "longitude": longitude}, facts.attributes, tables=facts.tables)
    return target, float(np.isfinite(latitude).mean())
