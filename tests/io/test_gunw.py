from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.errors import ImageError
from creepmeter.io.gunw import read_cube, read_gunw, write_gunw
from creepmeter.io.hdf_chunks import PackedLayer

VALUES = np.random.default_rng(0).normal(size=(37, 41)).astype(np.float32)
STORAGE: dict[str, dict[str, Any]] = {
    "packed": {"chunks": (10, 16), "compression": "gzip", "shuffle": True},
    "unshuffled": {"chunks": (10, 16), "compression": "gzip"},
    "plain chunks": {"chunks": (10, 16)},
    "one chunk": {"chunks": (37, 41), "compression": "gzip", "shuffle": True},
    "contiguous": {},
    "checksummed": {"chunks": (10, 16), "compression": "gzip", "fletcher32": True},
    "lzf": {"chunks": (10, 16), "compression": "lzf"},
}


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("maps") / "maps.nc"
    with h5py.File(path, "w") as file:
        for name, settings in STORAGE.items():
            file.create_dataset(f"data/{name}", data=VALUES, **settings)
        file.create_dataset("data/big", data=VALUES.astype(">f4"), **STORAGE["packed"])
        file.create_dataset("data/sparse", (37, 41), np.float32, fillvalue=-5.0, **STORAGE["packed"])
        file["data/sparse"][12:18, 3:9] = VALUES[12:18, 3:9]
        file.create_dataset("data/empty", (37, 41), np.float32, fillvalue=7.0, **STORAGE["packed"])
    return path


edges = st.tuples(st.integers(0, 41), st.integers(0, 41)).map(sorted)


@given(
    name=st.sampled_from([*STORAGE, "big", "sparse", "empty"]),
    flipped=st.booleans(),
    windows=st.lists(st.tuples(edges, edges), min_size=1, max_size=4),
)
def test_windows_are_those_of_the_map(
    maps: Path,
    name: str,
    flipped: bool,  # noqa: FBT001 - an example
    windows: list[tuple[list[int], list[int]]],
) -> None:
    with h5py.File(maps) as file:
        whole = file[f"data/{name}"][()]
    expected = whole[::-1] if flipped else whole
    layer = PackedLayer(maps, f"data/{name}", flipped)
    assert layer.shape == (37, 41)
    for rows, columns in windows:
        window = slice(*rows), slice(*columns)
        np.testing.assert_array_equal(layer.read(*window), expected[window])


