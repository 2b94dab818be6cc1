"""Frames of one pair joined: whole cycles between them from the overlap, one numbering of the connected components."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from creepmeter.interferograms.aria_products import Box, Lattice
from creepmeter.io.layers import Layer
from creepmeter.model.grid import Grid

_LOG = logging.getLogger(__name__)
Values = npt.NDArray[Any]
Node = TypeVar("Node", bound=Hashable)
Kind = Literal["phase", "component", "plain"]
CYCLE = 2 * np.pi
_LEAST_PX = 10  # an overlap of fewer pixels tells nothing
_MOST_PX = 2_000_000  # of an overlap that are looked at: every n-th beyond
_STRIP_ROWS = 256
_TABLE = 65_536  # components that are numbered by a table
_WARN_RAD = 0.5


@dataclass(frozen=True)
class OnLattice:
    """A map on its own grid, seen on the lattice: the nearest pixel; windows count from the corner of its box.

    Parameters
    ----------
    layer : Layer
        Source.
    source : Grid
        Its grid.
    lattice : Lattice
        The lattice.
    box : Box
        Part of it that the source covers.
    """

    layer: Layer
    source: Grid
    lattice: Lattice
    box: Box

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.box.shape

    @property
    def name(self) -> str:
        """File and dataset."""
        return self.layer.name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        down = self.lattice.rows_in(self.source, self.box)[rows]
        across = self.lattice.columns_in(self.source, self.box)[columns]
        if not down.size or not across.size:
            return self.layer.read(slice(0, 0), slice(0, 0)).reshape(down.size, across.size)
        values = self.layer.read(slice(int(down[0]), int(down[-1]) + 1), slice(int(across[0]), int(across[-1]) + 1))
        if values.shape != (down.size, across.size):
            values = values[np.ix_(down - down[0], across - across[0])]
        return values


@dataclass(frozen=True)
class Settled:
    """A map in MintPy's convention: fill values and NaN become 0.

    Parameters
    ----------
    layer : Layer
        As in the file.
    kind : {"phase", "component", "plain"}
        Components become whole numbers.
    fill : float or None
        Fill value of the file.
    sign : float
        Of phase: -1 where the file has the earlier date relative to the later.
    """

    layer: Layer
    kind: Kind
    fill: float | None
    sign: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.layer.shape

    @property
    def name(self) -> str:
        """File and dataset."""
        return self.layer.name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        values = self.layer.read(rows, columns)
        missing = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
        if self.fill not in (None, 0.0) and not np.isnan(self.fill):
            missing |= values == values.dtype.type(self.fill)
        if self.kind == "component":
            return np.where(missing | (values < 0), 0, values).astype(np.int32)
        values = values.astype(np.float32)
        if self.kind == "phase" and self.sign < 0:
            values = np.where(values == 0, np.float32(0), -values)  # no negative zero
        return np.where(missing, np.float32(0), values) if missing.any() else values


@dataclass(frozen=True)
class Frame:
    """One frame of a pair on the lattice.

    Parameters
    ----------
    name : str
        Of its product.
    box : Box
        Where it lies.
    phase : Settled
        Unwrapped phase, 0 = none.
    component : Settled or None
        Connected components, 0 = none.
    """

    name: str
    box: Box
    phase: Settled
    component: Settled | None


@dataclass(frozen=True)
class Shared:
    """What two frames, or two components of them, have in common.

    Parameters
    ----------
    first, second : hashable
        The two.
    pixels : int
        How many both have measured.
    offset : float
        Median of first minus second, radians.
    """

    first: Any
    second: Any
    pixels: int
    offset: float


@dataclass(frozen=True)
class Turn:
    """How one frame is fitted to the others.

    Parameters
    ----------
    usual : float
        Radians added where no component says otherwise.
    of_component : mapping of int to float
        Radians added to single components.
    numbers : mapping of int to int
        New numbers of the components that join those of another frame.
    """

    usual: float = 0.0
    of_component: Mapping[int, float] = field(default_factory=dict)
    numbers: Mapping[int, int] = field(default_factory=dict)


class Seams:
    """How the frames of a pair are fitted together; found when it is first asked for.

    Parameters
    ----------
    label : str
        The pair, for messages.
    frames : sequence of Frame
        From north to south.
    whole_cycles : bool
        Shift by whole cycles; else by all that parts the frames.
    """

    def __init__(self, label: str, frames: Sequence[Frame], *, whole_cycles: bool = True) -> None:
        self.label = label
        self.frames = tuple(frames)
        self.whole_cycles = whole_cycles
        self._lock = threading.Lock()
        self._turns: tuple[Turn, ...] | None = None

    def __repr__(self) -> str:
        """Return what the result depends on: layers are compared by their text."""
        return f"Seams({self.frames!r}, whole_cycles={self.whole_cycles})"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """How each frame is fitted."""
        with self._lock:
            if self._turns is None:
                self._turns = self._find() if len(self.frames) > 1 else (Turn(),)
            return self._turns

    def number(self, frame: int, component: int) -> int:
        """Return a number that no component of another frame has."""
        return (component - 1) * len(self.frames) + frame + 1

    def _find(self) -> tuple[Turn, ...]:
        between_frames: list[Shared] = []
        between_components: list[Shared] = []
        for first, second in combinations(range(len(self.frames)), 2):
            found = _compare(self.frames[first], self.frames[second])
            parts = [
                Shared((first, one.first), (second, one.second), one.pixels, one.offset)
                for one in found
                if one.first and one.second
            ]
            between_components += parts
            if found:
                best = max(parts or found, key=lambda one: one.pixels)
                between_frames.append(Shared(first, second, best.pixels, best.offset))
        usual = spanned(range(len(self.frames)), between_frames, self._shift)
        self._tell(between_frames, usual)
        return self._settle(usual, between_components)

    def _shift(self, offset: float) -> float:
        return float(np.round(offset / CYCLE) * CYCLE) if self.whole_cycles else offset

    def _settle(self, usual: Mapping[int, tuple[int, float]], shared: Sequence[Shared]) -> tuple[Turn, ...]:
        """Return the turns: components that share pixels agree, and take one number."""
        nodes = sorted({node for one in shared for node in (one.first, one.second)})
        tree = spanned(nodes, shared, self._shift)
        shifts: list[dict[int, float]] = [{} for _ in self.frames]
        numbers: list[dict[int, int]] = [{} for _ in self.frames]
        for root in sorted({root for root, _ in tree.values()}):
            members = [node for node in nodes if tree[node][0] == root]
            home = min(members)
            number = min(self.number(*node) for node in members)
            for frame, component in members:
                own = tree[frame, component][1] - tree[home][1]
                shifts[frame][component] = usual[home[0]][1] + own
                numbers[frame][component] = number
        return tuple(Turn(usual[frame][1], shifts[frame], numbers[frame]) for frame in range(len(self.frames)))

    def _tell(self, shared: Sequence[Shared], usual: Mapping[int, tuple[int, float]]) -> None:
        for one in shared:
            first, second = self.frames[one.first], self.frames[one.second]
            turn = usual[one.second][1] - usual[one.first][1]
            left = one.offset - turn
            text = "%s: %s fits %s after %+.2f cycles, %.3f rad remain (median of %d pixels)"
            level = logging.WARNING if abs(left) > _WARN_RAD else logging.INFO
            _LOG.log(level, text, self.label, second.name, first.name, turn / CYCLE, left, one.pixels)
        apart = sorted({root for root, _ in usual.values()})
        if len(apart) > 1:
            names = ", ".join(self.frames[root].name for root in apart)
            _LOG.warning(
                "%s: frames share no measured pixels, the whole cycles between them are not known: %s",
                self.label,
                names,
            )


def spanned(
    nodes: Iterable[Node], edges: Iterable[Shared], shift: Callable[[float], float]
) -> dict[Node, tuple[Node, float]]:
    """Return for every node the first node of its group, and what is added to it to agree with that one.

    Groups are joined along the edges with most pixels first; those that would close a loop are not used.

    Parameters
    ----------
    nodes : iterable
        Frames or components, in order.
    edges : iterable of Shared
        Overlaps.
    shift : callable
        Offset of an edge -> what is added to its second node.
    """
    found: dict[Node, tuple[Node, float]] = {node: (node, 0.0) for node in nodes}
    order = list(found)
    place = {node: k for k, node in enumerate(order)}
    for edge in sorted(edges, key=lambda one: (-one.pixels, place[one.first], place[one.second])):
        (root, start), (other, end) = found[edge.first], found[edge.second]
        if root == other:
            continue
        change = start + shift(edge.offset) - end  # of the second group, relative to the first one's root
        keep, move = root, other
        if place[other] < place[root]:
            keep, move, change = other, root, -change
        for node in order:
            if found[node][0] == move:
                found[node] = (keep, found[node][1] + change)
    return found


def _compare(first: Frame, second: Frame) -> list[Shared]:
    """Return what the components of two frames share; component 0 stands for pixels outside all."""
    common = first.box.cut(second.box)
    if not common.area:
        return []
    every = int(np.ceil(np.sqrt(common.area / _MOST_PX)))
    parts = [
        _differences(first, second, Box(top, min(top + _STRIP_ROWS, common.bottom), common.left, common.right), every)
        for top in range(common.top, common.bottom, _STRIP_ROWS)
    ]
    offset, ours, theirs = (np.concatenate([part[k] for part in parts]) for k in range(3))
    found = _medians(offset, ours, theirs)
    if not any(one.first and one.second for one in found) and offset.size >= _LEAST_PX:
        found = [Shared(0, 0, offset.size, float(np.median(offset)))]
    return found


def _differences(first: Frame, second: Frame, area: Box, every: int) -> tuple[Values, Values, Values]:
    """Return differences of phase and the components on both sides, where both have measured."""
    ours, theirs = (_part(frame.phase, frame.box, area)[::every, ::every] for frame in (first, second))
    both = (ours != 0) & (theirs != 0)
    numbers = [
        np.ones(int(both.sum()), np.int32)
        if frame.component is None
        else _part(frame.component, frame.box, area)[::every, ::every][both]
        for frame in (first, second)
    ]
    return ours[both].astype(np.float64) - theirs[both], numbers[0], numbers[1]


def _part(layer: Layer, box: Box, area: Box) -> Values:
    return layer.read(
        slice(area.top - box.top, area.bottom - box.top), slice(area.left - box.left, area.right - box.left)
    )


def _medians(offset: Values, ours: Values, theirs: Values) -> list[Shared]:
    """Return the median offset of every pair of components that share pixels enough."""
    if not offset.size:
        return []
    code = ours.astype(np.int64) << 32 | theirs.astype(np.int64)
    order = np.argsort(code, kind="stable")
    codes, starts = np.unique(code[order], return_index=True)
    groups = np.split(offset[order], starts[1:])
    return [
        Shared(int(one >> 32), int(one & 0xFFFFFFFF), group.size, float(np.median(group)))
        for one, group in zip(codes, groups, strict=True)
        if group.size >= _LEAST_PX
    ]


@dataclass(frozen=True)
class Stitched:
    """One layer of a pair on the area: where frames overlap, the first that has measured a phase counts, else the last.

    Parameters
    ----------
    layers : tuple of Settled
        One per frame.
    kind : {"phase", "component", "plain"}
        Phase is turned, components are numbered anew.
    seams : Seams
        How the frames fit.
    box : Box
        The area.
    """

    layers: tuple[Settled, ...]
    kind: Kind
    seams: Seams
    box: Box

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.box.shape

    @property
    def name(self) -> str:
        """File and dataset of the first frame."""
        return self.layers[0].name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        top, bottom, _ = rows.indices(self.shape[0])
        left, right, _ = columns.indices(self.shape[1])
        window = Box(top + self.box.top, bottom + self.box.top, left + self.box.left, right + self.box.left)
        dtype = np.int32 if self.kind == "component" else np.float32
        result = np.zeros((max(bottom - top, 0), max(right - left, 0)), dtype)
        free = np.ones(result.shape, bool)
        for k in range(len(self.seams.frames)):
            frame = self.seams.frames[k]
            part = frame.box.cut(window)
            if not part.area:
                continue
            inside = (
                slice(part.top - window.top, part.bottom - window.top),
                slice(part.left - window.left, part.right - window.left),
            )
            use = free[inside]
            if not use.any():
                continue
            result[inside] = np.where(use, self._fitted(k, part), result[inside])
            if any(other.box.cut(part).area for other in self.seams.frames[k + 1 :]):
                free[inside] &= _part(frame.phase, frame.box, part) == 0
        return result

    def _fitted(self, frame: int, area: Box) -> Values:
        """Return the values of one frame, turned or numbered to fit the others."""
        whole = self.seams.frames[frame]
        values = _part(self.layers[frame], whole.box, area)
        if len(self.seams.frames) == 1 or self.kind == "plain":
            return values
        turn = self.seams.turns[frame]
        if self.kind == "component":
            return _numbered(values, turn.numbers, lambda component: self.seams.number(frame, component))
        changes = {c: change for c, change in turn.of_component.items() if change != turn.usual}
        shift: Values | np.float32 = np.float32(turn.usual)
        if changes and whole.component is not None:
            shift = np.full(values.shape, turn.usual, np.float32)
            components = _part(whole.component, whole.box, area)
            for component, change in changes.items():
                shift[components == component] = change
        return np.where(values == 0, values, values + shift)


def _numbered(values: Values, numbers: Mapping[int, int], usual: Callable[[int], int]) -> Values:
    """Return components under their new numbers."""
    most = int(values.max(initial=0))
    if most > _TABLE:
        found, inverse = np.unique(values, return_inverse=True)
    else:
        found, inverse = np.arange(most + 1), values
    new = np.array([numbers.get(int(one), usual(int(one))) if one else 0 for one in found], np.int32)
    return new[inverse].reshape(values.shape)
