"""What a reader finds before any pixel is read: interferograms, geometry, attributes, and what cannot be used."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.interferograms.layers import Cropped, cut_to, lattice_offset, part_of_grid
from creepmeter.io.layers import Layer
from creepmeter.model.epoch import Epoch, epochs_from_pattern, epochs_in_name
from creepmeter.model.grid import Grid, describe_grid, same_grid
from creepmeter.model.pair import Pair

T = TypeVar("T")
PHASE_LAYERS = ("unwrapPhase", "coherence", "connectComponent", "wrapPhase", "magnitude")
OFFSET_LAYERS = ("rangeOffset", "azimuthOffset", "rangeOffsetStd", "azimuthOffsetStd", "offsetSNR")
REQUIRED = ("unwrapPhase", "rangeOffset", "azimuthOffset")  # one of them makes an interferogram
NEEDED_BY_MOST = ("coherence",)  # a product without it is left out when most have it
_MOST = 0.5
_SHOWN = 10


@dataclass(frozen=True)
class Interferogram:
    """One pair of dates and its layers.

    Parameters
    ----------
    pair : Pair
        The two dates.
    layers : mapping of str to Layer
        By MintPy's name of the dataset: ``unwrapPhase`` (radians, displacement toward the satellite =
        -wavelength / (4 pi) * phase, 0 = no data), ``coherence``, ``connectComponent``, ``wrapPhase``, ``magnitude``,
        or ``rangeOffset``, ``azimuthOffset``, ``rangeOffsetStd``, ``azimuthOffsetStd``, ``offsetSNR``.
    bperp : float
        Perpendicular baseline, metres; NaN when it is not known.
    name : str
        Name of the product, for messages.
    grid : Grid, optional
        Grid of the layers where products may differ in outline.
    keep : bool
        MintPy's dropIfgram: False for a pair that is not used.
    """

    pair: Pair
    layers: Mapping[str, Layer]
    bperp: float
    name: str
    grid: Grid | None = None
    keep: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the layer that the product is there for."""
        return next(self.layers[name].shape for name in REQUIRED if name in self.layers)


@dataclass(frozen=True)
class Catalogue:
    """What a reader found; no pixel was read.

    Parameters
    ----------
    interferograms : tuple of Interferogram
        In order of their pairs, none twice, all of one shape and with the same layers.
    geometry : mapping of str to Layer
        By MintPy's name: ``height``, ``incidenceAngle``, ``azimuthAngle``, ``slantRangeDistance``, ``shadowMask``,
        ``waterMask``, ``latitude``, ``longitude``, ``azimuthCoord``, ``rangeCoord``.
    shape : (int, int)
        Rows and columns.
    grid : Grid or None
        None in radar coordinates.
    attributes : mapping of str to str
        MintPy's attributes.
    left_out : tuple of str
        Products that are not used, and why.
    notes : tuple of str
        What the user should know besides: layers that are missing.
    lookup : Catalogue, optional
        Geometry that lies on another grid: lookup tables from map to radar coordinates.
    bperp : mapping of Epoch to Layer
        Perpendicular baseline of every pixel by date, metres, against one date; empty where it is not known.
    """

    interferograms: tuple[Interferogram, ...]
    geometry: Mapping[str, Layer]
    shape: tuple[int, int]
    grid: Grid | None
    attributes: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lookup: Catalogue | None = None
    bperp: Mapping[Epoch, Layer] = field(default_factory=dict)


