from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from tests.interferograms.samples import InMemory

from creepmeter.interferograms.line_of_sight import Ramp, Turned, part_of, platform_in, range_of_column

WHOLE = (slice(None), slice(None))
ANGLES = np.linspace(20.0, 70.0, 12).reshape(3, 4)


@pytest.mark.parametrize("values", [ANGLES, np.radians(ANGLES)], ids=["degrees", "radians"])
def test_the_unit_of_angles_is_found(values: npt.NDArray[np.float64]) -> None:
    holes = values.astype(np.float32)
    holes[0, 0], holes[2, 3] = 0, np.nan
    layer = Turned(InMemory(holes), -1.0, 90.0)
    found = layer.read(*WHOLE)
    expected = 90.0 - ANGLES
    expected[0, 0] = expected[2, 3] = np.nan
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(layer.read(slice(0, 1), slice(1, 3)), expected[0:1, 1:3], rtol=1e-6)


def test_the_unit_may_be_told() -> None:
    small = InMemory(np.full((2, 2), 3.0, np.float32))
    np.testing.assert_allclose(Turned(small).read(*WHOLE), np.degrees(3), rtol=1e-6)
    np.testing.assert_array_equal(Turned(small, unit="degrees").read(*WHOLE), 3)


def test_ramps_grow_with_the_column() -> None:
    ramp = Ramp(800e3, 20.0, (3, 5))
    np.testing.assert_array_equal(ramp.read(slice(1, 3), slice(2, 4)), [[800040, 800060]] * 2)


def test_ranges_of_a_lookup_table() -> None:
    column = InMemory(np.array([[0.0, 1.5, 100.0]], np.float32))
    np.testing.assert_allclose(range_of_column(column, 800e3, 20.0).read(*WHOLE), [[np.nan, 800030, 802000]])


def test_parts_of_complex_values() -> None:
    wave = InMemory(np.array([[3 + 4j, -1j]], np.complex64))
    found = [part_of(wave, part).read(*WHOLE).tolist() for part in ("real", "imag", "abs")]
    assert found == [[[3, 0]], [[4, -1]], [[5, 1]]]
    np.testing.assert_allclose(part_of(wave, "angle").read(*WHOLE), [[np.arctan2(4, 3), -np.pi / 2]], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "name"),
    [("ALOS2 PALSAR2", "Alos2"), ("ALOS PALSAR", "Alos"), ("SENTINEL-1A", "Sen"), ("TSX-1", "Tsx"), ("balloon", None)],
)
def test_names_of_satellites(text: str, name: str | None) -> None:
    assert platform_in(text) == name
