"""What the mask of a scene says of each pixel, in words that hold for every sensor."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.imagery.sensors import Kind, Sensor

CLEAR, OTHER, SNOW, SHADOW, CLOUD, MISSING = range(6)  # of two pixels that one touches, the higher counts
CODES: dict[Kind, int] = {"snow": SNOW, "shadow": SHADOW, "cloud": CLOUD, "missing": MISSING}
WORDS = ("clear", "other", "snow", "shadow", "cloud", "missing")
Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
_CLASSES = 256
_BITS = 16


@dataclass(frozen=True)
class MaskRule:
    """How the numbers of a mask are read.

    Parameters
    ----------
    sensor : Sensor
        Whose mask it is.
    classes : frozenset of int
        Classes (of Sentinel-2) or bits (of Landsat) that are masked.
    """

    sensor: Sensor
    classes: frozenset[int]

    def kinds(self, numbers: npt.NDArray[Any]) -> Codes:
        """Return what each pixel shows, masked or not."""
        found = np.full(numbers.shape, CLEAR, np.uint8)
        for kind in ("snow", "shadow", "cloud", "missing"):
            found[self._is_any(numbers, self.sensor.meanings[kind])] = CODES[kind]
        if self.sensor.mask_kind == "qa":
            found[numbers == 0] = MISSING  # a pixel that was seen has a bit, at least that of clear
        return found

    def masked(self, numbers: npt.NDArray[Any]) -> Codes:
        """Return what is masked, and why; 0 = kept."""
        kinds = self.kinds(numbers)
        chosen = self._is_any(numbers, self.classes) | (kinds == MISSING)
        return np.where(chosen, np.maximum(kinds, OTHER), CLEAR).astype(np.uint8)

    def _is_any(self, numbers: npt.NDArray[Any], classes: Collection[int]) -> Bools:
        if self.sensor.mask_kind == "scl":
            table = np.zeros(_CLASSES, bool)
            table[list(classes)] = True
            return np.asarray(table[np.clip(numbers, 0, _CLASSES - 1).astype(np.uint8)])
        bits = np.uint32(sum(1 << bit for bit in classes))
        return np.asarray((numbers.astype(np.uint32) & bits) > 0)


def mask_rule(sensor: Sensor, classes: Collection[int] | None = None, *, snow: bool = False) -> MaskRule:
    """Return how a mask is read.

    Parameters
    ----------
    sensor : Sensor
        Whose mask.
    classes : collection of int, optional
        Classes (bits) to mask. Default: those that mean missing, cloud or shadow; of Sentinel-2 0, 1, 3, 8, 9, 10.
    snow : bool
        Mask snow as well.

    Raises
    ------
    InputError
        There is no such class.
    """
    meanings = sensor.meanings
    usual = (*meanings["missing"], *meanings["cloud"], *meanings["shadow"])
    chosen = frozenset(usual if classes is None else classes) | frozenset(meanings["snow"] if snow else ())
    most = _CLASSES if sensor.mask_kind == "scl" else _BITS
    wrong = sorted(value for value in chosen if not 0 <= value < most)
    if wrong:
        what = "classes run from 0 to 255" if sensor.mask_kind == "scl" else "bits run from 0 to 15"
        message = f"mask classes {', '.join(map(str, wrong))}: {what} for {sensor.name}"
        raise InputError(message)
    return MaskRule(sensor, chosen)
