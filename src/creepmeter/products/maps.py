"""Maps: one quantity, velocity with arrows, uncertainty, and panels of many dates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from creepmeter.errors import SchemaError
from creepmeter.model.grid import Grid, grid_of
from creepmeter.model.horizontal import horizontal_motion, rate_term
from creepmeter.products.arrows import Arrows, draw_arrows
from creepmeter.products.canvas import (
    FONT_PT,
    INK,
    PAGE_IN,
    SMALL_PT,
    colour_limits,
    colour_map,
    extend_of,
    new_figure,
    tidy,
)
from creepmeter.products.frame import Backdrop, Frame, draw_outlines, grey_image, label_axes, thinned
from creepmeter.products.furniture import add_furniture, quiet_corner
from creepmeter.products.options import MapStyle
from creepmeter.products.quantities import majority, median, nmad

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

_BACKDROP_GREY = "#ececec"
_FAINT_SHARE = 0.3  # of the opacity, where motion is not significant and an image lies behind
_FAR = 3.0  # standard deviations from the median at which a cell stands out
_FEW = 30  # cells above the noise from which limits of the colours can be read
_WIDE = 1.25  # a map wider than this times its height has the colour bar below


def map_figure(
    array: Floats,
    grid: Grid,
    *,
    style: MapStyle | None = None,
    backdrop: Backdrop | None = None,
    arrows: Arrows | None = None,
) -> Figure:
    """Draw one quantity as a map.

    Parameters
    ----------
    array : array, (y, x)
        NaN is transparent.
    grid : Grid
        Its grid. With a reference system the axes are in map units, else a north arrow stands beside the scale bar.
    style : MapStyle, optional
        Title, label and unit, colours and their limits, width.
    backdrop : Backdrop, optional
        Image or relief behind, outlines over the map.
    arrows : Arrows, optional
        Arrows over the map, thinned to a readable density. Over a background, cells that are not significant are pale.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `canvas.save_figure`.

    Raises
    ------
    GridError
        The grid is rotated, or the background does not fit its grid.
    ConfigError
        Unknown colour map, or limits the wrong way round.
    """
    style, backdrop = style or MapStyle(), backdrop or Backdrop()
    values = np.asarray(array, dtype=np.float64)
    frame = Frame.of(grid)
    below = frame.height_over_width < 1 / _WIDE
    figure = new_figure(style.width_in, _map_height(style, frame, below=below))
    axes = figure.add_subplot()
    image = _draw(axes, values, frame, style, backdrop)
    if arrows is not None and backdrop.image is not None:
        _fade(image, arrows.significant, style.alpha)
    key = None if arrows is None else draw_arrows(axes, arrows, frame)
    busy = _unusual(values) if arrows is None else arrows.significant
    add_furniture(axes, frame, corner=quiet_corner(busy), key=key)
    label_axes(axes, frame)
    tidy(axes)
    if style.title:
        axes.set_title(style.title, fontsize=FONT_PT + 0.5, color=INK, pad=5)
    _colour_bar(figure, [axes], image, values, style, below=below)
    return figure


def _map_height(style: MapStyle, frame: Frame, *, below: bool) -> float:
    """Return the height of the figure that leaves little white around the map."""
    ticks = 0.0 if frame.labels is None else 0.38
    map_width = style.width_in - 0.15 - ticks - (0.0 if below else 0.55)
    height = map_width * frame.height_over_width + ticks + (0.55 if below else 0.1) + (0.28 if style.title else 0.05)
    return float(np.clip(height, 1.2, 3 * style.width_in))


def _draw(axes: Axes, values: Floats, frame: Frame, style: MapStyle, backdrop: Backdrop) -> AxesImage:
    """Draw background, colours and outlines; return the coloured image."""
    grey = grey_image(backdrop)
    axes.set_facecolor(_BACKDROP_GREY if grey is None else "white")
    if grey is not None and backdrop.grid is not None:
        behind = Frame.of(backdrop.grid)
        axes.imshow(grey, extent=behind.extent, origin="upper", cmap="gray", vmin=0, vmax=1, zorder=1)
    low, high = colour_limits(values, signed=style.signed, vmin=style.vmin, vmax=style.vmax)
    image = axes.imshow(
        np.ma.masked_invalid(thinned(values)),
        extent=frame.extent,
        origin="upper",
        interpolation="nearest",
        cmap=colour_map(_cmap(style)),
        norm=Normalize(low, high),
        alpha=1.0 if grey is None else style.alpha,
        zorder=2,
    )
    draw_outlines(axes, backdrop.outlines, frame)
    left, right, bottom, top = frame.extent
    axes.set_xlim(min(left, right), max(left, right))
    axes.set_ylim(min(bottom, top), max(bottom, top))
    axes.set_aspect(frame.aspect)
    return image


def _unusual(values: Floats) -> Bools:
    """Return what stands out of a map: cells far from its median."""
    return np.asarray(np.abs(values - median(values)) > _FAR * nmad(values), dtype=bool)


def _fade(image: AxesImage, significant: Bools, alpha: float) -> None:
    """Let the background show through where motion is not significant."""
    image.set_alpha(np.where(thinned(significant), alpha, _FAINT_SHARE * alpha))


def _colour_bar(
    figure: Figure, axes: Sequence[Axes], image: AxesImage, values: Floats, style: MapStyle, *, below: bool
) -> None:
    bar = figure.colorbar(
        image,
        ax=list(axes),
        location="bottom" if below else "right",
        extend=extend_of(values, *image.get_clim()),
        fraction=0.06,
        pad=0.03,
        shrink=0.9 if below else 0.85,
        aspect=28,
    )
    label = style.label or ""
    bar.set_label(
        f"{label} ({style.unit})" if label and style.unit else label or style.unit, fontsize=FONT_PT, color=INK
    )
    bar.ax.tick_params(labelsize=SMALL_PT, length=2, width=0.5)
    bar.ax.locator_params(nbins=6)
    bar.outline.set_linewidth(0.5)


def velocity_figure(
    motion: xr.Dataset,
    *,
    style: MapStyle | None = None,
    backdrop: Backdrop | None = None,
    arrows: bool = True,
    arrow_sigmas: float = 2.0,
) -> Figure:
    """Draw the rate of a motion model: speed with arrows, or the signed rate where there is one component.

    Parameters
    ----------
    motion : Dataset
        MotionModel with the term ``rate`` (else its first term other than the offset).
    style : MapStyle, optional
        What it leaves out is chosen: label, unit, title, and limits from the cells faster than `arrow_sigmas`, from 0.
    backdrop : Backdrop, optional
        Image or relief behind, outlines over the map.
    arrows : bool
        Draw arrows.
    arrow_sigmas : float
        Arrows stand only where speed is above this many standard errors.

    Raises
    ------
    SchemaError
        The model has no term but an offset.
    """
    style = style or MapStyle()
    grid = grid_of(motion)
    movement = horizontal_motion(motion)
    term = rate_term(motion)
    if movement is None:
        signed = np.asarray(motion["value"].sel(term=term).values[0], dtype=np.float64)
        component = str(motion["component"].values[0])
        chosen = _filled(style, label=f"{term.capitalize()}, {component}", unit=_unit_of(motion, term), signed=True)
        return map_figure(signed, grid, style=chosen, backdrop=backdrop)
    significant = movement.speed > arrow_sigmas * movement.sigma if movement.has_sigma else np.isfinite(movement.speed)
    significant &= majority(significant)
    moving = movement.speed[significant]
    limit = colour_limits(moving if moving.size >= _FEW else movement.speed)[1]
    name = "Speed" if term == "rate" else f"Size of {term}"
    chosen = _filled(style, label=name, unit=movement.unit, vmin=0.0, vmax=limit)
    drawn = Arrows(movement.east, movement.north, significant, movement.unit) if arrows else None
    return map_figure(movement.speed, grid, style=chosen, backdrop=backdrop, arrows=drawn)


def sigma_figure(motion: xr.Dataset, *, style: MapStyle | None = None, backdrop: Backdrop | None = None) -> Figure:
    """Draw the standard error of the speed of a motion model, or of its only component.

    Parameters
    ----------
    motion : Dataset
        MotionModel with sigma.
    style, backdrop
        As in `velocity_figure`.

    Raises
    ------
    SchemaError
        The model has no sigma.
    """
    if "sigma" not in motion:
        message = 'this motion model has no sigma: fit it with sigma="covariance", "residual" or "bootstrap"'
        raise SchemaError(message)
    movement, term = horizontal_motion(motion), rate_term(motion)
    sigma = motion["sigma"].sel(term=term).values[0] if movement is None else movement.sigma
    name = "1-sigma of speed" if movement is not None and term == "rate" else f"1-sigma of {term}"
    chosen = _filled(style or MapStyle(), label=name, unit=_unit_of(motion, term))
    return map_figure(np.asarray(sigma, dtype=np.float64), grid_of(motion), style=chosen, backdrop=backdrop)


def _filled(style: MapStyle, *, unit: str, **chosen: object) -> MapStyle:
    """Return a style with what the caller left out filled in; the unit always follows the data."""
    missing = {name: value for name, value in chosen.items() if name == "signed" or getattr(style, name) is None}
    if "vmin" in missing and style.vmax is not None and style.vmax <= 0:
        del missing["vmin"]
    return style.model_copy(update={**missing, "unit": unit})


def _unit_of(motion: xr.Dataset, term: str) -> str:
    return str(motion["unit"].sel(term=term).item()) if "unit" in motion.coords else "m/yr"


def panel_figure(
    arrays: Sequence[Floats],
    titles: Sequence[str],
    grid: Grid,
    *,
    style: MapStyle | None = None,
    backdrop: Backdrop | None = None,
) -> Figure:
    """Draw several maps of one quantity side by side with one colour bar.

    Parameters
    ----------
    arrays : sequence of array, (y, x)
        At least one.
    titles : sequence of str
        One above each map.
    grid : Grid
        Grid of all.
    style, backdrop
        As in `map_figure`.

    Raises
    ------
    SchemaError
        No array.
    """
    if len(arrays) == 0:
        message = "there is no map to draw: choose at least one date or pair"
        raise SchemaError(message)
    style, backdrop = style or MapStyle(width_in=PAGE_IN), backdrop or Backdrop()
    frame = Frame.of(grid)
    across = _panels_across(len(arrays), frame.height_over_width)
    down = math.ceil(len(arrays) / across)
    high = (style.width_in - 0.7) / across * frame.height_over_width + 0.2
    figure = new_figure(
        style.width_in, float(np.clip(high * down + (0.35 if style.title else 0.1), 1.2, 3 * style.width_in))
    )
    axes = figure.subplots(down, across, squeeze=False).ravel()
    shown = [thinned(np.asarray(array, dtype=np.float64)) for array in arrays]
    values = np.stack(shown)
    low, high_end = colour_limits(values, signed=style.signed, vmin=style.vmin, vmax=style.vmax)
    same = style.model_copy(update={"vmin": low, "vmax": high_end, "signed": False, "cmap": _cmap(style)})
    images = [_draw(one, array, frame, same, backdrop) for one, array in zip(axes, shown, strict=False)]
    for one, title in zip(axes, titles, strict=False):
        one.set_title(title, fontsize=SMALL_PT, color=INK, pad=2.5)
        one.set_xticks([])
        one.set_yticks([])
        tidy(one)
    for spare in axes[len(arrays) :]:
        spare.set_visible(False)
    add_furniture(axes[0], frame, corner=quiet_corner(np.logical_or.reduce(_unusual(values))), north=False)
    if style.title:
        figure.suptitle(style.title, fontsize=FONT_PT + 1, color=INK)
    _colour_bar(figure, list(axes), images[0], values, style, below=False)
    return figure


def _cmap(style: MapStyle) -> str:
    return style.cmap or ("vik" if style.signed else "batlow")


def _panels_across(count: int, height_over_width: float) -> int:
    """Return how many maps stand side by side so that the page is about as high as it is wide."""
    return int(np.clip(round(math.sqrt(count * height_over_width * 1.4)), 1, min(count, 7)))
