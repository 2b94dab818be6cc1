"""GNSS stations on radar products: found, fitted, projected onto the line of sight, compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress
from creepmeter.errors import ConfigError, InputError
from creepmeter.imagery.access import AccessPolicy
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, read_tables
from creepmeter.model.epoch import Epoch, as_epoch
from creepmeter.model.grid import map_position, pixel_grid
from creepmeter.model.station import GEOGRAPHIC, Comparison, Place, Station, StationRates
from creepmeter.validation.compare import place_on
from creepmeter.validation.gnss_options import GnssOptions
from creepmeter.validation.holdings import within
from creepmeter.validation.los import Sight, compare_los, direction_of
from creepmeter.validation.options import RateOptions
from creepmeter.validation.rates import fit_rates
from creepmeter.validation.read import read_stations
from creepmeter.workflow.sbas.corrected import require_metres_per_year
from creepmeter.workflow.sbas.ground import Ground
from creepmeter.workflow.sbas.places import pixel_at
from creepmeter.workflow.sbas.rewrite import reference_pixel
from creepmeter.workflow.station_server import LIST, StationServer, host_of

Floats = npt.NDArray[np.float64]

_GEOMETRIES = ("geometryGeo.h5", "geometryRadar.h5", "geo_geometryRadar.h5")
_FILES = (".tenv3", ".tenv", ".pos", ".csv", ".csv.xz", ".csv.gz", ".tenv3.gz", ".tenv3.xz")


@dataclass(frozen=True)
class RadarMap:
    """A radar product that stations are put on.

    Parameters
    ----------
    path : Path
        File in MintPy's layout.
    ground : Ground or None
        Its pixels with their angles; None where no geometry is there.
    attributes : dict
        Of the file.
    shape : (int, int)
        Rows and columns.
    options : GnssOptions
        What is compared.
    """

    path: Path
    ground: Ground | None
    attributes: dict[str, str]
    shape: tuple[int, int]
    options: GnssOptions

    @classmethod
    def open(cls, path: Path, geometry: Path | None, options: GnssOptions) -> RadarMap:
        """Open a product; the geometry is looked for beside it where none is named.

        Raises
        ------
        InputError
            The product has no maps, or the geometry another size.
        """
        attributes = read_attributes(path)
        shapes = [shape[-2:] for shape, _ in list_datasets(path).values() if len(shape) > 1]
        if not shapes:
            message = f"{path} holds no maps: give velocity.h5 or a series"
            raise InputError(message)
        shape = (shapes[0][0], shapes[0][1])
        found = geometry or _geometry_beside(path, attributes, shape)
        ground = None if found is None else Ground.open(found)
        if ground is not None:
            ground.require_shape(shape, path)
        return cls(path, ground, attributes, shape, options)

    def sight(self, place: Place) -> Sight:
        """Return how a place is seen.

        Raises
        ------
        InputError
            It lies off the map, or the line of sight is needed and not known.
        """
        grid = grid_from(self.attributes, self.shape, self.path)
        if grid is not None:
            column, row = place_on(place, grid)
        else:
            grid = pixel_grid(self.shape)
            column, row = self._in_radar(place)
        x, y = map_position(grid, column, row)
        return Sight(float(x), float(y), column, row, self._direction(column, row))

    def _in_radar(self, place: Place) -> tuple[float, float]:
        if not place.is_placed or place.crs != GEOGRAPHIC:
            message = "its file does not say where it is, in degrees"
            raise InputError(message)
        where = None if self.ground is None else self.ground.path
        y, x = pixel_at(self.attributes, self.shape, self.path, where, (place.y, place.x))
        return x + 0.5, y + 0.5

    def _direction(self, column: float, row: float) -> Floats:
        look = None
        if self.ground is not None and self.options.component.endswith("los"):
            y, x = (min(int(at), size - 1) for at, size in zip((row, column), self.shape, strict=True))
            look = self.ground.look(Block(0, slice(y, y + 1), slice(x, x + 1)))[:, 0, 0]
        return direction_of(self.options.component, look, self.options.horz_az)

    @property
    def area(self) -> tuple[float, float, float, float]:
        """South, north, west, east of the map, degrees."""
        ground = self.ground or Ground(self.path, self.shape, self.attributes, {})
        nodes = ground.nodes()
        return (
            float(nodes.latitude.min()),
            float(nodes.latitude.max()),
            float(nodes.longitude.min()),
            float(nodes.longitude.max()),
        )

    @property
    def period(self) -> tuple[Epoch | None, Epoch | None]:
        """First and last date: as the options say, else those of the product."""
        tables = read_tables(self.path)
        own: list[Epoch | None] = [None, None]
        if "date" in tables:
            own = [tables["date"].min(), tables["date"].max()]
        elif "START_DATE" in self.attributes and "END_DATE" in self.attributes:
            own = [as_epoch(self.attributes[name]) for name in ("START_DATE", "END_DATE")]
        given = [None if text is None else as_epoch(text) for text in (self.options.start_date, self.options.end_date)]
        first, last = (mine if asked is None else asked for asked, mine in zip(given, own, strict=True))
        return first, last


def _geometry_beside(path: Path, attributes: dict[str, str], shape: tuple[int, int]) -> Path | None:
    folder = path.resolve().parent
    for name in _GEOMETRIES:
        for place in (folder / "inputs", folder, folder.parent / "inputs"):
            found = place / name
            if not found.is_file() or ("Y_FIRST" in read_attributes(found)) != ("Y_FIRST" in attributes):
                continue
            if Ground.open(found).shape == shape:
                return found
    return None


# ------------------------------------------------------------------------------------------------------------ stations


@dataclass
class FoundStations:
    """Stations, what they do, and those that are left out.

    Parameters
    ----------
    series : dict of str to Station
        Positions over time, in the period.
    rates : list of StationRates
        How fast they move.
    left_out : list of str
        Files and stations that cannot be used, and why.
    """

    series: dict[str, Station] = field(default_factory=dict)
    rates: list[StationRates] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def find_stations(
    radar: RadarMap,
    rate_options: RateOptions | None = None,
    *,
    correlated: bool = True,
    progress: Progress | None = None,
) -> FoundStations:
    """Return the stations of a folder, or those of a server that lie on a map, with their rates in its period.

    Parameters
    ----------
    radar : RadarMap
        Where and when, and which.
    rate_options : RateOptions, optional
        How rates are fitted.
    correlated : bool
        Standard errors know how the noise is correlated over time, see `validation.rates.fit_rates`.
    progress : Progress, optional
        Counts stations.

    Raises
    ------
    InputError
        There are no stations, or none that can be used.
    ServiceError
        The list of the stations cannot be fetched.
    """
    options = radar.options
    start, end = radar.period
    paths, left_out = _local(options) if options.is_local else _fetched(radar)
    if not paths:
        listed = f": {'; '.join(left_out)}" if left_out else ""
        message = f"no station on {radar.path} in its period{listed}"
        raise InputError(message)
    read = read_stations(paths)
    found = FoundStations(left_out=[*left_out, *read.left_out])
    held = _listed(options.kept_in, found.left_out)
    series = [_placed(station, held).between(start, end) for station in read.series]
    shown = progress if progress is not None else NullProgress()
    shown.start("stations", len(series))

    def fit(station: Station) -> StationRates:
        shown.advance(1)
        return fit_rates(station, rate_options, correlated=correlated).rates

    try:
        _fit(series, found, options, fit)
    finally:
        shown.finish()
    found.rates += [rates for rates in read.rates if rates.name not in options.exclude]
    if not found.rates:
        message = f"no station can be used: {'; '.join(found.left_out)}"
        raise InputError(message)
    return found


def _fit(
    series: Sequence[Station],
    found: FoundStations,
    options: GnssOptions,
    fit: Callable[[Station], StationRates],
) -> None:
    for station in series:
        if station.name in options.exclude:
            continue
        count = len(station.times)
        if count < options.min_dates:
            found.left_out.append(f"{station.name}: {count} date(s) in the period, {options.min_dates} are needed")
            continue
        found.series[station.name] = station
        try:
            found.rates.append(fit(station))
        except InputError as problem:
            found.left_out.append(f"{station.name}: {problem}")


def _local(options: GnssOptions) -> tuple[list[Path], list[str]]:
    folder = options.kept_in
    if not folder.is_dir():
        message = f"{folder} is no folder: give the one with the files of the stations (--gnss-dir)"
        raise ConfigError(message)
    paths = sorted(path for path in folder.iterdir() if path.name.lower().endswith(_FILES))
    return paths, ([] if paths else [f"{folder} has no file that ends in {', '.join(_FILES)}"])


def _fetched(radar: RadarMap) -> tuple[list[Path], list[str]]:
    options = radar.options
    host = host_of(options.server)
    policy = AccessPolicy(frozenset({host}) if options.server != GnssOptions().server else frozenset())
    server = StationServer(options.server, options.kept_in, policy, redo=options.redo)
    start, end = radar.period
    first, last = start or np.datetime64("1980-01-01", "ns"), end or np.datetime64("2100-01-01", "ns")
    names = [each.name for each in within(server.holdings(), radar.area, first, last)]
    return server.fetch([name for name in names if name not in options.exclude])


def _listed(folder: Path, left_out: list[str]) -> dict[str, Place]:
    """Return the places of a list of stations in a folder: ``.tenv`` files do not say where they are.

    A list that cannot be read is left out: most files say it themselves.
    """
    path = folder / LIST
    if not path.is_file():
        return {}
    from creepmeter.validation.holdings import read_holdings

    try:
        held = read_holdings(path.read_text(encoding="utf-8", errors="replace"), str(path))
    except InputError as problem:
        left_out.append(str(problem))
        return {}
    return {each.name: Place(each.name, each.longitude, each.latitude, GEOGRAPHIC) for each in held}


def _placed(station: Station, held: dict[str, Place]) -> Station:
    place = held.get(station.name)
    return station if station.is_placed or place is None else replace(station, x=place.x, y=place.y)


# ---------------------------------------------------------------------------------------------------------- comparison


def compare_with_map(
    radar: RadarMap, rates: Sequence[StationRates], without: Sequence[str] = ()
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Compare the velocity of a radar product with the rates of stations; see `validation.los.compare_los`.

    Raises
    ------
    InputError
        The product has no velocity.
    """
    held = list_datasets(radar.path)
    if "velocity" not in held:
        message = f"{radar.path} has no dataset velocity (it has {', '.join(held)}): give velocity.h5"
        raise InputError(message)
    require_metres_per_year(radar.attributes, radar.path)
    value = read_map(radar.path, "velocity").astype(np.float64)
    sigma = read_map(radar.path, "velocityStd").astype(np.float64) if "velocityStd" in held else value * np.nan
    value = np.where(_measured(value, radar.attributes), value, np.nan)
    return compare_los(value, sigma, rates, radar.sight, reference=radar.options.reference, without=without)


def _measured(value: Floats, attributes: dict[str, str]) -> npt.NDArray[np.bool_]:
    """Return where a velocity was measured: 0 elsewhere than at the reference pixel was not."""
    found = value != 0
    pixel = reference_pixel(attributes)
    if pixel is not None:
        found[pixel] = True
    return np.asarray(found)
