"""What the tests of the readers share: a small simulated stack, and a check of what was loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.interferograms.load import Loaded, load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.producers import find
from creepmeter.io.mintpy.product import read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.grid import Grid
from creepmeter.simulate.radar import RadarStack, simulate_radar

ROWS, COLUMNS = 20, 26


@dataclass(frozen=True)
class InMemory:
    """A layer of an array."""

    values: npt.NDArray[Any]
    name: str = "memory"
    grid: Grid | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[0], self.values.shape[1]

    def read(self, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return a window."""
        return self.values[rows, columns]


def small_stack(*, geocoded: bool = True, dates: int = 4) -> RadarStack:
    """Return a stack of a few pairs with an empty corner, missing phase and several components."""
    return simulate_radar(
        rows=ROWS, columns=COLUMNS, dates=dates, connections=2, geocoded=geocoded, nodata_corner=0.2, seed=3
    )


def load_all(settings: dict[str, str], folder: Path, **changes: object) -> Loaded:
    """Find and load products."""
    options = LoadOptions.model_validate({**settings, **changes})
    return load(find(options, folder), options, folder / "work")


def assert_loaded(loaded: Loaded, stack: RadarStack, *, component: bool = True) -> None:
    """Check that a loaded stack and its geometry are the simulated ones."""
    found = StackFile.open(loaded.stack)
    assert found.pairs == stack.pairs
    np.testing.assert_array_equal(found.read("unwrapPhase"), stack.phase)
    np.testing.assert_array_equal(found.read("coherence"), stack.coherence)
    assert ("connectComponent" in found.names) == component
    if component:
        np.testing.assert_array_equal(found.read("connectComponent"), stack.component)
    np.testing.assert_allclose(found.bperp, stack.bperp, atol=1e-3)
    assert float(found.attributes["WAVELENGTH"]) == float(stack.attributes["WAVELENGTH"])
    assert_geometry(loaded, stack)


def assert_geometry(loaded: Loaded, stack: RadarStack) -> None:
    """Check heights, angles and the water mask."""
    path = loaded.geometry[0]
    assert path.name == ("geometryRadar.h5" if stack.grid is None else "geometryGeo.h5")
    np.testing.assert_array_equal(read_map(path, "height"), stack.height)
    np.testing.assert_allclose(read_map(path, "incidenceAngle"), stack.incidence_deg, atol=1e-5)
    np.testing.assert_allclose(read_map(path, "azimuthAngle"), stack.azimuth_deg, atol=1e-4)
    np.testing.assert_array_equal(read_map(path, "waterMask"), stack.water)
