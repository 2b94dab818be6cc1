"""One offset field from several pairs of images of one motion: correlations are averaged before they are judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError, ImageError
from creepmeter.kernels import together
from creepmeter.kernels.cells import part_count
from creepmeter.kernels.chip import DONE, LOST, Images
from creepmeter.kernels.correlate import chips_down, choose_cell, search_chips
from creepmeter.kernels.judge import NOISE_LIMIT
from creepmeter.kernels.peaks import UNDEFINED
from creepmeter.kernels.refine import (
    CONVERGED_LATER_PX,
    CONVERGED_PX,
    CONVERGED_PX2,
    FIELDS,
    FLATTEST,
    LEAST_MOVE_PX,
    ROUNDING_PX,
    ROUNDS,
    STEEPEST,
)
from creepmeter.kernels.together import compare_chips, find_peaks, judge_chips
from creepmeter.tracking.match import (
    NEARLY_SAME,
    REACH_PX,
    ROUNDING,
    Flag,
    Measured,
    OffsetField,
    _seen_share,
    all_at,
    chip_centres,
    chip_shape,
    finish,
    flag_fine,
    flag_peaks,
    set_flag,
)
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import PreparedImage, SeenImage, filter_seen, see_image
from creepmeter.tracking.tuning import mean_spectra, measure_spectra, tuned_filter

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Prepared: TypeAlias = tuple[PreparedImage, PreparedImage]

BLOCK_BYTES = 2**26  # of the correlation surfaces of one pair that are held at once
BLOCK_CHIPS = 2**14  # that are refined together
ALIKE_PX = 4.0  # pixels that share one independent error: images are blurred
FEWEST = 0.5  # a shift counts when at least this share of the pairs of its chip has a correlation there
COMMON = 0.5  # correlation of the errors of two pairs that share one of their images


def track_ensemble(
    pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    options: TrackOptions | None = None,
    within: Bools | None = None,
) -> OffsetField:
    """Measure one offset field from several pairs of images that show the same motion.

    The correlation surfaces of all pairs are averaged before the peak is looked for, and the place is refined with all
    pairs together, each weighted by the inverse variance of what it says. So ground is followed that changes too much
    for a single pair.

    Parameters
    ----------
    pairs : sequence of (ref, sec), arrays (rows, columns)
        Earlier and later images, all on one grid; NaN = missing. One array may be in several pairs: give the same
        object, so that it is prepared once and its noise is known to be common.
    options : TrackOptions, optional
        As of `track_arrays`. Limits are those of a single pair: noise of a mean over n pairs is smaller by the root
        of n, and `min_correlation` with it; residual energies of `min_distinct` count n times.
    within : bool (rows, columns), optional
        Measure only chips whose centre is true.

    Returns
    -------
    OffsetField
        As of `track_arrays`; `correlation` is the mean over the pairs.

    Raises
    ------
    ImageError
        There is no pair, or the images differ in shape.
    ConfigError
        Chip and step have too small a common divisor, or an option is for single pairs only: ``chip_max_px``,
        ``method``, ``model``, ``robust``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> image = rng.normal(size=(64, 64))
    >>> later = [image + rng.normal(size=image.shape) for _ in range(3)]
    >>> options = TrackOptions(chip_px=16, step_px=16, search_px=4, prefilter="none")
    >>> field = track_ensemble([(image[:, 2:], one[:, :-2]) for one in later], options=options)
    >>> float(np.round(np.median(field.dx[:, 1:]), 1))
    2.0
    """
    options = options or TrackOptions()
    options.require_plain(("chip_max_px", "method", "model", "robust"), "leave it out for an ensemble of pairs")
    _require_pairs(pairs, within)
    ensemble = _Ensemble.of(pairs, options)
    row, col = chip_centres(ensemble.shape, options.chip_px, options.step_px)
    used = ensemble.usable(row, col)
    flag = np.zeros(row.shape, np.uint8)
    if within is not None:
        flag[~all_at(np.asarray(within, bool), row, col)] = Flag.NOT_WANTED
    set_flag(flag, Flag.MASKED, np.logical_not(used.any(axis=0)))
    used &= flag == 0
    peaks, counts = _search(ensemble, used)
    flag_peaks(flag, _as_of_one_pair(peaks, counts), options)
    fine = _refine(ensemble, peaks, used & (flag == 0))
    judged = fine.copy()
    judged[..., [2, 7]] *= np.sqrt(np.maximum(counts, 1))[..., None].astype(np.float32)
    seen = np.logical_or.reduce([sec.seen for _, sec in ensemble.pairs])
    flag_fine(flag, judged, replace(ensemble.pairs[0][1], seen=seen), (row, col), options, (0, 0, *options.search_yx))
    peak = np.where(peaks[..., 2] > UNDEFINED, peaks[..., 2], np.float32(np.nan))
    return finish(row, col, Measured(fine, peak, flag, np.full(flag.shape, options.chip_px, np.int16)), options)


def _require_pairs(pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]], within: Bools | None) -> None:
    if len(pairs) == 0:
        message = "there are no pairs: give at least one (ref, sec)"
        raise ImageError(message)
    shapes = [np.shape(image) for pair in pairs for image in pair] + ([] if within is None else [np.shape(within)])
    for shape in shapes[1:]:
        if shape != shapes[0]:
            message = f"the images (or `within`) differ in shape: {shapes[0]} and {shape}; crop all to one grid first"
            raise ImageError(message)


@dataclass(frozen=True)
class _Ensemble:
    """Prepared pairs of one shape, and how much of their errors pairs have in common, (pairs, pairs)."""

    pairs: Sequence[Prepared]
    common: Doubles
    options: TrackOptions

    @classmethod
    def of(cls, pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]], options: TrackOptions) -> _Ensemble:
        """See and filter the images, each once."""
        images = {id(image): image for pair in pairs for image in pair}
        keys = [(id(ref), id(sec)) for ref, sec in pairs]
        names = {key: name for keys_of in keys for key, name in zip(keys_of, ("reference", "secondary"), strict=True)}
        seen = {key: see_image(image, options=options, name=f"a {names[key]} image") for key, image in images.items()}
        tuned = _tune([(seen[ref], seen[sec]) for ref, sec in keys], options)
        prepared = {key: filter_seen(image, options, tuned) for key, image in seen.items()}
        first, second = (np.array([pair[k] for pair in keys]) for k in (0, 1))
        alike = np.equal.outer(first, first).astype(float) + np.equal.outer(second, second)
        opposed = np.equal.outer(first, second).astype(float) + np.equal.outer(second, first)
        return cls([(prepared[ref], prepared[sec]) for ref, sec in keys], COMMON * (alike - opposed), options)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the images."""
        return self.pairs[0][0].shape

    @property
    def least(self) -> float:
        """Fewest common pixels of a chip."""
        return self.options.min_valid * self.options.chip_px**2

    def usable(self, row: Doubles, col: Doubles) -> Bools:
        """Return which pairs may look at which chips, (pairs, ny, nx)."""
        chip, step = self.options.chip_px, self.options.step_px
        every = np.ones(chip_shape(self.shape, chip, step), bool)
        return np.stack(
            [
                all_at(ref.seen, row, col)
                & all_at(sec.seen, row, col)
                & (_seen_share(ref.valid, chip, step, (0, 0), every) >= self.options.min_valid)
                for ref, sec in self.pairs
            ]
        )

    def images(self) -> Iterator[Images]:
        """Return what refinement needs of each pair."""
        for ref, sec in self.pairs:
            yield ref.values, ref.solid.view(np.uint8), sec.coefficients, sec.spline_solid.view(np.uint8)


