from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import netcdf_file

from creepmeter.errors import ImageError
from creepmeter.io.grd import GrdLayer, is_grd, read_grd_header, write_grd

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)
X, Y = np.array([10.5, 11.5, 12.5, 13.5]), np.array([45.25, 45.75, 46.25])
WHOLE = slice(None)


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize("axes", [("lat", "lon"), ("y", "x")])
def test_a_grid_comes_back(tmp_path: Path, *, classic: bool, axes: tuple[str, str]) -> None:
    path = tmp_path / "a.grd"
    values = VALUES.copy()
    values[1, 1] = np.nan
    write_grd(path, values, X, Y, axes=axes, classic=classic)
    header = read_grd_header(path)
    assert header.shape == (3, 4)
    assert header.x == (10.5, 1.0)
    assert header.y == (45.25, 0.5)
    assert header.geographic == (axes[0] == "lat")
    assert is_grd(path)
    np.testing.assert_array_equal(GrdLayer(path, descending=False).read(WHOLE, WHOLE), values)
    np.testing.assert_array_equal(GrdLayer(path, descending=True).read(WHOLE, WHOLE), values[::-1])


@given(
    top=st.integers(0, 2), tall=st.integers(1, 3), left=st.integers(0, 3), wide=st.integers(1, 4), classic=st.booleans()
)
def test_a_window_is_a_part_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, top: int, tall: int, left: int, wide: int, *, classic: bool
) -> None:
    path = tmp_path_factory.mktemp("grd") / "a.grd"
    write_grd(path, VALUES, X, Y, classic=classic)
    layer = GrdLayer(path)
    window = (slice(top, top + tall), slice(left, left + wide))
    np.testing.assert_array_equal(layer.read(*window), layer.read(WHOLE, WHOLE)[window])


def test_packed_values_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.grd"
    write_grd(path, VALUES, X, Y)
    with h5py.File(path, "r+") as file:
        del file["z"]
        packed = file.create_dataset("z", data=np.array([[5, -99, 7, 8]] * 3, np.int16))
        packed.attrs.update({"scale_factor": 0.5, "add_offset": 1.0, "_FillValue": np.int16(-99)})
    expected = np.broadcast_to(np.array([3.5, np.nan, 4.5, 5.0], np.float32), (3, 4))
    np.testing.assert_array_equal(GrdLayer(path).read(WHOLE, WHOLE), expected)


def test_grids_of_gmt_3(tmp_path: Path) -> None:
    path = tmp_path / "old.grd"
    with netcdf_file(str(path), "w") as file:
        file.createDimension("side", 2)
        file.createDimension("xysize", 12)
        for name, kind, values in (
            ("x_range", "f8", [10, 14]),
            ("y_range", "f8", [45, 46.5]),
            ("spacing", "f8", [1, 0.5]),
            ("dimension", "i4", [4, 3]),
        ):
            file.createVariable(name, kind, ("side",))[:] = values
        variable = file.createVariable("z", "f4", ("xysize",))
        variable[:] = VALUES.ravel()
        variable.node_offset = np.int32(1)
    header = read_grd_header(path)
    assert header.x == (10.5, 1.0)
    assert header.y == (46.25, -0.5)
    np.testing.assert_array_equal(GrdLayer(path).read(WHOLE, WHOLE), VALUES)  # the first row is the northernmost
    np.testing.assert_array_equal(GrdLayer(path, descending=False).read(WHOLE, WHOLE), VALUES[::-1])


def test_an_uneven_coordinate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.grd"
    write_grd(path, VALUES, np.array([1.0, 2.0, 3.5, 4.0]), Y)
    with pytest.raises(ImageError, match="coordinate x is not regular"):
        read_grd_header(path)


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize("kept", [3, 30, 200, -20])
def test_a_damaged_grid_is_named(tmp_path: Path, *, classic: bool, kept: int) -> None:
    path = tmp_path / "a.grd"
    write_grd(path, VALUES, X, Y, classic=classic)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ImageError, match=r"a\.grd"):
        GrdLayer(path).read(WHOLE, WHOLE)


def test_a_file_without_a_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.grd"
    with h5py.File(path, "w") as file:
        file["x"] = X
    with pytest.raises(ImageError, match="holds no map"):
        read_grd_header(path)
    path.write_bytes(b"no netCDF")
    with pytest.raises(ImageError, match="is no netCDF file"):
        read_grd_header(path)
    assert not is_grd(path)
