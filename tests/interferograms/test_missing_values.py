"""What a file declares as missing does not become height, angle or component."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from creepmeter.interferograms.companions import known_layer
from creepmeter.interferograms.layers import Scaled
from creepmeter.interferograms.looks import Looks
from creepmeter.io.layers import RasterLayer
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import pixel_grid

WHOLE = slice(0, 4), slice(0, 6)


@dataclass(frozen=True)
class Held:
    """A layer in memory."""

    values: npt.NDArray[Any]
    name: str = "values"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[0], self.values.shape[1]

    def read(self, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return a window."""
        return self.values[rows, columns]


@pytest.mark.parametrize(("name", "kept"), [("height", np.nan), ("incidenceAngle", np.nan), ("waterMask", 0.0)])
def test_declared_no_data_of_geometry(tmp_path: Path, name: str, kept: float) -> None:
    values = np.arange(24, dtype=np.int16).reshape(4, 6) + 1
    values[1, 2] = -32768
    write_geotiff(tmp_path / "map.tif", values, pixel_grid((4, 6), 10.0), nodata=-32768)
    found = known_layer(RasterLayer(tmp_path / "map.tif"), name).read(*WHOLE)
    np.testing.assert_array_equal(found[1, 2], kept)
    assert found[0, 0] == 1


def test_no_data_outside_the_type_is_nowhere() -> None:
    values = np.array([[0, 255]], np.uint8)
    assert Scaled(Held(values), nodata=-1.0).read(slice(0, 1), slice(0, 2)).tolist() == [[0, 255]]
    assert Scaled(Held(values.astype(np.int16)), nodata=1e20).read(slice(0, 1), slice(0, 2)).tolist() == [[0, 255]]


def test_whole_numbers_are_averaged_but_masks_are_not() -> None:
    heights = np.array([[0, 10], [20, 31]], np.int16)
    looks = Looks(slice(0, 2), slice(0, 2), 2, 2, "mean")
    assert looks.join(heights, "height").item() == pytest.approx(15.25)
    assert looks.join(np.array([[1, 1], [1, 7]], np.int16), "connectComponent").item() == 7  # the middle pixel
