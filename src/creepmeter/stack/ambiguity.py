"""Unwrapping errors of whole regions, from the closure of triplets.

Around a triplet of pairs the true phase closes. Where unwrapped phase does not, by K whole cycles, some pairs need U
cycles: C U = -K. Few pairs are wrong, so the sum of abs(U) is made small, at a sample of pixels of each common region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.stack.closure import draw_pixels
from creepmeter.stack.regions import Mask, Regions, find_regions
from creepmeter.stack.sparse_cycles import solve_samples
from creepmeter.stack.unwrap_options import UnwrapOptions

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Phase = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CommonRegion:
    """A region that is reliable in all pairs, and the whole cycles that its triplets ask for.

    Parameters
    ----------
    samples : array of int
        Places of the sampled pixels in the flattened map.
    area : int
        Pixels of the region.
    is_reference : bool
        It holds the reference pixel: its cycles are zero.
    cycles : array of int, (pair,)
        Cycles to add in each pair; empty before they are found.
    """

    samples: Indices
    area: int
    is_reference: bool
    cycles: Indices


def common_regions(
    common: Mask, reference: tuple[int, int], *, land: Mask | None = None, options: UnwrapOptions | None = None
) -> list[CommonRegion]:
    """Return the regions that all pairs have in common, the largest first, with samples of each.

    Parameters
    ----------
    common : array of bool, (y, x)
        True where every pair lies in a connected component.
    reference : (int, int)
        Row and column of the reference pixel.
    land : array of bool, (y, x), optional
        False = water.
    options : UnwrapOptions, optional
        Area of regions, number of samples. A region of fewer pixels gives all of them.
    """
    options = options or UnwrapOptions()
    regions = find_regions(np.asarray(common != 0, np.int16), land, min_area=options.conn_comp_min_area)
    areas = np.bincount(regions.labels.ravel(), minlength=regions.count + 1)
    home = regions.labels[reference]
    found = [
        CommonRegion(
            draw_pixels(regions.labels == k, options.num_sample), int(areas[k]), bool(k == home), np.zeros(0, np.int64)
        )
        for k in range(1, regions.count + 1)
    ]
    return sorted(found, key=lambda region: -region.area)


def triplet_design(pairs: Sequence[Pair]) -> tuple[Floats, Indices]:
    """Return the triplets of pairs as a matrix, (triplet, pair), and as indices ij, jk, ik, (triplet, 3)."""
    loops = Network(tuple(pairs)).loops()
    design = np.zeros((len(loops), len(pairs)))
    for place, sign in enumerate((1.0, 1.0, -1.0)):
        design[np.arange(len(loops)), loops[:, place]] = sign
    return design, loops


def closure_cycles(phase: npt.NDArray[Any], loops: Indices) -> Indices:
    """Return by how many whole cycles triplets do not close, once the wrapped closure is taken out.

    Parameters
    ----------
    phase : array, (pair, sample)
        Unwrapped phase relative to the reference pixel, radians; NaN closes.
    loops : array of int, (triplet, 3)
        Pairs ij, jk, ik.

    Returns
    -------
    array of int, (sample, triplet)
    """
    values = np.asarray(phase, np.float64)
    closure = values[loops[:, 0]] + values[loops[:, 1]] - values[loops[:, 2]]
    # of closures from -pi to pi, the first included, nothing is left
    return np.asarray(np.floor((np.nan_to_num(closure) + np.pi) / (2.0 * np.pi)), np.int64).T


def solve_regions(
    regions: Sequence[CommonRegion], phase: npt.NDArray[Any], pairs: Sequence[Pair]
) -> list[CommonRegion]:
    """Find the cycles of each region.

    Parameters
    ----------
    regions : sequence of CommonRegion
        From `common_regions`.
    phase : array, (pair, sample)
        Phase of all samples of all regions, in their order, relative to the reference pixel, radians.
    pairs : sequence of Pair
        The pairs.

    Notes
    -----
    Minimises |C U + K|^2 + 0.01 |U|_1 at each sample, rounds, and takes the median. Pairs in no triplet get nothing.

    References
    ----------
    Yunjun, Fattahi and Amelung (2019), doi:10.1016/j.cageo.2019.104331.
    """
    design, loops = triplet_design(pairs)
    tied = np.flatnonzero(design.any(axis=0))
    ends = np.cumsum([len(region.samples) for region in regions])
    found = []
    for region, end in zip(regions, ends, strict=True):
        cycles = np.zeros(len(pairs), np.int64)
        if not region.is_reference:
            closures = closure_cycles(phase[:, end - len(region.samples) : end], loops)
            cycles[tied] = solve_samples(design[:, tied], closures)
        found.append(replace(region, cycles=cycles))
    return found


def cycles_of_pair(regions: Regions, common: Sequence[CommonRegion], pair: int, reference: tuple[int, int]) -> Floats:
    """Return the cycles that each region of one pair needs, (region + 1,).

    A region takes the cycles of the largest common region all of whose samples lie in it. The region of the reference
    pixel takes none.
    """
    cycles = np.zeros(regions.count + 1)
    taken = {0, int(regions.labels[reference])}
    flat = regions.labels.ravel()
    for region in common:
        labels = flat[region.samples]
        label = int(labels[0])
        if label not in taken and (labels == label).all():
            cycles[label] = region.cycles[pair]
            taken.add(label)
    return cycles
