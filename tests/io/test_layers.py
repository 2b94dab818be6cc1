from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from creepmeter.errors import ImageError
from creepmeter.io.grd import read_grd_header
from creepmeter.io.layers import FlatLayer, HdfLayer, Layer, RasterLayer
from creepmeter.io.netcdf import read_netcdf_maps
from creepmeter.io.raster import write_geotiff

SHAPE = (7, 5)
VALUES = np.arange(2 * 7 * 5, dtype=np.float32).reshape(2, *SHAPE)
WINDOW = (slice(1, 4), slice(2, 5))
AXES = {"bil": (1, 0, 2), "bip": (1, 2, 0), "bsq": (0, 1, 2)}


@given(
    interleave=st.sampled_from(sorted(AXES)),
    dtype=st.sampled_from(["<f4", ">f4", ">f8", "<i2", ">c8", "u1"]),
    band=st.integers(0, 1),
    offset=st.integers(0, 9),
    rows=st.tuples(st.integers(0, 7), st.integers(0, 7)).map(sorted),
    columns=st.tuples(st.integers(0, 5), st.integers(0, 5)).map(sorted),
)
def test_a_flat_file_gives_any_window_of_any_layout(
    tmp_path_factory: pytest.TempPathFactory,
    interleave: str,
    dtype: str,
    band: int,
    offset: int,
    rows: list[int],
    columns: list[int],
) -> None:
    path = tmp_path_factory.mktemp("flat") / "image.bin"
    values = VALUES.astype(dtype) if np.dtype(dtype).kind != "c" else (VALUES * (1 + 2j)).astype(dtype)
    path.write_bytes(b"\0" * offset + values.transpose(AXES[interleave]).tobytes())
    layer = FlatLayer(path, SHAPE, dtype, 2, band, interleave, offset)  # type: ignore[arg-type]
    found = layer.read(slice(*rows), slice(*columns))
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found, values[band, slice(*rows), slice(*columns)])


def test_every_kind_is_a_layer_and_names_its_file(tmp_path: Path) -> None:
    flat, tif, hdf = tmp_path / "a.bin", tmp_path / "a.tif", tmp_path / "a.h5"
    VALUES.tofile(flat)
    write_geotiff(tif, VALUES, GeoBox(SHAPE, Affine(2, 0, 0, 0, -2, 0), "EPSG:32613"))
    with h5py.File(hdf, "w") as file:
        file["group/cube"] = VALUES
    layers = [FlatLayer(flat, SHAPE, "<f4", 2, 1, "bsq"), RasterLayer(tif, 2), HdfLayer(hdf, "group/cube", 1)]
    for layer in layers:
        assert isinstance(layer, Layer)
        assert layer.shape == SHAPE
        assert "a." in layer.name
        np.testing.assert_array_equal(layer.read(*WINDOW), VALUES[1][WINDOW])


def test_a_flat_file_of_another_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.unw"
    path.write_bytes(VALUES.tobytes()[:-4])
    with pytest.raises(ImageError, match=r"cut\.unw has 276 bytes, 7 x 5 px of float32 in 2 band\(s\) make 280"):
        FlatLayer(path, SHAPE, "<f4", 2)
    with pytest.raises(ImageError, match="correct its header"):
        FlatLayer(path, (0, 5), "<f4")
    with pytest.raises(ImageError, match="correct its header"):
        FlatLayer(path, (10**6, 10**6), "<f4")


def test_a_file_that_is_cut_after_it_was_opened_is_named(tmp_path: Path) -> None:
    path = tmp_path / "later.unw"
    path.write_bytes(VALUES.tobytes())
    layer = FlatLayer(path, SHAPE, "<f4", 2)
    path.write_bytes(VALUES.tobytes()[:100])
    with pytest.raises(ImageError, match=r"later\.unw ended while it was read"):
        layer.read(slice(0, 7), slice(0, 5))


def test_south_up_rasters_are_turned(tmp_path: Path) -> None:
    path = tmp_path / "south.tif"
    write_geotiff(path, VALUES[0], GeoBox(SHAPE, Affine(2, 0, 0, 0, 2, -14), "EPSG:32613"))
    layer = RasterLayer(path)
    assert layer.grid is not None
    assert layer.grid.affine.e == -2
    np.testing.assert_array_equal(layer.read(*WINDOW), VALUES[0, ::-1][WINDOW])


def test_what_is_no_raster_or_has_no_such_band_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.tif"
    write_geotiff(path, VALUES[0], GeoBox(SHAPE, Affine(2, 0, 0, 0, -2, 0), "EPSG:32613"))
    with pytest.raises(ImageError, match=r"one\.tif has 1 band\(s\), band 2"):
        RasterLayer(path, 2)
    (tmp_path / "trick.vrt").write_text("<VRTDataset/>")
    with pytest.raises(ImageError, match="is not one of"):
        RasterLayer(tmp_path / "trick.vrt")


def test_hdf5_that_leads_elsewhere_or_is_damaged_is_refused(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.h5", tmp_path / "outer.h5"
    with h5py.File(inner, "w") as file:
        file["map"] = VALUES[0]
        file["text"] = np.array([b"a"])
    with h5py.File(outer, "w") as file:
        file["linked"] = h5py.ExternalLink("inner.h5", "/map")
        layout = h5py.VirtualLayout(SHAPE, np.float32)
        layout[:] = h5py.VirtualSource(str(inner), "map", SHAPE)
        file.create_virtual_dataset("virtual", layout)
        file["cube"] = VALUES
        file.create_group("group")
    with pytest.raises(ImageError, match=r"outer\.h5: 'linked' lies in another file"):
        read_netcdf_maps(outer)
    with pytest.raises(ImageError, match=r"outer\.h5: 'linked' lies in another file"):
        read_grd_header(outer)
    for name in ("linked", "virtual"):
        with pytest.raises(ImageError, match="lies in another file, which is not followed"):
            HdfLayer(outer, name)
    with pytest.raises(ImageError, match="has no dataset 'nothing'"):
        HdfLayer(outer, "nothing")
    with pytest.raises(ImageError, match="is a group"):
        HdfLayer(outer, "group")
    with pytest.raises(ImageError, match="holds 2 maps, number 2"):
        HdfLayer(outer, "cube", 2)
    with pytest.raises(ImageError, match="not a map of numbers"):
        HdfLayer(inner, "text")
    outer.write_bytes(outer.read_bytes()[:96])
    with pytest.raises(ImageError, match=r"outer\.h5 cannot be read as HDF5"):
        HdfLayer(outer, "cube", 0)
