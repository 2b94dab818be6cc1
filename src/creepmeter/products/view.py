"""One picture of any product: what `creepmeter view` draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from creepmeter.errors import ConfigError, SchemaError
from creepmeter.io import store
from creepmeter.model.conventions import MAP_DIMS
from creepmeter.model.epoch import Epochs
from creepmeter.model.grid import grid_of
from creepmeter.model.horizontal import rate_term
from creepmeter.model.schema import IMAGE_CUBE, MOTION_MODEL, PAIR_STACK, TIME_SERIES, kind_of
from creepmeter.products.canvas import COLUMN_IN, PAGE_IN, colour_limits
from creepmeter.products.frame import Backdrop, square_around
from creepmeter.products.maps import map_figure, panel_figure, velocity_figure
from creepmeter.products.options import MapStyle, ViewOptions
from creepmeter.products.scale import factor_between, wrapped
from creepmeter.products.window import masked, relative, window

Floats = npt.NDArray[np.float64]

_MAIN = {IMAGE_CUBE: "image", PAIR_STACK: "displacement", TIME_SERIES: "displacement", MOTION_MODEL: "value"}
_ALIASES = {"timeseries": "displacement"}  # what MintPy calls it
_MINTPY_MAIN = {"ifgramStack": "unwrapPhase", "geometry": "height", "velocity": "velocity"}
_VECTORS = ("displacement", "value")
_HORIZONTAL = ("east", "north")
_MOVING_TAIL = 0.5  # percent: ground that moves is a small part of a map, and is what the colours are for
_LISTED = 8  # names that an error message lists


@dataclass(frozen=True)
class Layer:
    """One map of a product: its title, and the values (y, x)."""

    title: str
    values: Floats


def view(
    source: str | Path | xr.Dataset,
    variable: str | None = None,
    *,
    options: ViewOptions | None = None,
    backdrop: Backdrop | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
) -> Figure:
    """Draw a product: the velocity of a motion model, the dates of a series, the pairs of a stack, the bands of a map.

    Parameters
    ----------
    source : path or Dataset
        Anything that `creepmeter.open` opens, or what it gave.
    variable : str, optional
        Such as ``sigma``; default: the main variable of the product.
    options : ViewOptions, optional
        Component, dates, colours.
    backdrop : Backdrop, optional
        Image or relief behind, outlines over the maps.
    mask : array of bool, (y, x), optional
        Only pixels where it is true are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `canvas.save_figure`.

    Raises
    ------
    SchemaError
        There is no such variable, or it is no map.
    ConfigError
        An option asks for a component, term, date, unit or window that the product has not.
    """
    options = options or ViewOptions()
    dataset = source if isinstance(source, xr.Dataset) else store.open(source)
    name = variable or main_variable(dataset)
    if options.mark_reference:
        backdrop = _with_reference(dataset, backdrop, options)
    dataset = window(relative(masked(dataset, name, mask), name, options), options)
    if _is_velocity(dataset, variable, options):
        style = _style(options, COLUMN_IN, title=options.title)
        return velocity_figure(dataset, style=style, backdrop=backdrop, arrows=options.arrows)
    one = variable is not None or kind_of(dataset) is not None or "FILE_TYPE" in dataset.attrs
    layers = map_layers(dataset, name, options) if one else _every_map(dataset, options)
    layers = [Layer(layer.title, _shown(layer.values, dataset, name, options)) for layer in layers]
    values = np.stack([layer.values for layer in layers])
    style = _layer_style(dataset, name, options, values)
    if len(layers) == 1:
        titled = style.model_copy(
            update={"title": options.title or layers[0].title, "width_in": options.width_in or COLUMN_IN}
        )
        return map_figure(layers[0].values, grid_of(dataset), style=titled, backdrop=backdrop)
    titles = [layer.title for layer in layers]
    return panel_figure([layer.values for layer in layers], titles, grid_of(dataset), style=style, backdrop=backdrop)


def _with_reference(dataset: xr.Dataset, backdrop: Backdrop | None, options: ViewOptions) -> Backdrop | None:
    """Return a backdrop with a square around the reference pixel, where the product has one."""
    texts = [str(dataset.attrs.get(name, "")) for name in ("REF_Y", "REF_X")]
    pixel = options.ref_yx or (tuple(map(int, texts)) if all(text.isdecimal() for text in texts) else None)
    if pixel is None or not (pixel[0] < dataset.sizes["y"] and pixel[1] < dataset.sizes["x"]):
        return backdrop
    behind = backdrop or Backdrop()
    square = square_around((pixel[0], pixel[1]), grid_of(dataset))
    return replace(behind, outlines=[*behind.outlines, square])


def _shown(values: Floats, dataset: xr.Dataset, name: str, options: ViewOptions) -> Floats:
    """Return values in the unit and the interval they are drawn in."""
    if options.unit is not None:
        values = values * factor_between(
            stored_unit(dataset, name, options), options.unit, cycle_m=float(dataset.attrs.get("cycle_m", 0.0))
        )
    return wrapped(values, options.wrap_range) if options.wrap else values


def _is_velocity(dataset: xr.Dataset, variable: str | None, options: ViewOptions) -> bool:
    if options.unit is not None or options.wrap:
        return False
    if kind_of(dataset) != MOTION_MODEL or variable is not None or options.component or options.index:
        return False
    return options.term is None or options.term == rate_term(dataset)


def main_variable(dataset: xr.Dataset) -> str:
    """Return the name of the variable that is drawn when none is named.

    Raises
    ------
    SchemaError
        There is no map.
    """
    kind = kind_of(dataset)
    if kind is not None:
        return _MAIN[kind]
    maps = _map_variables(dataset)
    preferred = _MINTPY_MAIN.get(str(dataset.attrs.get("FILE_TYPE")))
    if preferred in maps:
        return str(preferred)
    if not maps:
        found = ", ".join(map(str, dataset.data_vars)) or "none"
        message = f"there is no map to draw: no variable has the dimensions y and x (variables: {found})"
        raise SchemaError(message)
    return maps[0]


def split_names(dataset: xr.Dataset, names: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """Tell variables from dates among names such as ``coherence``, ``20200131``, ``coherence-20200101_20200131``.

    Returns
    -------
    variable : str or None
        None = the main one.
    index : tuple of str
        Dates, pairs or numbers along its first dimension.

    Raises
    ------
    ConfigError
        The names speak of several variables.
    """
    variables: list[str] = []
    index: list[str] = []
    for name in names:
        head, _, tail = name.partition("-")
        head = head if head in dataset.data_vars else _ALIASES.get(head, head)
        if name in dataset.data_vars or (not tail and not name[:1].isdigit()):
            variables.append(name if name in dataset.data_vars else head)
        elif tail and head in dataset.data_vars:
            variables.append(head)
            index.append(tail)
        else:
            index.append(name)
    if len(set(variables)) > 1:
        message = f"one variable at a time can be drawn, got {', '.join(dict.fromkeys(variables))}"
        raise ConfigError(message)
    return (variables[0] if variables else None), tuple(index)


def _map_variables(dataset: xr.Dataset) -> list[str]:
    return [str(name) for name, variable in dataset.data_vars.items() if variable.dims[-2:] == MAP_DIMS]


def map_layers(dataset: xr.Dataset, name: str, options: ViewOptions) -> list[Layer]:
    """Return the maps of a variable that the options choose; only these are read.

    Raises
    ------
    SchemaError
        There is no such variable, or it is no map.
    ConfigError
        An option asks for a component, term or date that the product has not.
    """
    maps = _map_variables(dataset)
    if name not in maps:
        message = f"there is no map {name!r} in this product: choose one of {', '.join(maps) or 'none'}"
        raise SchemaError(message)
    array = dataset[name]
    if "term" in array.dims and not options.index:
        array = _one(array, "term", options.term or rate_term(dataset))
    component = _component(array, name, options)
    rest = [str(dim) for dim in array.dims if dim not in (*MAP_DIMS, "component")]
    if not rest:
        return _component_layers(array, component, "")
    if len(rest) > 1:
        dims = ", ".join(map(str, array.dims))
        message = f"{name} has the dimensions {dims}: only one besides component, y and x can be drawn"
        raise SchemaError(message)
    chosen = _chosen(dimension_labels(dataset, rest[0]), options)
    one = component or (str(array["component"].values[0]) if "component" in array.dims else None)
    return [layer for index, label in chosen for layer in _component_layers(array.isel({rest[0]: index}), one, label)]


def _every_map(dataset: xr.Dataset, options: ViewOptions) -> list[Layer]:
    """Return the maps (y, x) of a dataset that is none of our types, such as the bands of a GeoTIFF."""
    names = [name for name in _map_variables(dataset) if dataset[name].dims == MAP_DIMS]
    return [Layer(label, _values(dataset[label])) for _, label in _chosen(names, options)]


def _one(array: xr.DataArray, dim: str, label: str) -> xr.DataArray:
    if label not in array[dim].values:
        message = f"there is no {dim} {label!r}: choose one of {', '.join(map(str, array[dim].values))}"
        raise ConfigError(message)
    return array.sel({dim: label})


def _component(array: xr.DataArray, name: str, options: ViewOptions) -> str | None:
    """Return the component to draw, ``length`` for that of the horizontal vector, None for each by itself."""
    if "component" not in array.dims:
        return None
    names = [str(component) for component in array["component"].values]
    if options.component is not None:
        if options.component not in names:
            message = f"there is no component {options.component!r}: choose one of {', '.join(names)}"
            raise ConfigError(message)
        return options.component
    return "length" if name in _VECTORS and set(_HORIZONTAL) <= set(names) else None


def _component_layers(array: xr.DataArray, component: str | None, label: str) -> list[Layer]:
    if "component" not in array.dims:
        return [Layer(label, _values(array))]
    if component == "length":
        parts = [_values(array.sel(component=name)) for name in _HORIZONTAL]
        return [Layer(label, np.hypot(*parts))]
    names = [component] if component is not None else [str(name) for name in array["component"].values]
    return [Layer(f"{label} {name}".strip(), _values(array.sel(component=name))) for name in names]


def _values(array: xr.DataArray) -> Floats:
    return np.asarray(array.values, dtype=np.float64)


def dimension_labels(dataset: xr.Dataset, dim: str) -> list[str]:
    """Return names of the maps along a dimension, none twice.

    Dates are YYYYMMDD (YYYYMMDDTHHMMSS where a day has two), pairs YYYYMMDD_YYYYMMDD, terms what stands there.
    """
    if dim == "pair" and {"ref_time", "sec_time"} <= set(dataset.coords):
        ends = [dataset[name].values for name in ("ref_time", "sec_time")]
        days, seconds = (
            ["_".join(both) for both in zip(*map(write, ends), strict=True)] for write in (_days, _seconds)
        )
        return _unique(days, seconds)
    if dim not in dataset.coords:
        return [f"{dim} {index}" for index in range(dataset.sizes[dim])]
    values = dataset[dim].values
    if values.dtype.kind == "M":
        return _unique(_days(values), _seconds(values))
    return _unique([str(value) for value in values], [f"{value} {index}" for index, value in enumerate(values)])


def _unique(short: list[str], long: list[str]) -> list[str]:
    return short if len(set(short)) == len(short) else long


def _days(epochs: Epochs) -> list[str]:
    return [str(epoch)[:10].replace("-", "") for epoch in epochs]


def _seconds(epochs: Epochs) -> list[str]:
    return [str(epoch)[:19].replace("-", "").replace(":", "") for epoch in epochs]


def _chosen(labels: Sequence[str], options: ViewOptions) -> list[tuple[int, str]]:
    """Return index and label of the maps to draw."""
    indices = [_index_of(text, labels) for text in options.index] if options.index else list(range(len(labels)))
    if len(indices) > options.max_panels:
        keep = np.unique(np.linspace(0, len(indices) - 1, options.max_panels).round().astype(int))
        indices = [indices[k] for k in keep]
    return [(index, labels[index]) for index in indices]


def _index_of(text: str, labels: Sequence[str]) -> int:
    plain = text.replace("-", "")
    for candidate in (text, plain):
        if candidate in labels:
            return labels.index(candidate)
    if text.lstrip("-").isdecimal() and -len(labels) <= int(text) < len(labels):
        return int(text) % len(labels)
    listed = ", ".join(labels[:_LISTED]) + (", ..." if len(labels) > _LISTED else "")
    message = f"there is no map {text!r} in this product: choose from {listed}, or a number from 0 to {len(labels) - 1}"
    raise ConfigError(message)


def _style(options: ViewOptions, width_in: float, *, title: str | None) -> MapStyle:
    return MapStyle(
        title=title,
        cmap=options.cmap,
        vmin=options.vmin,
        vmax=options.vmax,
        alpha=options.alpha,
        width_in=options.width_in or width_in,
    )


def _layer_style(dataset: xr.Dataset, name: str, options: ViewOptions, values: Floats) -> MapStyle:
    """Return the style for maps of a variable: two-sided colours where it has both signs."""
    finite = values[np.isfinite(values)]
    signed = finite.size > 0 and bool(finite.min() < 0 < finite.max())
    label = _sentence(str(dataset[name].attrs.get("long_name", name.replace("_", " "))))
    grey = kind_of(dataset) == IMAGE_CUBE and options.cmap is None
    style = _style(options, PAGE_IN, title=options.title)
    if options.wrap:
        low, high = options.wrap_range
        fringes = {"label": label, "unit": _unit(dataset, name, options), "cmap": options.cmap or "romaO"}
        return style.model_copy(update={**fringes, "vmin": low, "vmax": high})
    changes: dict[str, object] = {"label": label, "unit": _unit(dataset, name, options), "signed": signed and not grey}
    if name in _VECTORS:
        low, high = colour_limits(values, signed=signed, vmin=options.vmin, vmax=options.vmax, tail=_MOVING_TAIL)
        changes |= {"vmin": low if signed else min(low, options.vmin or 0.0), "vmax": high}
    return style.model_copy(update={**changes, **({"cmap": "gray"} if grey else {})})


def _sentence(text: str) -> str:
    """Return a text that begins with a capital; names such as temporalCoherence stay as they are."""
    return text if any(letter.isupper() for letter in text) else text.capitalize()


def _unit(dataset: xr.Dataset, name: str, options: ViewOptions) -> str:
    unit = options.unit or stored_unit(dataset, name, options)
    return "" if unit == "1" else unit


def stored_unit(dataset: xr.Dataset, name: str, options: ViewOptions) -> str:
    """Return the unit of a variable, or of the term of it that the options choose."""
    if "term" in dataset[name].dims and "unit" in dataset.coords and not options.index:
        return str(dataset["unit"].sel(term=options.term or rate_term(dataset)).item())
    return str(dataset[name].attrs.get("units", ""))