@pytest.mark.parametrize("flipped", [False, True])
def test_strips_unpack_every_chunk_once_and_keep_nothing_at_the_end(
    maps: Path,
    flipped: bool,  # noqa: FBT001 - an example
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unpacked = []
    inflate = PackedLayer._unpacked  # noqa: SLF001 - what is counted

    def counted(layer: PackedLayer, *given: Any) -> Any:  # noqa: ANN401 - as it is
        unpacked.append(layer)
        return inflate(layer, *given)

    monkeypatch.setattr(PackedLayer, "_unpacked", counted)
    layer = PackedLayer(maps, "data/packed", flipped)
    parts = [layer.read(slice(top, top + 4), slice(None)) for top in range(0, 37, 4)]
    np.testing.assert_array_equal(np.vstack(parts), VALUES[::-1] if flipped else VALUES)
    assert len(unpacked) == 12  # 4 x 3 chunks
    assert layer._held == {}  # noqa: SLF001 - what is kept


def test_a_damaged_chunk_names_file_and_dataset(maps: Path, tmp_path: Path) -> None:
    content = bytearray(maps.read_bytes())
    with h5py.File(maps) as file:
        place = file["data/packed"].id.get_chunk_info_by_coord((10, 16))
    content[place.byte_offset + 3 : place.byte_offset + place.size] = bytes(place.size - 3)
    bad = tmp_path / "bad.nc"
    bad.write_bytes(bytes(content))
    layer = PackedLayer(bad, "data/packed")
    np.testing.assert_array_equal(layer.read(slice(0, 10), slice(None)), VALUES[:10])
    with pytest.raises(ImageError, match=r"bad\.nc: data/packed is damaged"):
        layer.read(slice(0, 37), slice(None))


def test_maps_in_other_files_are_refused(maps: Path, tmp_path: Path) -> None:
    path = tmp_path / "link.nc"
    with h5py.File(path, "w") as file:
        file["data/out"] = h5py.ExternalLink(str(maps), "data/packed")
    with pytest.raises(ImageError, match="lies in another file"):
        PackedLayer(path, "data/out").read(slice(0, 1), slice(0, 1))


def product(path: Path, **changes: object) -> Path:
    latitude, longitude = 50 - (np.arange(6) + 0.5) / 1200, 10 + (np.arange(5) + 0.5) / 1200
    cube = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    data, geometry, radar = "science/grids/data", "science/grids/imagingGeometry", "science/radarMetaData"
    values: dict[str, object] = {
        f"{data}/latitude": latitude,
        f"{data}/longitude": longitude,
        f"{data}/unwrappedPhase": VALUES[:6, :5],
        f"{data}/connectedComponents": np.ones((6, 5), np.float32),
        f"{data}/odd": np.ones((7, 5), np.float32),
        f"{geometry}/heightsMeta": np.array([0.0, 1000.0]),
        f"{geometry}/latitudeMeta": np.array([50.1, 50.0, 49.9]),
        f"{geometry}/longitudeMeta": np.array([9.9, 10.0, 10.1, 10.2]),
        f"{geometry}/incidenceAngle": cube,
        f"{radar}/wavelength": np.float64(0.0555),
        f"{radar}/slantRangeStart": np.float64(800000.0),
        f"{radar}/orbitDirection": "ascending",
        f"{radar}/azimuthZeroDopplerStartTime": "2018-01-01T23:59:50Z",
    }
    return write_gunw(path, {**values, **changes}, {"connectedComponents": -1.0, "incidenceAngle": 5.0})


FACTS = (
    "science/radarMetaData/wavelength",
    "science/radarMetaData/orbitDirection",
    "science/radarMetaData",
    "science/grids/imagingGeometry",
    "science/grids/imagingGeometry/incidenceAngle",
    "science/grids/data/unwrappedPhase",
    "science/grids/data/latitude",
)


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("kind", ["link", "soft link"])
def test_facts_in_other_files_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    other = product(tmp_path / "other.nc")
    path = product(tmp_path / "a.nc")
    with h5py.File(path, "a") as file:
        del file[name]
        link = h5py.ExternalLink(str(other), name)
        if kind == "soft link":  # to a link out of the file
            file["elsewhere"], link = link, h5py.SoftLink("/elsewhere")
        file[name] = link
    with pytest.raises(ImageError, match=r"a\.nc: '.*' lies in another file, which is not followed"):
        read_gunw(path)


@pytest.mark.parametrize("name", ["science/radarMetaData/wavelength", "science/grids/data/coherence"])
def test_numbers_stored_outside_are_refused(tmp_path: Path, name: str) -> None:
    path = product(tmp_path / "a.nc")
    (tmp_path / "raw").write_bytes(np.full(30, 0.05).tobytes())
    with h5py.File(path, "a") as file:
        file.pop(name, None)
        shape = (1,) if "wavelength" in name else (6, 5)
        file.create_dataset(name, shape, np.float64, external=[(str(tmp_path / "raw"), 0, 8 * 30)])
    with pytest.raises(ImageError, match=r"a\.nc: '.*' lies in another file, which is not followed"):
        read_gunw(path)


def test_a_product_tells_grid_layers_and_radar(tmp_path: Path) -> None:
    header = read_gunw(product(tmp_path / "a.nc"))
    assert header.grid.shape == (6, 5)
    np.testing.assert_allclose(header.grid.affine[:6], [1 / 1200, 0, 10.0, 0, -1 / 1200, 50.0], atol=1e-12)
    assert header.fills == {"unwrappedPhase": None, "connectedComponents": -1.0}
    assert header.cubes == {"incidenceAngle"}
    assert (header.wavelength_m, header.slant_range_m, header.range_spacing_m) == (0.0555, 800000.0, None)
    assert header.orbit_direction == "ascending"
    assert header.times == ("2018-01-01T23:59:50Z",)
    assert not header.flipped


def test_a_cube_has_rising_axes_and_no_fill_values(tmp_path: Path) -> None:
    cube = read_cube(product(tmp_path / "a.nc"), "incidenceAngle")
    np.testing.assert_array_equal(cube.latitude, [49.9, 50.0, 50.1])
    assert cube.values[0, 0, 0] == 8
    assert np.isnan(cube.values[0, 1, 1])
    assert np.isnan(cube.values).sum() == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"science/grids/data/latitude": np.array([1.0])}, "no even coordinate"),
        ({"science/grids/data/latitude": np.array([1.0, np.nan, 3.0])}, "no even coordinate"),
        ({"science/grids/data/longitude": np.ones(5)}, "no even coordinate"),
        (
            {
                "science/grids/data/longitude": np.linspace(0, 1, 200_000),
                "science/grids/data/latitude": np.linspace(1, 0, 200_000),
            },
            "px, more than",
        ),
    ],
)
def test_products_without_a_grid_are_refused(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    with pytest.raises(ImageError, match=why):
        read_gunw(product(tmp_path / "a.nc", **changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"science/grids/imagingGeometry/heightsMeta": np.array([0.0, 1.0, 2.0])}, "its axes have 3 x 3 x 4"),
        ({"science/grids/imagingGeometry/heightsMeta": np.array([0.0, 0.0])}, "is not in order"),
        ({"science/grids/imagingGeometry/latitudeMeta": np.array([1.0, 3.0, 2.0])}, "is not in order"),
    ],
)
def test_cubes_that_do_not_fit_their_axes_are_refused(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    with pytest.raises(ImageError, match=why):
        read_cube(product(tmp_path / "a.nc", **changes), "incidenceAngle")
    with pytest.raises(ImageError, match="has no dataset"):
        read_cube(tmp_path / "a.nc", "azimuthAngle")
