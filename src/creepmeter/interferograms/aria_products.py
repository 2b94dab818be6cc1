"""GUNW products of ARIA: which belong to one pair, one track, one area, and on which lattice they are joined."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import InputError
from creepmeter.interferograms.catalogue import Report
from creepmeter.interferograms.names import DatePair, dates_in
from creepmeter.io.gunw import GunwHeader, read_gunw
from creepmeter.io.rasterfile import MAX_PIXELS
from creepmeter.model.grid import Grid
from creepmeter.model.pair import Pair

_NAME = re.compile(
    r"^S1-GUNW-(?P<direction>[AD])-(?P<side>[RL])-(?P<track>\d{3})-tops-(?P<later>\d{8})_(?P<earlier>\d{8})"
    r"-(?P<time>\d{6})-.*?-v(?P<version>\d+(?:_\d+)*)"
)
_DIRECTIONS = {"A": "ASCENDING", "D": "DESCENDING"}
REQUIRED = ("unwrappedPhase", "coherence")
SAME_FRAME = 0.8  # frames that share so much of the smaller one are the same frame, processed twice
COVERED = 0.75  # a pair whose frames cover less of the area than this share of what most cover lacks frames
_CENTRE_TIE_PX = 1e-6
_DEGREE_PX = 1e-3


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle of lattice pixels, ends excluded.

    Parameters
    ----------
    top, bottom, left, right : int
        Rows from latitude 0 southward and columns from longitude 0 eastward.
    """

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; (0, 0) when it is empty."""
        rows, columns = self.bottom - self.top, self.right - self.left
        return (rows, columns) if rows > 0 and columns > 0 else (0, 0)

    @property
    def area(self) -> int:
        """Pixels in it."""
        return self.shape[0] * self.shape[1]

    def cut(self, other: Box) -> Box:
        """Return what two rectangles share; it may be empty."""
        return Box(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )

    def around(self, other: Box) -> Box:
        """Return the smallest rectangle that holds both."""
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest rectangle that holds all."""
    first, *rest = boxes
    for box in rest:
        first = first.around(box)
    return first


@dataclass(frozen=True)
class Lattice:
    """Pixels of one size whose edges are whole multiples of it.

    Parameters
    ----------
    per_degree : int
        Pixels in a degree: 1200 for standard products.
    """

    per_degree: int

    def box_of(self, grid: Grid) -> Box:
        """Return the pixels whose centres lie in a grid."""
        step = self.per_degree
        affine, (rows, columns) = grid.affine, grid.shape
        edges = (-affine.f, -(affine.f + affine.e * rows), affine.c, affine.c + affine.a * columns)
        top, bottom, left, right = (math.ceil(edge * step - 0.5 - _DEGREE_PX) for edge in edges)
        return Box(top, bottom, left, right)

    def box_of_degrees(self, south: float, north: float, west: float, east: float) -> Box:
        """Return the pixels of a box of degrees, edges at the nearest pixel edge."""
        step = self.per_degree
        return Box(*(round(value * step) for value in (-north, -south, west, east)))

    def grid(self, box: Box) -> Grid:
        """Return the grid of a rectangle of pixels."""
        step = 1.0 / self.per_degree
        affine = Affine(step, 0.0, box.left / self.per_degree, 0.0, -step, -box.top / self.per_degree)
        return GeoBox(box.shape, affine, "EPSG:4326")

    def rows_in(self, grid: Grid, box: Box) -> npt.NDArray[np.intp]:
        """Return the row of a grid nearest to the centre of every row of a rectangle."""
        latitude = -(np.arange(box.top, box.bottom) + 0.5) / self.per_degree
        return _nearest((latitude - grid.affine.f) / grid.affine.e, grid.shape[0])

    def columns_in(self, grid: Grid, box: Box) -> npt.NDArray[np.intp]:
        """Return the column of a grid nearest to the centre of every column of a rectangle."""
        longitude = (np.arange(box.left, box.right) + 0.5) / self.per_degree
        return _nearest((longitude - grid.affine.c) / grid.affine.a, grid.shape[1])


def _nearest(position: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.intp]:
    return np.clip(np.floor(position + _CENTRE_TIE_PX).astype(np.intp), 0, size - 1)


