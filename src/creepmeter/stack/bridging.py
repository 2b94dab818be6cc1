"""Unwrapping errors between regions, by bridges: the phase of neighbours differs by less than half a cycle.

Regions are joined by a minimum spanning tree over the shortest distances between their cores. From the reference
region outward each region takes the whole cycles that bring its median near the bridge to that of its neighbour.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.errors import GridError
from creepmeter.kernels.bridges import (
    TERMS,
    Clusters,
    add_cycles,
    box_distances,
    closest_points,
    fit_surface,
    label_boxes,
    make_clusters,
    median_around,
    refer,
)
from creepmeter.stack.regions import Regions, find_regions
from creepmeter.stack.unwrap_options import Ramp, UnwrapOptions

Phase = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_WINDOW_SHARE = 0.05  # of the shorter side of the map, at most
_MOST_PIXELS = 1_000_000  # a ramp is fitted to every so many rows and columns of a larger map
# of the terms 1, y, x, y^2, yx, x^2
_SURFACES: dict[Ramp, tuple[int, ...]] = {
    "linear": (0, 1, 2),
    "quadratic": (0, 1, 2, 3, 4, 5),
    "linear_range": (0, 2),
    "linear_azimuth": (0, 1),
    "quadratic_range": (0, 2, 5),
    "quadratic_azimuth": (0, 1, 3),
}


class Bridge(NamedTuple):
    """The shortest way between two regions: squared length in pixels, and (row, column) of its ends."""

    length2: int
    a: int
    b: int
    end_a: tuple[int, int]
    end_b: tuple[int, int]


@dataclass(frozen=True)
class Bridged:
    """One interferogram after bridging.

    Parameters
    ----------
    phase : array of float32, (y, x)
        Referred to the reference pixel, with cycles added.
    cycles : array of float64, (region + 1,)
        Whole cycles added to each region; number 0 is what lies in no region.
    problem : str
        Why nothing could be corrected; empty if all is well.
    """

    phase: Phase
    cycles: Floats
    problem: str = ""


def bridge(
    phase: npt.NDArray[Any],
    components: npt.NDArray[Any],
    reference: tuple[int, int],
    *,
    land: Mask | None = None,
    options: UnwrapOptions | None = None,
) -> Bridged:
    """Correct one interferogram.

    Parameters
    ----------
    phase : array, (y, x)
        Unwrapped phase, radians; 0 and NaN are no data and stay so.
    components : array, (y, x)
        Connected components; 0 = unreliable.
    reference : (int, int)
        Row and column of the reference pixel.
    land : array of bool, (y, x), optional
        False = water.
    options : UnwrapOptions, optional
        Area of regions, ramp, and windows.

    Raises
    ------
    GridError
        The arrays have different shapes, or the reference pixel lies outside.

    Notes
    -----
    A difference D between the medians of two regions becomes D + 2 pi n with
    n = -sign(D) floor((abs(D) + pi) / (2 pi)). Where more than `bridge_max_rad` is left, the region gets the cycles of
    its neighbour instead, so that the two stay as unwrapping had them.

    References
    ----------
    Yunjun, Fattahi and Amelung (2019), doi:10.1016/j.cageo.2019.104331.
    """
    options = options or UnwrapOptions()
    given = np.ascontiguousarray(phase, np.float32)
    _check(given, components, reference)
    out = np.empty_like(given)
    datum = float(given[reference])
    if not np.isfinite(datum):
        out[:] = given
        return Bridged(out, np.zeros(1), "no phase at the reference pixel")
    regions = find_regions(components, land, min_area=options.conn_comp_min_area)
    problem = ""
    cycles = np.zeros(regions.count + 1)
    if regions.labels[reference] == 0:
        problem = "the reference pixel lies in no region"
    elif regions.count > 1:
        cycles = region_cycles(given, regions, reference, options)
    write_corrected(given, regions, cycles, datum, out)
    return Bridged(out, cycles, problem)


def write_corrected(phase: Phase, regions: Regions, cycles: Floats, datum: float, out: Phase) -> None:
    """Write phase less a datum, with whole cycles added to regions; no data stays no data."""
    if cycles.any():
        add_cycles(phase, regions.labels, cycles, datum, out)
    else:
        refer(phase, datum, out)


def _check(phase: Phase, components: npt.NDArray[Any], reference: tuple[int, int]) -> None:
    if phase.shape != components.shape:
        message = f"phase has shape {phase.shape} and its connected components {components.shape}: both need one grid"
        raise GridError(message)
    if not all(0 <= place < size for place, size in zip(reference, phase.shape, strict=True)):
        message = f"the reference pixel {reference} lies outside the map of {phase.shape} pixels: choose one inside"
        raise GridError(message)


def region_cycles(phase: Phase, regions: Regions, reference: tuple[int, int], options: UnwrapOptions) -> Floats:
    """Return the whole cycles that each region needs, (region + 1,); see `bridge`."""
    cycles = np.zeros(regions.count + 1)
    root = int(regions.labels[reference])
    if root == 0 or regions.boundary is None:
        return cycles
    half = int(min(options.bridge_points_radius, _WINDOW_SHARE * min(phase.shape)))
    surface = _ramp(phase, regions, root, options.ramp)
    for near, far, bridge_ in outward(find_bridges(regions), root):
        ends = {bridge_.a: bridge_.end_a, bridge_.b: bridge_.end_b}
        known, new = (median_around(phase, regions.labels, k, ends[k], half, surface) for k in (near, far))
        difference = new - (known + 2.0 * np.pi * cycles[near])
        cycles[far] = _whole_cycles(difference, cycles[near], options.bridge_max_rad)
    return cycles


def _whole_cycles(difference: float, as_given: float, most: float) -> float:
    """Return the cycles that bring a difference within half a cycle; as given, where more than `most` is left."""
    if not np.isfinite(difference):
        return 0.0
    found = 0.0 - np.sign(difference) * ((abs(difference) + np.pi) // (2.0 * np.pi))
    is_sure = most >= np.pi or abs(difference + 2.0 * np.pi * found) <= most
    return float(found if is_sure else as_given)


def _ramp(phase: Phase, regions: Regions, root: int, ramp: Ramp) -> Floats:
    if ramp == "no":
        return np.zeros(TERMS)
    step = int(np.ceil(np.sqrt(phase.size / _MOST_PIXELS)))
    return fit_surface(phase, regions.labels, root, np.array(_SURFACES[ramp]), step)


def find_bridges(regions: Regions) -> list[Bridge]:
    """Return the minimum spanning tree of regions over the distances between their cores.

    Among equal distances the one between regions of lower number comes first. Only those distances are measured that
    could belong to the tree.
    """
    if regions.boundary is None:
        return []
    rows, columns = regions.labels.shape
    clusters = make_clusters(regions.boundary, regions.count, (rows, columns))
    least = box_distances(label_boxes(clusters))
    a, b = np.triu_indices(regions.count, 1)
    # a pair waits with the distance of the boxes, and again with its true distance
    queue: list[tuple[int, int, int, int]] = [
        (int(bound), 0, int(i), int(j)) for bound, i, j in zip(least[a + 1, b + 1], a + 1, b + 1, strict=True)
    ]
    heapq.heapify(queue)
    return _grow(queue, clusters, regions.count)


def _grow(queue: list[tuple[int, int, int, int]], clusters: Clusters, count: int) -> list[Bridge]:
    tree: list[Bridge] = []
    known: dict[tuple[int, int], Bridge] = {}
    part = np.arange(count + 1)
    while queue and len(tree) < count - 1:
        _, measured, i, j = heapq.heappop(queue)
        if part[i] == part[j]:
            continue
        if measured:
            tree.append(known[i, j])
            part[part == part[j]] = part[i]
            continue
        length2, y_i, x_i, y_j, x_j = map(int, closest_points(clusters, i, j))
        known[i, j] = Bridge(length2, i, j, (y_i, x_i), (y_j, x_j))
        heapq.heappush(queue, (length2, 1, i, j))
    return tree


def outward(tree: list[Bridge], root: int) -> list[tuple[int, int, Bridge]]:
    """Return the bridges in order from the root outward, each as (nearer region, farther region, bridge)."""
    at: dict[int, list[Bridge]] = {}
    for edge in tree:
        at.setdefault(edge.a, []).append(edge)
        at.setdefault(edge.b, []).append(edge)
    found: list[tuple[int, int, Bridge]] = []
    seen, front = {root}, [root]
    while front:
        reached = []
        for near in front:
            for edge in at.get(near, []):
                far = edge.b if edge.a == near else edge.a
                if far not in seen:
                    seen.add(far)
                    reached.append(far)
                    found.append((near, far, edge))
        front = reached
    return found
