"""Errors of a series for those of its velocity: the covariance of its dates, from the stack or from MintPy's file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block
from creepmeter.errors import ConfigError, InputError, StoreError
from creepmeter.inversion.interferograms import combined_variance
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.io.mintpy import hdf
from creepmeter.io.mintpy.product import list_datasets, read_attributes
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.provenance import digest_file, digest_text
from creepmeter.model.epoch import Epochs
from creepmeter.workflow.sbas.folder import WorkFolder, layer_identity
from creepmeter.workflow.sbas.inversion_plan import PREFIX, InversionPlan, plan_inversion

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_STACK_KINDS = ("ifgramStack", "offsetStack")
_RANK = 4  # date, date, y, x
_SAID = {
    "obs_dataset": "obsDatasetName",
    "weight_func": "weightFunc",
    "mask_dataset": "maskDataset",
    "mask_threshold": "maskThreshold",
    "min_norm_velocity": "minNormVelocity",
    "residual_norm": "residualNorm",
}
_WAY_OUT = "invert again, or use uncertainty residue (--uq)"


class SeriesErrors(Protocol):
    """The covariance of the dates of a series."""

    @property
    def path(self) -> Path:
        """The file it comes from."""

    @property
    def numbers(self) -> float:
        """Numbers of eight bytes that a pixel takes."""

    def digest(self) -> str:
        """Return what tells one covariance from another."""

    def variance(self, block: Block, combinations: Floats, pixels: Bools) -> Floats:
        """Return the variance (term, pixel) of combinations (term, time) at the pixels of a block that are marked."""


@dataclass(frozen=True)
class StoredCovariance:
    """An n by n covariance for each pixel, as MintPy writes with ``--calc-cov``.

    Parameters
    ----------
    path : Path
        File.
    name : str
        Dataset (time, time, y, x).
    dates : int
        Number of dates.
    """

    path: Path
    name: str
    dates: int

    @property
    def numbers(self) -> float:
        """Numbers of eight bytes that a pixel takes."""
        return 2.0 * self.dates**2

    def digest(self) -> str:
        """Return that of the file."""
        return digest_file(self.path)

    def variance(self, block: Block, combinations: Floats, pixels: Bools) -> Floats:
        """Return the variance (term, pixel) of combinations (term, time) at the pixels of a block that are marked."""
        with hdf.reading(self.path) as file:
            held = np.asarray(file[self.name][:, :, block.y, block.x], np.float64)
        covariance = held.reshape(self.dates, self.dates, -1)[:, :, pixels]
        return np.asarray(np.einsum("ki,ijp,kj->kp", combinations, covariance, combinations))


@dataclass(frozen=True)
class StackCovariance:
    """The covariance as the network inversion has it, found anew from the pairs.

    Parameters
    ----------
    plan : InversionPlan
        How the series was inverted.
    """

    plan: InversionPlan

    @property
    def path(self) -> Path:
        """The stack."""
        return self.plan.stack.path

    @property
    def numbers(self) -> float:
        """Numbers of eight bytes that a pixel takes."""
        return self.plan.bytes_per_pixel(full=True) / 8

    @cached_property
    def _reference_coherence(self) -> Values | None:
        plan = self.plan
        if plan.reference is None or plan.quality is None:
            return None
        return plan.stack.pixel(plan.quality, *plan.reference)[plan.pairs]

    def digest(self) -> str:
        """Return that of the layers it is made from."""
        plan = self.plan
        names = [name for name in (plan.dataset, plan.quality, plan.mask) if name is not None]
        layers = [layer_identity(plan.stack, name) for name in names]
        return digest_text(plan.options.model_dump(mode="json"), plan.stack.digest(names), layers)

    def variance(self, block: Block, combinations: Floats, pixels: Bools) -> Floats:
        """Return the variance (term, pixel) of combinations (term, time) at the pixels of a block that are marked."""
        plan = self.plan
        read = plan.read(block, pixels.reshape(block.shape))
        found = combined_variance(read, plan.observations, plan.options, combinations, self._reference_coherence)
        return found.reshape(len(combinations), -1)[:, pixels]


def errors_of_series(
    series: Path, attributes: dict[str, str], dates: Epochs, shape: tuple[int, int], given: str | None
) -> SeriesErrors:
    """Return the covariance of the dates of a series.

    Parameters
    ----------
    series : Path
        File of the series.
    attributes : dict
        Its attributes, which say how it was inverted.
    dates : array of datetime64
        Its dates.
    shape : (int, int)
        Its rows and columns.
    given : str, optional
        MintPy's file of covariances, or the stack; by default the stack of the folder.

    Raises
    ------
    ConfigError
        There is no stack, or what is given holds no covariance.
    InputError
        Stack or file do not belong to the series.
    """
    path = _source_of(series, given)
    if read_attributes(path).get("FILE_TYPE") in _STACK_KINDS:
        return StackCovariance(_plan_of(series, attributes, dates, shape, StackFile.open(path)))
    held = list_datasets(path)
    name = next((name for name, (found, _) in held.items() if len(found) == _RANK), None)
    if name is None:
        message = (
            f"{path} holds no covariance of dates: give the stack that {series.name} was inverted from, or "
            "timeseriesCov.h5 of MintPy (--ts-cov, mintpy.timeFunc.timeSeriesCovFile)"
        )
        raise ConfigError(message)
    if held[name][0] != (len(dates), len(dates), *shape):
        message = f"{path} has other dates or pixels than {series}: make it from the same inversion"
        raise InputError(message)
    return StoredCovariance(path, name, len(dates))


def _source_of(series: Path, given: str | None) -> Path:
    if given is not None:
        path = next((place for place in (series.parent / given, Path(given)) if place.is_file()), None)
        if path is None:
            message = f"covariance of the series: {series.parent / given} is not there; correct the name, or {_WAY_OUT}"
            raise ConfigError(message)
        return path
    try:
        return WorkFolder(series.parent).stack_path()
    except StoreError as problem:
        message = (
            f"uncertainty covariance needs the stack that {series} was inverted from, and there is none in "
            f"{series.parent / 'inputs'}: name it (--ts-cov), or use uncertainty residue (--uq)"
        )
        raise ConfigError(message) from problem


def _plan_of(
    series: Path, attributes: dict[str, str], dates: Epochs, shape: tuple[int, int], stack: StackFile
) -> InversionPlan:
    """Return how a series was inverted, by its attributes."""
    told: dict[str, Any] = {field: attributes.get(f"{PREFIX}{name}") for field, name in _SAID.items()}
    known = {field: text for field, text in told.items() if text is not None}
    if "weight_func" not in known:
        message = f"{series} does not say how it was inverted ({PREFIX}weightFunc): {_WAY_OUT}"
        raise InputError(message)
    if known.get("mask_dataset") in ("False", "None", "no"):
        del known["mask_dataset"]
    options = NetworkInversionOptions.model_validate({**known, "sigma": True, "water_mask_file": None})
    plan = plan_inversion(stack, series.parent, options)
    counted = attributes.get(f"{PREFIX}numIfgram", str(len(plan.pairs)))
    ours, theirs = (found.astype("datetime64[D]") for found in (plan.observations.network.epochs, dates))
    if stack.shape[1:] != shape or not np.array_equal(ours, theirs) or counted != str(len(plan.pairs)):
        message = f"{stack.path} has other pairs, dates or pixels than {series} was inverted from: {_WAY_OUT}"
        raise InputError(message)
    return plan