def lattice_of(products: Sequence[Product]) -> Lattice:
    """Return the lattice of the pixel size that most products have."""
    counted = Counter(max(round(1 / abs(one.header.grid.affine.a)), 1) for one in products)
    return Lattice(counted.most_common(1)[0][0])


@dataclass(frozen=True)
class Product:
    """One file: a frame of a pair.

    Parameters
    ----------
    header : GunwHeader
        What the file says.
    dates : DatePair
        Later date first, as ARIA names them.
    track : int or None
        Relative orbit.
    direction : str or None
        ASCENDING or DESCENDING.
    version : tuple of int
        Of the processor; empty when it is not known.
    seconds : float or None
        Of the day, at the centre of the frame.
    """

    header: GunwHeader
    dates: DatePair
    track: int | None
    direction: str | None
    version: tuple[int, ...]
    seconds: float | None

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.header.path.name

    @property
    def pair(self) -> Pair:
        """The pair, running forward."""
        return self.dates.pair


@dataclass(frozen=True)
class Frames:
    """The frames of one pair, from north to south.

    Parameters
    ----------
    pair : Pair
        The two dates.
    products : tuple of Product
        None covers most of another.
    boxes : tuple of Box
        Where each lies on the lattice.
    """

    pair: Pair
    products: tuple[Product, ...]
    boxes: tuple[Box, ...]

    @property
    def name(self) -> str:
        """The product, or the pair and how many products it has."""
        if len(self.products) == 1:
            return self.products[0].name
        return f"{self.pair} ({len(self.products)} frames)"

    def within(self, area: Box) -> Frames:
        """Return the frames that touch an area."""
        kept = [k for k, box in enumerate(self.boxes) if box.cut(area).area]
        return Frames(self.pair, tuple(self.products[k] for k in kept), tuple(self.boxes[k] for k in kept))

    def covered(self, area: Box) -> Box:
        """Return the rectangle that the frames cover of an area; frames with a gap between count up to the gap."""
        runs: list[Box] = []
        for box in sorted(box.cut(area) for box in self.boxes):
            if runs and box.top <= runs[-1].bottom:
                runs[-1] = runs[-1].around(box)
            else:
                runs.append(box)
        return max(runs, key=lambda box: box.area, default=Box(0, 0, 0, 0))


def read_product(path: Path) -> Product:
    """Return what a file and its name tell.

    Raises
    ------
    ImageError
        The file is damaged.
    InputError
        A layer that is needed is missing, or the dates are not known.
    """
    header = read_gunw(path)
    missing = [name for name in REQUIRED if name not in header.fills]
    if missing:
        message = f"{path.name}: it has no {' and no '.join(missing)}, get the product again"
        raise InputError(message)
    named = _NAME.match(path.name)
    dates = dates_in(f"{named['later']}_{named['earlier']}") if named else _dates_of_granules(header)
    if dates is None:
        message = f"{path.name}: neither its name nor its input images tell two dates; give it back its first name"
        raise InputError(message)
    direction = _DIRECTIONS[named["direction"]] if named else _direction(header.orbit_direction)
    clock = named["time"] if named else None
    return Product(
        header=header,
        dates=dates,
        track=int(named["track"]) if named else None,
        direction=direction,
        version=tuple(int(part) for part in named["version"].split("_")) if named else (),
        seconds=_middle(header.times) or (None if clock is None else _seconds(clock)),
    )


def _direction(text: str | None) -> str | None:
    return _DIRECTIONS.get((text or " ")[0].upper())


def _dates_of_granules(header: GunwHeader) -> DatePair | None:
    """Return the dates in the names of the input images, reference before secondary."""
    if len(header.granules) != 2:  # noqa: PLR2004 - reference and secondary
        return None
    days = [re.search(r"_(\d{8})T\d{6}", text) for text in header.granules]
    return dates_in("_".join(found[1] for found in days if found))


def _seconds(clock: str) -> float:
    return int(clock[:2]) * 3600.0 + int(clock[2:4]) * 60.0 + int(clock[4:])


def _middle(times: Sequence[str]) -> float | None:
    """Return the second of the day halfway between two moments; whole, as MintPy takes it."""
    clocks = [re.search(r"(\d{2}):(\d{2}):(\d{2}(?:\.\d+)?)", text) for text in times]
    seconds = [int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) for found in clocks if found]
    if len(seconds) != 2:  # noqa: PLR2004 - first and last
        return None
    last = seconds[1] + (86400 if seconds[1] < seconds[0] else 0)
    return float(math.floor((seconds[0] + last) / 2 % 86400))


