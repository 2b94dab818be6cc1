"""What an inversion of a work folder reads: layer, weights, pairs, reference pixel, masks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block
from creepmeter.errors import ConfigError, InputError
from creepmeter.inversion.interferograms import (
    Observations,
    PhaseBlock,
    certain_median,
    independent_looks,
    require_solvable,
)
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.network import Network
from creepmeter.workflow.sbas.folder import COHERENCE
from creepmeter.workflow.sbas.maps import find, read_mask, used_pairs

logger = logging.getLogger(__name__)
Values = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Rooms = dict[str, Values]  # memory of a thread, by dataset

PREFIX = "mintpy.networkInversion."
_PHASE = "unwrapPhase"
_OWN = ("CREEPMETER_", "MODIFICATION_", "Conventions", "FILE_PATH")
_FULL_COPIES = 8  # double-precision numbers per pair and pixel of the solver with robust norms


@dataclass(frozen=True)
class InversionPlan:
    """What an inversion reads and writes.

    Parameters
    ----------
    stack : StackFile
        The stack.
    dataset, quality : str
        Layers that are inverted, and that tell how well they are known (None: nothing does).
    pairs : array of int
        Places of the pairs that are used.
    observations : Observations
        What they are.
    options : NetworkInversionOptions
        How.
    wanted : array of bool, (y, x)
        Pixels to invert.
    reference : (int, int) or None
        Reference pixel of phases.
    """

    stack: StackFile
    dataset: str
    quality: str | None
    pairs: npt.NDArray[np.intp]
    observations: Observations
    options: NetworkInversionOptions
    wanted: Bools
    reference: tuple[int, int] | None

    @property
    def mask(self) -> str | None:
        """Layer that leaves single measurements out."""
        return self.options.mask_dataset

    def bytes_per_pixel(self, *, full: bool) -> float:
        """Return the memory of a pixel; `full` with the solver of robust norms and errors."""
        names = [name for name in (self.dataset, self.quality, self.mask) if name is not None]
        sizes = [self.stack.read(name, slice(0, 1), pairs=slice(0, 1)).itemsize for name in names]
        dates = len(self.observations.network.epochs)
        return len(self.pairs) * (sum(sizes) + 8 * _FULL_COPIES * full) + 8.0 * dates * (1 + full)

    def attributes(self, kind: str, unit: str) -> dict[str, str]:
        """Return the attributes of a product."""
        kept = {key: value for key, value in self.stack.attributes.items() if not key.startswith(_OWN)}
        return {**kept, **_said(self), "FILE_TYPE": kind, "UNIT": unit}

    def read(self, block: Block, wanted: Bools, rooms: Rooms | None = None) -> PhaseBlock:
        """Return the pixels of a block, in memory that blocks before it filled."""
        held = {} if rooms is None else rooms

        def layer(name: str | None) -> Values | None:
            if name is None:
                return None
            found = self.stack.read(name, block.y, pairs=self.pairs, columns=block.x, room=held.get(name))
            held.setdefault(name, found)  # of the first block, which is the tallest
            return found

        obs = layer(self.dataset)
        assert obs is not None  # noqa: S101 - it has a name
        return PhaseBlock(obs, wanted, layer(self.quality), layer(self.mask))


def chosen_dataset(stack: StackFile, asked: str | None) -> str:
    """Return the layer to invert: as asked, else the phase with most corrections, else the phase as loaded.

    Raises
    ------
    InputError
        The stack has none of that name.
    """
    if asked is not None:
        if asked not in stack.names:
            message = f"{stack.path} has no dataset {asked!r}: choose from {', '.join(stack.names)}"
            raise InputError(message)
        return asked
    phases = [name for name in stack.names if name == _PHASE or name.startswith(f"{_PHASE}_")]
    if not phases:
        found = ", ".join(stack.names)
        message = f"{stack.path} has no dataset {_PHASE!r} but {found}: name the one to invert (-i rangeOffset)"
        raise InputError(message)
    return max(phases, key=lambda name: (name.count("_"), len(name)))


def plan_inversion(stack: StackFile, folder: Path, options: NetworkInversionOptions) -> InversionPlan:
    """Plan an inversion; only single pixels are read.

    Parameters
    ----------
    stack : StackFile
        Interferograms with a reference pixel, or offsets.
    folder : Path
        Work folder, where masks are looked for.
    options : NetworkInversionOptions
        How.

    Raises
    ------
    InputError
        No reference pixel, or none with data; no such dataset.
    ConfigError
        Weights or masks that the stack cannot give.
    """
    dataset = chosen_dataset(stack, options.obs_dataset)
    is_phase = dataset.startswith(_PHASE)
    pairs = used_pairs(stack)
    network = Network(tuple(stack.pairs[k] for k in pairs))
    islands = len(network.islands())
    if islands > 1:
        logger.warning("%s: the network has %d islands, bridged by a minimum norm", stack.path, islands)
    if options.mask_dataset is not None and options.mask_dataset not in stack.names:
        message = f"{stack.path} has no dataset {options.mask_dataset!r} to mask with: it has {', '.join(stack.names)}"
        raise ConfigError(message)
    reference, pixel = _reference(stack, dataset, pairs) if is_phase else (np.zeros(len(pairs), np.float32), None)
    looks = independent_looks(stack.attributes) if is_phase else 1
    middle = _middle(stack, dataset, pairs, options)
    observations = Observations(network, reference, _scale(stack, dataset), looks, is_phase=is_phase, middle=middle)
    require_solvable(options, observations)
    quality = _quality_of(stack, dataset, options, is_phase=is_phase)
    wanted = _wanted(stack, folder, options, is_phase=is_phase)
    return InversionPlan(stack, dataset, quality, pairs, observations, options, wanted, pixel)


def _scale(stack: StackFile, dataset: str) -> float:
    """Return metres per unit: of phase toward the satellite, of offsets as MintPy counts them."""
    if dataset.startswith(_PHASE):
        return -_number(stack, "WAVELENGTH") / (4 * np.pi)
    if stack.attributes.get("PROCESSOR") == "cosicorr":
        return 1.0  # metres
    if dataset.startswith("range"):
        return -_number(stack, "RANGE_PIXEL_SIZE") / _number(stack, "RLOOKS", 1.0)
    size = _number(stack, "AZIMUTH_PIXEL_SIZE") / _number(stack, "ALOOKS", 1.0)
    radius, height = _number(stack, "EARTH_RADIUS", 6_371_000.0), _number(stack, "HEIGHT", 0.0)
    return size * radius / (radius + height)  # from the orbit to the ground


def _number(stack: StackFile, name: str, default: float | None = None) -> float:
    found = number_of(stack.attributes, name, stack.path)
    value = default if found is None else found
    if value is None:
        message = f"{stack.path} has no attribute {name}: load the stack again"
        raise InputError(message)
    return value


def _reference(stack: StackFile, dataset: str, pairs: npt.NDArray[np.intp]) -> tuple[Values, tuple[int, int]]:
    """Return the phase of the reference pixel, NaN in pairs where it has none."""
    pixel = stack.reference
    if pixel is None:
        message = f"{stack.path} has no reference pixel (REF_Y, REF_X): run reference_point first"
        raise InputError(message)
    values = stack.pixel(dataset, *pixel)[pairs].astype(np.float32)
    given = (
        values
        if dataset == "unwrapPhase" or "unwrapPhase" not in stack.names
        else stack.pixel("unwrapPhase", *pixel)[pairs]
    )
    missing = (given == 0) | ~np.isfinite(given) | ~np.isfinite(values)  # corrected phase is 0 there: it is referred
    where = f"reference pixel (row {pixel[0]}, column {pixel[1]})"
    if missing.all():
        message = f"{stack.path}: the {where} has no {dataset} in any pair: choose another with reference_point"
        raise InputError(message)
    if missing.any():
        listed = ", ".join(str(stack.pairs[k]) for k in pairs[missing])
        logger.warning(
            "%s: the %s has no %s in %d pair(s), left out: %s", stack.path, where, dataset, missing.sum(), listed
        )
    return np.where(missing, np.float32(np.nan), values), pixel


def _middle(
    stack: StackFile, dataset: str, pairs: npt.NDArray[np.intp], options: NetworkInversionOptions
) -> Values | None:
    """Return the median of the certain offsets of each pair, where a mask needs it."""
    name = options.mask_dataset
    if name is None or not name.endswith("Std"):
        return None
    each = [(stack.read_pair(dataset, k), stack.read_pair(name, k)) for k in pairs.tolist()]
    return np.array([certain_median(obs, spread, options.mask_threshold) for obs, spread in each])


def _quality_of(stack: StackFile, dataset: str, options: NetworkInversionOptions, *, is_phase: bool) -> str | None:
    name = "coherence" if is_phase else f"{dataset}Std"
    if name in stack.names:
        return name if options.weight_func != "no" or options.sigma else None
    if options.weight_func == "no":
        return None
    message = f"{stack.path} has no dataset {name!r} for weights {options.weight_func!r}: use weights no"
    raise ConfigError(message)


def _wanted(stack: StackFile, folder: Path, options: NetworkInversionOptions, *, is_phase: bool) -> Bools:
    """Return the pixels to invert: land, with some coherence."""
    wanted = np.ones(stack.shape[1:], bool)
    name = options.water_mask_file
    if name is not None:
        path = find(folder, name)
        if path is not None:
            wanted &= read_mask(path, stack.shape[1:])
        elif name != NetworkInversionOptions().water_mask_file:
            message = f"water mask {name} is not in {folder}: give another, or none"
            raise InputError(message)
    coherence = find(folder, COHERENCE) if is_phase else None
    if coherence is not None:
        values = read_map(coherence)
        if values.shape == wanted.shape:
            wanted &= values != 0
    return wanted


def _said(plan: InversionPlan) -> dict[str, str]:
    """Return the options as MintPy writes them into attributes."""
    options = plan.options
    values = {
        "obsDatasetName": plan.dataset,
        "numIfgram": len(plan.pairs),
        "weightFunc": options.weight_func,
        "maskDataset": options.mask_dataset or False,
        "maskThreshold": options.mask_threshold,
        "minRedundancy": options.min_redundancy,
        "minNormVelocity": options.min_norm_velocity,
        "residualNorm": options.residual_norm,
    }
    return {f"{PREFIX}{name}": str(value) for name, value in values.items()}
