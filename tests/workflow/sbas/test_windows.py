"""Parts of products, fewer pixels, and mosaics: files in MintPy's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from tests.workflow.sbas.samples import write_project

from creepmeter.errors import InputError
from creepmeter.geometry.mosaic_options import MosaicOptions
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, read_tables, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.workflow.sbas.facts import arrays_of
from creepmeter.workflow.sbas.stitch import resample_product, stitch_products
from creepmeter.workflow.sbas.windows import (
    box_of_area,
    box_of_reference,
    multilook_product,
    subset_product,
)

Values = npt.NDArray[Any]
SHAPE = (30, 40)
GEO = {"X_FIRST": "10.0", "Y_FIRST": "46.0", "X_STEP": "0.002", "Y_STEP": "-0.001", "X_UNIT": "degrees",
       "Y_UNIT": "degrees", "REF_Y": "12", "REF_X": "20", "REF_LAT": "45.9875", "REF_LON": "10.041",
       "ALOOKS": "2", "RLOOKS": "8", "AZIMUTH_PIXEL_SIZE": "28.0", "RANGE_PIXEL_SIZE": "18.5", "HEADING": "-12.0",
       "STARTING_RANGE": "800000.0"}  # fmt: skip
DATES = np.array(["2018-01-05", "2018-01-17", "2018-01-29"], "datetime64[ns]")


def write_series(path: Path, values: Values | None = None, **changes: str) -> Values:
    if values is None:
        values = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    held = {**GEO, "FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": "20180105", **changes}
    write_product(path, {"timeseries": values}, held, tables={"date": DATES, "bperp": np.arange(3.0)})
    return values


def read(path: Path, name: str = "timeseries") -> Values:
    return arrays_of(path)[name].read()


def test_a_part_has_its_values_and_its_place(tmp_path: Path) -> None:
    source, target = tmp_path / "timeseries.h5", tmp_path / "sub.h5"
    values = write_series(source)
    subset_product(source, target, (5, 25, 8, 60), memory_gb=1e-6)
    np.testing.assert_array_equal(read(target), values[:, 5:25, 8:])
    found = read_attributes(target)
    expected = {"LENGTH": "20", "WIDTH": "32", "SUBSET_YMIN": "5", "SUBSET_YMAX": "25", "SUBSET_XMIN": "8",
                "SUBSET_XMAX": "40", "REF_Y": "7", "REF_X": "12", "REF_DATE": "20180105"}  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    np.testing.assert_allclose([float(found[name]) for name in ("Y_FIRST", "X_FIRST")], [45.995, 10.016], atol=1e-12)
    np.testing.assert_array_equal(read_tables(target)["date"], DATES)
    subset_product(target, tmp_path / "again.h5", (1, 3, 2, 5))
    assert read_attributes(tmp_path / "again.h5")["SUBSET_YMIN"] == "6"
    assert read_attributes(tmp_path / "again.h5")["SUBSET_XMAX"] == "13"
    assert "REF_Y" not in read_attributes(tmp_path / "again.h5")
    with pytest.raises(InputError, match="no pixel"):
        subset_product(source, target, (40, 50, 0, 4))


def test_an_area_in_degrees_and_that_of_another_file(tmp_path: Path) -> None:
    source, other = tmp_path / "timeseries.h5", tmp_path / "other.h5"
    write_series(source)
    assert box_of_area(source, (45.98, 45.99, 10.01, 10.05)) == (10, 20, 5, 25)
    write_series(other, np.zeros((3, 8, 9), np.float32), Y_FIRST="45.992", X_FIRST="10.02")
    assert box_of_reference(source, other) == (8, 16, 10, 19)


def test_a_part_of_a_stack_in_radar_coordinates(tmp_path: Path) -> None:
    write_project(tmp_path, geocoded=False)
    source, target = tmp_path / "inputs" / "ifgramStack.h5", tmp_path / "part.h5"
    before = StackFile.open(source)
    subset_product(source, target, (4, 20, 10, 30))
    after = StackFile.open(target)
    assert (after.pairs, after.shape) == (before.pairs, (before.shape[0], 16, 20))
    np.testing.assert_array_equal(after.keep, before.keep)
    for name in before.names:
        np.testing.assert_array_equal(after.read(name, slice(0, 16)), before.read(name, slice(4, 20))[:, :, 10:30])
    near, size = (float(before.attributes[name]) for name in ("STARTING_RANGE", "RANGE_PIXEL_SIZE"))
    assert float(after.attributes["STARTING_RANGE"]) == pytest.approx(near + 10 * size)
    latitude = read_map(tmp_path / "inputs" / "geometryRadar.h5", "latitude")
    longitude = read_map(tmp_path / "inputs" / "geometryRadar.h5", "longitude")
    area = tuple(float(part) for part in (latitude[9, 12] - 1e-4, latitude[9, 12] + 1e-4,
                                          longitude[9, 12] - 1e-4, longitude[9, 12] + 1e-4))  # fmt: skip
    assert box_of_area(source, (area[0], area[1], area[2], area[3])) == (9, 10, 12, 13)


@pytest.mark.parametrize("method", ["mean", "median", "nearest"])
def test_pixels_are_joined_and_the_attributes_follow(tmp_path: Path, method: str) -> None:
    source, target = tmp_path / "timeseries.h5", tmp_path / "looks.h5"
    values = write_series(source)
    multilook_product(source, target, (4, 3), method=method, memory_gb=1e-6)
    parts = values[:, :28, :39].reshape(3, 7, 4, 13, 3)
    expected = {"mean": parts.mean(axis=(2, 4)), "median": np.median(parts, axis=(2, 4)),
                "nearest": parts[:, :, 2, :, 1]}[method]  # fmt: skip
    np.testing.assert_allclose(read(target), expected, atol=1e-6)
    found = read_attributes(target)
    texts = {"LENGTH": "7", "WIDTH": "13", "ALOOKS": "8", "RLOOKS": "24", "REF_Y": "3", "REF_X": "6"}
    assert {name: found[name] for name in texts} == texts
    numbers = {"Y_FIRST": 46.0, "X_FIRST": 10.0, "Y_STEP": -0.004, "X_STEP": 0.006, "AZIMUTH_PIXEL_SIZE": 112.0,
               "RANGE_PIXEL_SIZE": 55.5}  # fmt: skip
    np.testing.assert_allclose([float(found[name]) for name in numbers], list(numbers.values()), atol=1e-12)
    with pytest.raises(InputError, match="take fewer"):
        multilook_product(source, target, (31, 1))


def test_looks_of_a_stack_and_of_its_lookup_table(tmp_path: Path) -> None:
    write_project(tmp_path, geocoded=False)
    source = tmp_path / "inputs" / "ifgramStack.h5"
    multilook_product(source, tmp_path / "stack.h5", (2, 2))
    before, after = StackFile.open(source), StackFile.open(tmp_path / "stack.h5")
    coherence = before.read("coherence", slice(None))
    count, rows, columns = coherence.shape
    parts = coherence.reshape(count, rows // 2, 2, columns // 2, 2)
    measured = (parts != 0) & np.isfinite(parts)
    with np.errstate(invalid="ignore"):
        expected = np.where(measured, parts, 0).sum(axis=(2, 4)) / measured.sum(axis=(2, 4))
    np.testing.assert_allclose(after.read("coherence", slice(None)), np.nan_to_num(expected), atol=1e-6)
    assert list_datasets(tmp_path / "stack.h5")["connectComponent"][1] == np.int16
    geometry = tmp_path / "inputs" / "geometryRadar.h5"
    multilook_product(geometry, tmp_path / "geometry.h5", (2, 2))
    latitude = read_map(geometry, "latitude").astype(np.float64)
    means = latitude.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(read_map(tmp_path / "geometry.h5", "latitude"), means, atol=1e-5)


def test_a_mosaic_of_two_velocities(tmp_path: Path) -> None:
    truth = np.random.default_rng(3).normal(size=(30, 60)).astype(np.float32)
    held = {**GEO, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    one, other, target = (tmp_path / f"{name}.h5" for name in ("one", "other", "joined"))
    spread = np.full((30, 60), 0.5, np.float32)
    write_product(one, {"velocity": truth[:, :40], "velocityStd": spread[:, :40]}, held)
    moved = {**held, "X_FIRST": str(10.0 + 25 * 0.002), "REF_X": "1"}
    write_product(other, {"velocity": truth[:, 25:] + 2, "velocityStd": spread[:, 25:]}, moved)
    told = stitch_products([one, other], target, MosaicOptions())
    np.testing.assert_allclose(read_map(target, "velocity"), truth, atol=1e-5)
    np.testing.assert_array_equal(read_map(target, "velocityStd"), spread)
    assert told["velocity"][1] == pytest.approx(2.0, abs=1e-6)
    stitch_products([other, one], target, MosaicOptions())
    found = read_attributes(target)
    assert (found["WIDTH"], found["REF_Y"], found["REF_X"]) == ("60", "12", "26")
    assert float(found["X_FIRST"]) == pytest.approx(10.0, abs=1e-9)
    np.testing.assert_allclose(read_map(target, "velocity"), truth + 2, atol=1e-5)
    stitch_products([one, other], target, MosaicOptions(offset=False, overlap="first"))
    np.testing.assert_array_equal(read_map(target, "velocity")[:, :40], truth[:, :40])


def test_a_mosaic_of_masks_and_of_series(tmp_path: Path) -> None:
    mask = np.random.default_rng(4).random(SHAPE) > 0.5
    held = {**GEO, "FILE_TYPE": "mask"}
    one, other, target = (tmp_path / f"{name}.h5" for name in ("one", "other", "joined"))
    write_product(one, {"mask": mask}, held)
    write_product(other, {"mask": ~mask}, {**held, "Y_FIRST": str(46.0 - 0.02)})
    stitch_products([one, other], target, MosaicOptions())
    found = read_map(target)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, np.concatenate([mask[:20], ~mask]))
    values = write_series(tmp_path / "a.h5")
    write_series(tmp_path / "b.h5", values[:, 10:] + 0.5, Y_FIRST=str(46.0 - 0.01))
    stitch_products([tmp_path / "a.h5", tmp_path / "b.h5"], target, MosaicOptions(method="median"))
    np.testing.assert_allclose(read(target), values, atol=1e-6)


def test_other_steps_are_brought_to_those_of_the_first(tmp_path: Path) -> None:
    row, column = np.meshgrid(np.arange(60.0) / 2, np.arange(80.0) / 2, indexing="ij")
    fine = (0.01 * (row + 0.25) + 0.02 * (column + 0.25)).astype(np.float32)
    coarse = (0.01 * (np.arange(30.0)[:, None] + 0.5) + 0.02 * (np.arange(40.0) + 0.5)).astype(np.float32)
    held = {**GEO, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    one, other, target = (tmp_path / f"{name}.h5" for name in ("one", "other", "joined"))
    left = coarse.copy()
    left[:, 30:] = np.nan
    write_product(one, {"velocity": left}, held)
    write_product(other, {"velocity": fine + 1}, {**held, "X_STEP": "0.001", "Y_STEP": "-0.0005"})
    stitch_products([one, other], target, MosaicOptions())
    np.testing.assert_allclose(read_map(target)[1:-1, 1:-1], coarse[1:-1, 1:-1], atol=1e-4)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "a.h5")
    held = {**GEO, "FILE_TYPE": "velocity"}
    write_product(tmp_path / "b.h5", {"velocity": np.zeros(SHAPE, np.float32)}, held)
    with pytest.raises(InputError, match="files of one kind"):
        stitch_products([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "c.h5", MosaicOptions())
    late = {"date": DATES + np.timedelta64(1, "D"), "bperp": np.arange(3.0)}
    write_product(tmp_path / "b.h5", {"timeseries": np.zeros((3, *SHAPE), np.float32)},
                  {**held, "FILE_TYPE": "timeseries"}, tables=late)  # fmt: skip
    with pytest.raises(InputError, match="other dates"):
        stitch_products([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "c.h5", MosaicOptions())
    radar = {key: text for key, text in held.items() if not key.startswith(("X_", "Y_"))}
    write_product(tmp_path / "b.h5", {"velocity": np.zeros(SHAPE, np.float32)}, radar)
    with pytest.raises(InputError, match="radar coordinates"):
        stitch_products([tmp_path / "b.h5", tmp_path / "b.h5"], tmp_path / "c.h5", MosaicOptions())


def test_a_product_is_brought_to_another_grid(tmp_path: Path) -> None:
    source, like, target = (tmp_path / f"{name}.h5" for name in ("source", "like", "target"))
    row, column = np.meshgrid(np.arange(30.0) + 0.5, np.arange(40.0) + 0.5, indexing="ij")
    plane = (0.01 * row - 0.02 * column).astype(np.float32)
    held = {**GEO, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    write_product(source, {"velocity": plane, "mask": row > 15}, held)
    part = {
        **held,
        "Y_FIRST": str(46.0 - 0.0053),
        "X_FIRST": str(10.0 + 0.0091),
        "Y_STEP": "-0.0007",
        "X_STEP": "0.003",
    }
    write_product(like, {"velocity": np.zeros((20, 15), np.float32)}, part)
    resample_product(source, target, like=like)
    north, west = (np.arange(20) + 0.5) * 0.7 + 5.3, (np.arange(15) + 0.5) * 1.5 + 4.55
    expected = 0.01 * north[:, None] - 0.02 * west[None]
    np.testing.assert_allclose(read_map(target, "velocity"), expected, atol=1e-6)
    np.testing.assert_array_equal(read_map(target, "mask"), np.broadcast_to(north[:, None] > 15, (20, 15)))
    found = read_attributes(target)
    assert (found["REF_Y"], found["REF_X"]) == ("10", "10")
    resample_product(source, target, steps=(0.003, 0.006), memory_gb=1e-6)
    assert read_map(target, "velocity").shape == (10, 13)
    means = plane[:, :39].reshape(10, 3, 13, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(read_map(target, "velocity"), means, atol=1e-6)
    with pytest.raises(InputError, match="give others"):
        resample_product(source, target, steps=(1.0, 1.0))


def test_a_mosaic_keeps_the_units_of_its_maps(tmp_path: Path) -> None:
    held = {**GEO, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    maps = {"velocity": np.ones(SHAPE, np.float32), "bump": np.ones(SHAPE, np.float32)}
    units = {"velocity": "m/year", "bump": "kg"}
    for name, north in (("a", 46.0), ("b", 45.98)):
        write_product(tmp_path / f"{name}.h5", maps, {**held, "Y_FIRST": str(north)}, units=units)
    stitch_products([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "c.h5", MosaicOptions())
    with h5py.File(tmp_path / "c.h5", "r") as file:
        assert {name: file[name].attrs["UNIT"] for name in units} == units