def of_one_track(products: Sequence[Product], report: Report) -> list[Product]:
    """Return the products of the track and direction that most have."""
    if not products:
        return []
    counted = Counter((one.track, one.direction) for one in products)
    most = max(counted.values())
    chosen = min((key for key, count in counted.items() if count == most), key=str)
    kept = []
    for one in products:
        if (one.track, one.direction) == chosen:
            kept.append(one)
        else:
            report.leave_out(one.name, f"it is of {_track(one.track, one.direction)}, most are of {_track(*chosen)}")
    return kept


def _track(track: int | None, direction: str | None) -> str:
    number = "an unknown track" if track is None else f"track {track}"
    return f"{number} {(direction or '').lower()}".strip()


def grouped(products: Sequence[Product], lattice: Lattice, report: Report) -> list[Frames]:
    """Return the frames of every pair; of a frame that is there twice, the newest version counts."""
    of_pair: dict[Pair, list[Product]] = {}
    for one in products:
        of_pair.setdefault(one.pair, []).append(one)
    return [_frames(pair, of_pair[pair], lattice, report) for pair in sorted(of_pair)]


def _frames(pair: Pair, found: Sequence[Product], lattice: Lattice, report: Report) -> Frames:
    kept: list[tuple[Box, Product]] = []
    for one in sorted(found, key=lambda one: (one.version, one.name), reverse=True):
        box = lattice.box_of(one.header.grid)
        same = next((other for other, _ in kept if box.cut(other).area > SAME_FRAME * min(box.area, other.area)), None)
        if same is None:
            kept.append((box, one))
            continue
        newer = next(product for other, product in kept if other == same)
        report.note(f"{one.name} covers the frame of {newer.name}, which is newer: it is not used")
    kept.sort(key=lambda item: (item[0], item[1].name))
    return Frames(pair, tuple(product for _, product in kept), tuple(box for box, _ in kept))


def common_area(found: Sequence[Frames], wanted: Box | None, extent: str, report: Report) -> tuple[list[Frames], Box]:
    """Return the pairs that are used, and the area that they are joined on.

    Parameters
    ----------
    found : sequence of Frames
        All pairs.
    wanted : Box or None
        The user's area.
    extent : {"same", "common", "union"}
        What all pairs cover, without those that lack frames; what all cover; or what any covers.
    report : Report
        Takes the pairs left out.

    Raises
    ------
    InputError
        No pair is left, or they have no area in common.
    """
    whole = around(box for one in found for box in one.boxes)
    area = whole if wanted is None else whole.cut(wanted)
    touching = []
    for one in found:
        inside = one.within(area)
        if inside.products:
            touching.append(inside)
        else:
            report.leave_out(one.name, "it lies outside the area")
    if not touching:
        message = f"none of {len(found)} pairs lies in the area: correct the subset"
        raise InputError(message)
    if extent == "union":
        area = area.cut(around(box for one in touching for box in one.boxes))
        if area.area > MAX_PIXELS:
            message = f"the products cover {area.shape[0]} x {area.shape[1]} px: give an area (subset_lalo)"
            raise InputError(message)
        return touching, area
    kept = touching if extent == "common" else _with_all_frames(touching, area, report)
    for one in kept:
        area = area.cut(one.covered(area))
    if not area.area:
        message = f"the {len(kept)} pairs have no area in common: leave out those that lie elsewhere, or take the union"
        raise InputError(message)
    return [one.within(area) for one in kept], area


def _with_all_frames(found: Sequence[Frames], area: Box, report: Report) -> list[Frames]:
    """Leave out pairs that cover much less of the area than most do: they lack frames."""
    covered = [one.covered(area).area for one in found]
    usual = sorted(covered)[len(covered) // 2]
    kept = []
    for one, pixels in zip(found, covered, strict=True):
        if pixels >= COVERED * usual:
            kept.append(one)
        else:
            share = 100 * pixels / usual
            report.leave_out(
                one.name,
                f"its frames cover {share:.0f} % of what most pairs cover: get the missing ones, or set extent",
            )
    return kept