def _tune(pairs: Sequence[tuple[SeenImage, SeenImage]], options: TrackOptions) -> Floats | None:
    """Return one filter for all pairs, from the mean of their spectra."""
    if options.prefilter != "auto":
        return None
    search = options.search_yx
    spectra = [measure_spectra(ref, sec, search) for ref, sec in pairs]
    found = [one for one in spectra if one is not None]
    return tuned_filter(found[0] if len(found) == 1 else mean_spectra(found))


def _search(ensemble: _Ensemble, used: Bools) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the peaks of averaged surfaces, fields of `search_chips`, and how many pairs each chip has."""
    options = ensemble.options
    chip, step, radius = options.chip_px, options.step_px, options.search_yx
    _, ny, nx = used.shape
    cell = choose_cell(chip, step, nx)
    if cell == 0:
        message = (
            f"chip_px = {chip} and step_px = {step} have too small a common divisor for an ensemble: "
            f"choose a chip that is a multiple of the step, such as {-(-chip // step) * step}"
        )
        raise ConfigError(message)
    tile = chips_down(step // cell)  # blocks of whole tiles, so that blocks change no bit
    rows = max(1, BLOCK_BYTES // (4 * nx * (2 * radius[0] + 1) * (2 * radius[1] + 1) * tile)) * tile
    peaks = np.full((ny, nx, 7), np.nan, np.float32)
    for top in range(0, ny, rows):
        block = used[:, top : top + rows]
        wanted = block.any(axis=0)
        place, geometry = (top * step, 0, 0, 0), (chip, step, *radius)
        found = peaks[top : top + rows]
        found[wanted] = find_peaks(_mean_surfaces(ensemble, block, geometry, place)[wanted])
    return peaks, used.sum(axis=0)


def _mean_surfaces(
    ensemble: _Ensemble, used: Bools, geometry: tuple[int, int, int, int], place: tuple[int, int, int, int]
) -> Floats:
    """Return mean correlations (ny, nx, shifts, shifts) over the pairs that have them; UNDEFINED where too few do."""
    shifts = 2 * geometry[2] + 1, 2 * geometry[3] + 1
    total = np.zeros((*used.shape[1:], *shifts), np.float32)
    count = np.zeros(total.shape, np.int16)
    kept = np.empty(total.shape, np.float32)
    for (ref, sec), wanted in zip(ensemble.pairs, used, strict=True):
        kept[:] = UNDEFINED
        images = (ref.values, ref.valid, sec.values, sec.valid)
        search_chips(images, wanted, geometry, place, ensemble.least, kept)
        defined = kept > UNDEFINED
        count += defined
        total += np.where(defined, kept, np.float32(0))
    enough = count >= np.maximum(1, FEWEST * used.sum(axis=0))[..., None, None]
    return np.where(enough, total / np.maximum(count, 1), UNDEFINED).astype(np.float32)


def _as_of_one_pair(peaks: Floats, counts: npt.NDArray[np.int64]) -> Floats:
    """Return peaks with residual energies 1 - rho^2 to the power of the number of pairs: likelihoods multiply."""
    power = np.maximum(counts, 1)[..., None]
    heights = peaks[..., 2:4]
    single = np.sign(heights) * np.sqrt(1 - (1 - np.square(heights.clip(-1, 1), dtype=np.float64)) ** power)
    several = (power > 1) & (heights > UNDEFINED)
    result = peaks.copy()
    result[..., 2:4] = np.where(several, single, heights)
    return result


def _refine(ensemble: _Ensemble, peaks: Floats, used: Bools) -> Floats:
    """Return the fields of `refine_chips` per chip, of all pairs together; NaN where no pair is used."""
    fine = np.full((*used.shape[1:], FIELDS), np.nan, np.float32)
    wanted = used.any(axis=0)
    found, chosen = peaks[wanted], used[:, wanted]
    places = np.empty((len(found), 4))
    places[:, :2] = np.argwhere(wanted) * ensemble.options.step_px
    same = found[:, 2] >= NEARLY_SAME  # perhaps a shift of whole pixels: tried first, so that it comes out exact
    places[:, 2:] = np.where(same[:, None], found[:, :2], found[:, 5:7])
    result = np.full((len(found), FIELDS), np.nan, np.float32)
    for first in range(0, len(found), BLOCK_CHIPS):
        part = slice(first, first + BLOCK_CHIPS)
        result[part, 5] = _find_places(ensemble, places[part], chosen[:, part])
    done = np.flatnonzero(result[:, 5] == DONE)
    for first in range(0, len(done), BLOCK_CHIPS):
        rows = done[first : first + BLOCK_CHIPS]
        result[rows] = _judge(ensemble, places[rows], chosen[:, rows])
    fine[wanted] = result
    return fine


def _find_places(ensemble: _Ensemble, places: Doubles, used: Bools) -> Doubles:
    """Move places (chips, 4) to where all pairs together agree best, as `refine_chip` does, and return states."""
    state = np.full(len(places), float(LOST))
    start, todo = places[:, 2:].copy(), np.arange(len(places))
    before, step = np.zeros((len(places), 2)), np.zeros((len(places), 2))
    slope, last = np.ones(len(places)), np.zeros(len(places))
    for number in range(ROUNDS):
        move, failed = _common_move(ensemble, places[todo], used[:, todo])
        moved = np.isfinite(move).all(axis=1)
        state[todo[~moved]] = failed[~moved]
        todo, move = todo[moved], move[moved]
        if number > 0:
            slope[todo] = _secant_slope(before[todo] - move, step[todo], slope[todo])
        before[todo], step[todo] = move, move / slope[todo, None]
        length = np.abs(step[todo]).max(axis=1)
        if number == 0:
            step[todo[length < ROUNDING_PX]] = 0
        places[todo, 2:] -= step[todo]
        near = (np.abs(places[todo, 2:] - start[todo]) <= REACH_PX).all(axis=1)
        small = length < CONVERGED_PX
        if number > 0:
            small |= (length < CONVERGED_LATER_PX) & (length * last[todo] < CONVERGED_PX2)
        last[todo] = length
        state[todo[near & small]] = DONE
        todo = todo[near & ~small]
        if todo.size == 0:
            break
    return state


def _secant_slope(shrunk: Doubles, step: Doubles, slope: Doubles) -> Doubles:
    """Return by how much moves (n, 2) shrink per pixel gone; see `creepmeter.kernels.refine.secant_slope`."""
    power = np.square(step).sum(axis=1)
    seen = (shrunk * step).sum(axis=1) / np.maximum(power, LEAST_MOVE_PX**2)
    return np.where(power < LEAST_MOVE_PX**2, slope, seen.clip(FLATTEST, STEEPEST))


def _common_move(ensemble: _Ensemble, places: Doubles, used: Bools) -> tuple[Doubles, Doubles]:
    """Return the move (chips, 2) that all pairs ask for, by inverse variance, NaN where none can tell; and why not."""
    looks, good = np.zeros((*used.shape, together.LOOK_FIELDS)), np.zeros(used.shape, bool)
    failed = np.full(len(places), float(LOST))
    for number, (images, chosen) in enumerate(zip(ensemble.images(), used, strict=True)):
        rows = np.flatnonzero(chosen)
        look = compare_chips(images, places[rows], ensemble.options.chip_px, ensemble.least)
        done = look[:, together.STATE] == DONE
        failed[rows[~done]] = look[~done, together.STATE]
        looks[number, rows[done]], good[number, rows[done]] = look[done], True
    weight = _weights(looks, good) * looks[..., together.CORRELATION]
    yy, yx, xx = ((weight * looks[..., k]) for k in (together.H_YY, together.H_YX, together.H_XX))
    y, x = looks[..., together.MOVE_Y], looks[..., together.MOVE_X]
    right_y, right_x = (yy * y + yx * x).sum(axis=0), (yx * y + xx * x).sum(axis=0)
    yy, yx, xx = yy.sum(axis=0), yx.sum(axis=0), xx.sum(axis=0)
    determinant = yy * xx - yx**2
    determinant[determinant <= 0] = np.nan
    move = np.stack([xx * right_y - yx * right_x, yy * right_x - yx * right_y], axis=1)
    return move / determinant[:, None], failed


def _weights(looks: Doubles, good: Bools) -> Doubles:
    """Return the weight of each pair's sum of gradient times error (pairs, chips): gain over variance of the error.

    Both follow from the correlation, which in one chip of one pair is noisy: weights from weak ones would pick what
    agrees by chance. So correlations are drawn to their mean as far as their scatter is that of noise (James, Stein).
    """
    count = np.maximum(good.sum(axis=0), 1)
    found, pixels = looks[..., together.CORRELATION], looks[..., together.PIXELS]
    mean = (found * good).sum(axis=0) / count
    scatter = (np.square(found - mean) * good).sum(axis=0) / np.maximum(count - 1, 1)
    noise = (1 - mean**2) ** 2 * ALIKE_PX * count / np.maximum(pixels.sum(axis=0), 1)
    kept = np.maximum(scatter - noise, 0) / np.maximum(scatter, ROUNDING**2)
    typical = mean + kept * (found - mean)
    weight = typical / np.maximum(1 - typical**2, ROUNDING) * pixels
    return np.where(good, weight / np.where(good, looks[..., together.ENERGY], 1), 0)


def _judge(ensemble: _Ensemble, places: Doubles, used: Bools) -> Floats:
    """Return the fields of `refine_chips` at the places where pairs agree best."""
    looks, good = np.zeros((*used.shape, together.JUDGE_FIELDS)), np.zeros(used.shape, bool)
    parts: Doubles = np.zeros((len(places), part_count(ensemble.options.chip_px), 2))
    for number, (images, chosen) in enumerate(zip(ensemble.images(), used, strict=True)):
        rows = np.flatnonzero(chosen)
        look, share = judge_chips(images, places[rows], ensemble.options.chip_px, ensemble.least)
        done = look[:, together.STATE] == DONE
        looks[number, rows[done]], good[number, rows[done]] = look[done], True
        parts[rows] += share
    weight = _weights(looks, good)[..., None]
    inner = weight**2 * looks[..., together.M_YY : together.J_YY]
    slope = weight * looks[..., together.J_YY :]
    power = inner[..., 0] + inner[..., 2]
    result = np.full((len(places), FIELDS), np.nan, np.float32)
    result[:, :2], result[:, 5] = places[:, 2:], DONE
    result[:, 2] = looks[..., together.CORRELATION].sum(axis=0) / np.maximum(good.sum(axis=0), 1)
    sigma = _standard_errors(inner.sum(axis=0), slope.sum(axis=0))
    result[:, 3:5] = sigma * np.sqrt(_inflation(power, ensemble.common))[:, None]
    result[:, 6:8] = _support(parts)
    return result


def _standard_errors(inner: Doubles, slope: Doubles) -> Doubles:
    """Return sigma of dy and dx (chips, 2): J^-1 M J^-T; infinite where J is not positive."""
    a, b, c, d = slope.T
    yy, yx, xx = inner.T
    determinant = a * d - b * c
    variance = np.stack([d * d * yy - 2 * d * b * yx + b * b * xx, c * c * yy - 2 * c * a * yx + a * a * xx], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(np.maximum(variance, 0)) / determinant[:, None]
    return np.where(determinant[:, None] > 0, sigma, np.inf)


def _inflation(power: Doubles, common: Doubles) -> Doubles:
    """Return the variance of a sum over pairs (pairs, chips) that share images, over that of independent pairs."""
    root = np.sqrt(power)
    joint = np.einsum("ik,ij,jk->k", root, common, root)
    alone = np.maximum(power.sum(axis=0), 1e-300)
    return np.asarray(np.maximum(joint / alone, 1 / len(power)))


def _support(parts: Doubles) -> Doubles:
    """Return the share of pixels in parts that correlate by themselves, all pairs together, and their correlation."""
    pixels, product = parts[..., 0], parts[..., 1]
    mean = product / np.maximum(pixels, 1)
    agree = (mean > 0) & (mean**2 * pixels > NOISE_LIMIT**2)
    total = np.maximum(pixels.sum(axis=1), 1)
    return np.stack([(pixels * agree).sum(axis=1) / total, product.sum(axis=1) / total], axis=1)