@dataclass
class Report:
    """What a reader has to say: products left out, and notes.

    Parameters
    ----------
    left_out, notes : list of str
        Filled while the reader works.
    """

    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, name: str, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; a product that cannot be read is left out by name."""
        try:
            return read()
        except CreepmeterError as problem:
            text = str(problem)
            self.leave_out(name, text if name not in text else text.removeprefix(f"{name}: "))
            return None

    def leave_out(self, name: str, why: str) -> None:
        """Note that a product is not used."""
        self.left_out.append(f"{name}: {why}")

    def note(self, text: str) -> None:
        """Note something else, once."""
        if text not in self.notes:
            self.notes.append(text)


def matching(pattern: str | None, base: Path) -> list[Path]:
    """Return the files of a pattern in order of name; relative ones start from `base`.

    Parameters
    ----------
    pattern : str or None
        May hold ``*``, ``?``, ``[...]``, ``**``, ``~`` and ``$VARIABLES``; several patterns are parted by spaces when
        no file has such a name.
    base : Path
        A folder.
    """
    if not pattern:
        return []
    text = str(Path(os.path.expandvars(pattern)).expanduser())
    found = _globbed(text, base)
    if not found and " " in text.strip():
        found = [path for part in text.split() for path in _globbed(part, base)]
    return sorted(dict.fromkeys(found))


def _globbed(text: str, base: Path) -> list[Path]:
    literal = base / text
    if literal.exists():
        return [literal]
    return [Path(name) for name in glob.glob(str(base / text), recursive=True)]  # noqa: PTH207 - absolute patterns


def require_matching(pattern: str | None, base: Path, option: str) -> list[Path]:
    """Return the files of a pattern.

    Raises
    ------
    InputError
        No pattern is given, or no file is found.
    """
    found = matching(pattern, base)
    if not found:
        what = f"no file matches {pattern} (from {base})" if pattern else "it is not given"
        message = f"{option}: {what}; give a pattern such as ../products/*/*.unw"
        raise InputError(message)
    return found


def one_file(pattern: str | None, base: Path, report: Report, option: str) -> Path | None:
    """Return the file of an optional pattern, the first if there are several; a note says what was not found."""
    found = matching(pattern, base)
    if not found:
        if pattern:
            report.note(f"{option}: no file matches {pattern}, it is loaded without")
        return None
    if len(found) > 1:
        report.note(f"{option}: {len(found)} files match {pattern}, {found[0].name} is taken")
    return found[0]


def pair_in(text: str, pattern: str | None = None) -> Pair | None:
    """Return the pair of the first two dates in a name, or None; the earlier date comes first."""
    found: Sequence[Epoch] = epochs_from_pattern(text, pattern) if pattern else epochs_in_name(text)
    days = [epoch.astype("datetime64[D]").astype("datetime64[ns]") for epoch in found]
    if len(days) < 2 or days[0] == days[1]:  # noqa: PLR2004 - a pair has two
        return None
    return Pair(min(days[0], days[1]), max(days[0], days[1]))


def assemble(
    found: Iterable[Interferogram],
    geometry: Mapping[str, Layer],
    attributes: Mapping[str, str],
    report: Report,
    *,
    grid: Grid | None = None,
    extent: Literal["same", "common"] = "same",
    lookup: Catalogue | None = None,
) -> Catalogue:
    """Make a catalogue of what a reader found: one product a pair, one shape, the same layers in all.

    Parameters
    ----------
    found : iterable of Interferogram
        In any order.
    geometry : mapping of str to Layer
        Layers of another size are cut when their georeference agrees, else left out with a note.
    attributes : mapping of str to str
        MintPy's; LENGTH and WIDTH are added.
    report : Report
        What was left out so far; filled further.
    grid : Grid, optional
        Grid of the interferograms; by default that of the products.
    extent : {"same", "common"}
        What to do with products of other outline on the same lattice.
    lookup : Catalogue, optional
        Geometry on another grid.

    Raises
    ------
    InputError
        Nothing is left.
    """
    kept = [one for one in found if _has_required(one, report)]
    kept.sort(key=lambda one: (one.pair, one.name))
    if extent == "common":
        kept = _merged(kept, report)
    kept, shape, grid = _one_outline(kept, grid, report, extent)
    kept = _same_layers([_of_one_shape(one, shape, grid, report) for one in _merged(kept, report)], report)
    if not kept and any(True for _ in report.left_out):
        raise InputError(_nothing_left(report))
    if not kept:
        message = "no interferogram was found: check the patterns of the files"
        raise InputError(message)
    _note_baselines(kept, report)
    sizes = {"LENGTH": str(shape[0]), "WIDTH": str(shape[1])}
    bare = Catalogue(tuple(kept), {}, shape, grid, {**attributes, **sizes}, lookup=lookup)
    return add_geometry(bare, geometry, report)


def _note_baselines(found: Sequence[Interferogram], report: Report) -> None:
    """Note pairs that have no baseline while others have: 0 stands for it in the stack."""
    without = [one.name for one in found if math.isnan(one.bperp)]
    if 0 < len(without) < len(found):
        names = ", ".join(without[:_SHOWN]) + (", ..." if len(without) > _SHOWN else "")
        report.note(f"{len(without)} of {len(found)} pairs have no perpendicular baseline, 0 m is written: {names}")


def add_geometry(catalogue: Catalogue, geometry: Mapping[str, Layer], report: Report) -> Catalogue:
    """Return a catalogue with geometry besides what it has, and with all that the report says.

    Parameters
    ----------
    catalogue : Catalogue
        From `assemble`.
    geometry : mapping of str to Layer
        Layers of another size are cut when their georeference agrees, else left out with a note.
    report : Report
        What was left out so far; filled further.
    """
    fitting = dict(catalogue.geometry)
    for name, layer in geometry.items():
        fitted = fit(layer, catalogue.shape, catalogue.grid, report, name)
        if fitted is not None:
            fitting[name] = fitted
    return replace(catalogue, geometry=fitting, left_out=tuple(report.left_out), notes=tuple(report.notes))


def _nothing_left(report: Report) -> str:
    shown = "; ".join(report.left_out[:_SHOWN])
    return f"no interferogram can be used of {len(report.left_out)}: {shown}"


def _has_required(one: Interferogram, report: Report) -> bool:
    if any(name in one.layers for name in REQUIRED):
        return True
    report.leave_out(one.name, "it has no unwrapped phase (or offset) layer")
    return False


def _merged(ordered: Sequence[Interferogram], report: Report) -> list[Interferogram]:
    """Keep one product of each pair: the last by name, which is the newest version."""
    of_pair: dict[Pair, Interferogram] = {}
    for one in ordered:
        if one.pair in of_pair:
            report.note(f"pair {one.pair} is there twice: {one.name} is taken, {of_pair[one.pair].name} is not")
        of_pair[one.pair] = one
    return list(of_pair.values())


def _one_outline(
    found: list[Interferogram], grid: Grid | None, report: Report, extent: str
) -> tuple[list[Interferogram], tuple[int, int], Grid | None]:
    """Keep the products of the outline that most pairs have, or cut all to what they have in common."""
    if not found:
        return [], (0, 0), grid
    if extent == "common" and all(one.grid is not None for one in found):
        return _cut_to_common(found, report)
    groups: list[list[Interferogram]] = []
    for one in found:
        group = next((members for members in groups if _same_outline(members[0], one)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    kept = max(groups, key=lambda members: len({one.pair for one in members}))
    first = kept[0]
    for one in (other for members in groups if members is not kept for other in members):
        advice = ""
        if one.grid is not None and first.grid is not None and lattice_offset(first.grid, one.grid) is not None:
            advice = "; extent common cuts all to the area they share"
        most = f"{len(kept)} of {len(found)} have {_described(first)}"
        report.leave_out(one.name, f"it has {_described(one)}, {most}{advice}")
    return kept, first.shape, grid if grid is not None else first.grid


def _same_outline(first: Interferogram, second: Interferogram) -> bool:
    if first.grid is None or second.grid is None:
        return first.shape == second.shape and first.grid is second.grid
    return same_grid(first.grid, second.grid)


def _described(one: Interferogram) -> str:
    return f"{one.shape[0]} x {one.shape[1]} px" if one.grid is None else describe_grid(one.grid)


def _cut_to_common(
    found: list[Interferogram], report: Report
) -> tuple[list[Interferogram], tuple[int, int], Grid | None]:
    base = next(one.grid for one in found if one.grid is not None)
    starts = {one.pair: lattice_offset(base, one.grid) for one in found if one.grid is not None}
    fitting = [one for one in found if starts[one.pair] is not None]
    for one in found:
        if starts[one.pair] is None:
            report.leave_out(one.name, f"its pixels lie on another lattice ({_described(one)})")
    corners = [(start, one.shape) for one in fitting if (start := starts[one.pair]) is not None]
    top, left = max(start[0] for start, _ in corners), max(start[1] for start, _ in corners)
    bottom = min(start[0] + shape[0] for start, shape in corners)
    right = min(start[1] + shape[1] for start, shape in corners)
    if bottom <= top or right <= left:
        message = f"the {len(fitting)} products have no area in common: leave out those that lie elsewhere"
        raise InputError(message)
    target = part_of_grid(base, slice(top, bottom), slice(left, right))
    cut = []
    for one in fitting:
        row, column = (first - own for first, own in zip((top, left), starts[one.pair] or (0, 0), strict=True))
        rows, columns = slice(row, row + bottom - top), slice(column, column + right - left)
        layers: dict[str, Layer] = {
            name: Cropped(layer, rows, columns) if layer.shape == one.shape else layer
            for name, layer in one.layers.items()
        }
        cut.append(replace(one, layers=layers, grid=target))
    if any(one.shape != (bottom - top, right - left) for one in fitting):
        report.note(f"all products are cut to the area they have in common: {describe_grid(target)}")
    return cut, (bottom - top, right - left), target


def fit(layer: Layer, shape: tuple[int, int], grid: Grid | None, report: Report, label: str) -> Layer | None:
    """Return a layer on the common grid: as it is, or cut when its georeference agrees; else None, with a note.

    Parameters
    ----------
    layer : Layer
        May carry a `grid`.
    shape : (int, int)
        Rows and columns wanted.
    grid : Grid or None
        Grid wanted.
    report : Report
        Takes the note.
    label : str
        What the layer is.
    """
    own = grid_of_layer(layer)
    if layer.shape == shape and (own is None or grid is None or same_grid(own, grid)):
        return layer
    cut = cut_to(layer, own, grid) if own is not None and grid is not None else None
    rows, columns = layer.shape
    if cut is None:
        where = "" if own is None or grid is None else f" ({describe_grid(own)} against {describe_grid(grid)})"
        report.note(
            f"{label}: {layer.name} has {rows} x {columns} px, the interferograms have {shape[0]} x {shape[1]}{where}: "
            "it is not used"
        )
        return None
    report.note(
        f"{label}: {layer.name} has {rows} x {columns} px, it is cut to {shape[0]} x {shape[1]} by its georeference"
    )
    return cut


def grid_of_layer(layer: Layer) -> Grid | None:
    """Return the grid that a layer, or the one it is made of, carries."""
    inner: object = layer
    while inner is not None:
        grid = getattr(inner, "grid", None)
        if grid is not None:
            found: Grid = grid
            return found
        if isinstance(inner, Cropped):
            return None
        several = getattr(inner, "layers", (None,))
        inner = getattr(inner, "layer", several[0])
    return None


def _of_one_shape(one: Interferogram, shape: tuple[int, int], grid: Grid | None, report: Report) -> Interferogram:
    """Drop or cut layers of a product that have another size than its phase."""
    layers: dict[str, Layer] = {}
    for name, layer in one.layers.items():
        same = layer.shape == shape and (one.grid is None or name in REQUIRED)
        fitted = layer if same else fit(layer, shape, grid, report, f"{one.name}: {name}")
        if fitted is not None:
            layers[name] = fitted
    return replace(one, layers=layers)


def _same_layers(found: list[Interferogram], report: Report) -> list[Interferogram]:
    """Make all products have the same layers: leave out products, or switch a layer off."""
    kept = found
    for name in dict.fromkeys(name for one in found for name in one.layers):
        without = [one for one in kept if name not in one.layers]
        if not without:
            continue
        if (name in NEEDED_BY_MOST or name in REQUIRED) and len(without) <= _MOST * len(kept):
            for one in without:
                report.leave_out(one.name, f"it has no {name}, the others have one")
            kept = [one for one in kept if name in one.layers]
            continue
        names = ", ".join(one.name for one in without[:_SHOWN])
        more = f" and {len(without) - _SHOWN} more" if len(without) > _SHOWN else ""
        report.note(f"{name} is missing in {len(without)} of {len(kept)} products ({names}{more}): it is not loaded")
        kept = [replace(one, layers={key: layer for key, layer in one.layers.items() if key != name}) for one in kept]
    return kept
