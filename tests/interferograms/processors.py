"""What the readers of processors share in tests: small stacks, and the check that all of a stack comes back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.interferograms.catalogue import Catalogue
from creepmeter.interferograms.layers import read_all
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.producers import find
from creepmeter.io.layers import Layer
from creepmeter.model.grid import same_grid
from creepmeter.simulate.radar import RadarStack, simulate_radar

GEO = simulate_radar(rows=20, columns=26, dates=5, connections=2, nodata_corner=0.3, missing_stripes=0.3)
RADAR = simulate_radar(rows=20, columns=26, dates=5, connections=2, nodata_corner=0.3, geocoded=False)


def found_in(folder: Path, settings: Mapping[str, object], **changes: object) -> Catalogue:
    """Return what a reader finds."""
    return find(LoadOptions.model_validate({**settings, **changes}), folder)


def values_of(found: Catalogue, name: str) -> npt.NDArray[np.float32]:
    """Return a layer of all interferograms, (pair, y, x)."""
    return np.stack([np.asarray(read_all(one.layers[name]), np.float32) for one in found.interferograms])


def phase_of(layer: Layer) -> npt.NDArray[np.float32]:
    """Return phase as it is loaded: missing is 0."""
    return np.nan_to_num(np.asarray(read_all(layer), np.float32), nan=0.0)


def assert_comes_back(
    found: Catalogue, stack: RadarStack, *, bperp: bool = True, facts: tuple[str, ...] = (), rtol: float = 1e-5
) -> None:
    """Check pairs, phase, coherence, components, baselines, grid and attributes against what was written."""
    assert [one.pair for one in found.interferograms] == list(stack.pairs)
    assert found.shape == stack.height.shape
    np.testing.assert_array_equal(np.nan_to_num(values_of(found, "unwrapPhase"), nan=0), stack.phase)
    np.testing.assert_array_equal(np.nan_to_num(values_of(found, "coherence"), nan=0), stack.coherence)
    if "connectComponent" in found.interferograms[0].layers:
        np.testing.assert_array_equal(np.nan_to_num(values_of(found, "connectComponent")), stack.component)
    if bperp:
        np.testing.assert_allclose([one.bperp for one in found.interferograms], stack.bperp, atol=1e-3)
    if stack.grid is None:
        assert found.grid is None
    else:
        assert found.grid is not None
        assert same_grid(found.grid, stack.grid)
    for name in ("WAVELENGTH", *facts):
        np.testing.assert_allclose(
            float(found.attributes[name]), float(stack.attributes[name]), rtol=rtol, err_msg=name
        )
