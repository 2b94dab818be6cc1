"""The structure function of a velocity or series on stable ground: table, figure, and the map of sigma that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.grid import grid_from, ground_spacing
from creepmeter.io.mintpy.product import read_attributes, read_map, read_tables, write_product
from creepmeter.io.points import write_table
from creepmeter.io.provenance import digest_file, provenance
from creepmeter.io.vector import burn_mask
from creepmeter.validation.structure import (
    StructureFunction,
    StructureModel,
    choose_pairs,
    distance_map,
    fit_structure,
    mean_structure,
    sigma_of_pixels,
    structure_function,
)
from creepmeter.validation.structure_options import StructureOptions
from creepmeter.workflow.sbas.facts import arrays_of
from creepmeter.workflow.sbas.maps import read_mask
from creepmeter.workflow.sbas.rewrite import reference_pixel

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

VELOCITY, ALL = "velocity", "all"
_MM = 1000.0
_UNITS = {"m/year": ("mm_yr", _MM), "m/yr": ("mm_yr", _MM), "m": ("mm", _MM)}
_FEWEST = 3  # classes for a curve
_NO_GROWTH = 0.01  # of the nugget


@dataclass(frozen=True)
class StructureResult:
    """The structure function of a product.

    Parameters
    ----------
    parts : mapping of str to StructureFunction
        By date; of a velocity the one named ``all``, of a series that is their root mean square.
    model : StructureModel or None
        The curve through ``all``; None where fewer than three classes have pairs.
    unit : str
        ``mm_yr`` or ``mm``, as in the names of columns; else the unit of the map.
    factor : float
        What turns the map into that unit.
    stable : float
        Share of the pixels that were used.
    """

    parts: Mapping[str, StructureFunction]
    model: StructureModel | None
    unit: str
    factor: float
    stable: float

    @property
    def whole(self) -> StructureFunction:
        """The one that counts for all."""
        return self.parts[ALL]


def structure_of_file(
    path: Path,
    options: StructureOptions | None = None,
    *,
    name: str | None = None,
    mask_file: Path | None = None,
    exclude: Path | None = None,
) -> StructureResult:
    """Return how large the differences of pixels of stable ground are, by distance.

    Parameters
    ----------
    path : Path
        Velocity or series in MintPy's layout. Of a series every date is looked at, relative to the reference date.
    options : StructureOptions, optional
        Distances and number of pairs.
    name : str, optional
        Dataset; default the velocity or the series.
    mask_file : Path, optional
        Pixels that count (nonzero).
    exclude : Path, optional
        Ground that moves: polygons, or a raster (nonzero).

    Raises
    ------
    InputError
        There is no such dataset, or not enough stable ground.
    """
    options = options or StructureOptions()
    attributes = read_attributes(path)
    array = _array_of(path, name, attributes)
    shape = array.shape[1:]
    stable = np.ones(shape, bool) if mask_file is None else read_mask(mask_file, shape)
    if exclude is not None:
        stable = stable & ~_moving(path, attributes, shape, exclude)
    usable = stable & _measured(array, reference_pixel(attributes))
    pairs = choose_pairs(usable, ground_spacing(attributes, shape, path), options)
    parts = {label: structure_function(layer, pairs) for label, layer in _layers(path, array) if layer.any()}
    if not parts:
        message = f"{path}, dataset {array.name!r} is zero everywhere: nothing was measured"
        raise InputError(message)
    whole = mean_structure(list(parts.values()))
    model = fit_structure(whole, options.model) if len(whole.distance) >= _FEWEST else None
    unit, factor = _UNITS.get(attributes.get("UNIT", ""), (attributes.get("UNIT", "1"), 1.0))
    return StructureResult({**(parts if len(parts) > 1 else {}), ALL: whole}, model, unit, factor, float(usable.mean()))


def _array_of(path: Path, name: str | None, attributes: Mapping[str, str]) -> StoredArray:
    arrays = arrays_of(path)
    wanted = name or attributes.get("FILE_TYPE", "")
    if wanted not in arrays:
        message = f"{path} has no dataset {wanted!r}: choose one (-d) from {', '.join(arrays) or 'none'}"
        raise InputError(message)
    return arrays[wanted]


def _moving(path: Path, attributes: Mapping[str, str], shape: tuple[int, int], exclude: Path) -> Mask:
    grid = grid_from(attributes, shape, path)
    if grid is None:
        message = f"{path} is in radar coordinates, where {exclude} does not lie: geocode it, or give a mask (-m) of it"
        raise InputError(message)
    return burn_mask(exclude, grid, name="exclude")


def _layers(path: Path, array: StoredArray) -> Iterator[tuple[str, Floats]]:
    """Yield the maps of a dataset, one in memory at a time, with their dates."""
    dates = read_tables(path).get("date")
    for k in range(array.shape[0]):
        label = ALL if dates is None or len(dates) != array.shape[0] else written(dates[k])
        yield label, array.read(layers=np.array([k]))[0].astype(np.float64)


def _measured(array: StoredArray, reference: tuple[int, int] | None) -> Mask:
    """Return the pixels that have a value in every layer and are not zero in all."""
    finite, seen = np.ones(array.shape[1:], bool), np.zeros(array.shape[1:], bool)
    for k in range(array.shape[0]):
        values = array.read(layers=np.array([k]))[0]
        finite &= np.isfinite(values)
        seen |= values != 0
    if reference is not None and reference[0] < seen.shape[0] and reference[1] < seen.shape[1]:
        seen[reference] = True
    return finite & seen


def write_structure_table(path: Path, result: StructureResult) -> None:
    """Write a structure function as a table: a line for each class of distance, and date."""
    columns: dict[str, list[Any]] = {"date": [], "distance_km": []}
    names = [f"{what}_{result.unit}" for what in ("sigma", "rms", "error")]
    columns |= {name: [] for name in names} | {"pairs": [], f"curve_{result.unit}": []}
    for label, part in result.parts.items():
        count = len(part.distance)
        columns["date"] += [label] * count
        columns["distance_km"] += list(part.distance / _MM)
        for name, values in zip(names, (part.sigma, part.rms, part.error), strict=True):
            columns[name] += list(values * result.factor)
        columns["pairs"] += list(part.pairs)
        known = result.model is not None and label == ALL
        curve = result.model.sigma(part.distance) if known and result.model else np.full(count, np.nan)
        columns[f"curve_{result.unit}"] += list(curve * result.factor)
    if len(result.parts) == 1:
        del columns["date"]
    write_table(path, columns)


def draw_structure(path: Path, result: StructureResult, title: str, requirement: float | None = None) -> Path:
    """Draw sigma by distance; see `creepmeter.products.structure_plots`."""
    from creepmeter.products.canvas import save_figure
    from creepmeter.products.structure_plots import SigmaCurve, structure_figure

    def curve(label: str, part: StructureFunction) -> SigmaCurve:
        sigma, rms, error = (values * result.factor for values in (part.sigma, part.rms, part.error))
        return SigmaCurve(label, part.distance / _MM, sigma, rms, error)

    dates = [curve(label, part) for label, part in result.parts.items() if label != ALL]
    smooth = None
    if result.model is not None:
        km = np.geomspace(result.whole.distance[0], result.whole.distance[-1], 200) / _MM
        smooth = SigmaCurve(curve_text(result), km, result.model.sigma(km * _MM) * result.factor)
    unit = result.unit.replace("_", "/")
    figure = structure_figure(
        curve(ALL, result.whole), unit, title=title, dates=dates, curve=smooth, requirement=requirement
    )
    return save_figure(figure, path)


def curve_text(result: StructureResult) -> str:
    """Return the curve in words."""
    model = result.model
    if model is None:
        return "no curve: fewer than three classes of distance have pairs"
    unit = result.unit.replace("_", "/")
    parts = f"nugget {model.nugget * result.factor:.2f} {unit}, "
    if model.scale < _NO_GROWTH * model.nugget:
        return f"{model.nugget * result.factor:.2f} {unit} at any distance"
    if model.kind == "power":
        return f"{parts}{model.scale * result.factor:.2f} {unit} at 1 km, growing as r^{model.shape / 2:.2f}"
    return f"{parts}sill {model.scale * result.factor:.2f} {unit}, length {model.shape:.1f} km"


def write_sigma_map(
    velocity: Path,
    target: Path,
    result: StructureResult,
    *,
    stated: bool = False,
    options: StructureOptions | None = None,
) -> Path:
    """Write the standard error of a velocity relative to its reference pixel, by the distance to it.

    Parameters
    ----------
    velocity, target : Path
        Velocity in MintPy's layout; map to make, dataset ``velocityStd``.
    result : StructureResult
        Of that velocity, with a curve.
    stated : bool
        Give each pixel the noise that the velocity file states for it (``velocityStd``, of
        ``timeseries2velocity --uq covariance``), in place of that of a typical pixel; see
        `creepmeter.validation.structure.sigma_of_pixels`.
    options : StructureOptions, optional
        For the provenance.

    Raises
    ------
    InputError
        There is no curve, no reference pixel, or no stated standard error.
    """
    attributes = read_attributes(velocity)
    pixel, model = reference_pixel(attributes), result.model
    if pixel is None or model is None:
        lacking = "reference pixel (REF_Y, REF_X)" if pixel is None else "curve of sigma by distance"
        message = f"{velocity} has no {lacking}: a map of sigma is not possible"
        raise InputError(message)
    array = _array_of(velocity, None, attributes)
    shape = array.shape[1:]
    distance = distance_map(shape, ground_spacing(attributes, shape, velocity), pixel)
    if stated:
        sigma = sigma_of_pixels(model, distance, read_map(velocity, f"{array.name}Std").astype(np.float64))
    else:
        sigma = model.sigma(distance)
    values = np.where(_measured(array, pixel), sigma, np.nan).astype(np.float32)
    facts = {**attributes, "FILE_PATH": velocity.name, "NO_DATA_VALUE": "nan"}
    kept = {name: text for name, text in facts.items() if not name.startswith(("CREEPMETER_", "MODIFICATION_"))}
    given = {} if options is None else options.model_dump(mode="json")
    said = provenance({**given, "stated": stated}, {velocity.name: digest_file(velocity)})
    return write_product(target, {f"{array.name}Std": values}, kept, provenance=said)
