from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.workflow.sbas.samples import write_project

from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.product import read_attributes, read_map, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.pairs.network_options import NetworkOptions
from creepmeter.simulate.radar import RadarStack
from creepmeter.stack.mask import MaskOptions
from creepmeter.stack.reference import ReferenceOptions
from creepmeter.workflow.sbas.masks import make_average, make_mask_file
from creepmeter.workflow.sbas.network import modify_network
from creepmeter.workflow.sbas.overview import make_stack_velocity
from creepmeter.workflow.sbas.places import pixel_at
from creepmeter.workflow.sbas.reference import refer_file, reference_point
from creepmeter.workflow.sbas.rewrite import mask_product

LOOSE = ReferenceOptions(min_coherence=0.3)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RadarStack]:
    folder = tmp_path_factory.mktemp("loaded")
    return folder, write_project(folder, missing_stripes=0.3, nodata_corner=0.1)


@pytest.fixture
def project(loaded: tuple[Path, RadarStack], tmp_path: Path) -> tuple[Path, RadarStack]:
    folder = tmp_path / "work"
    shutil.copytree(loaded[0], folder)
    return folder, loaded[1]


def stack_of(folder: Path) -> StackFile:
    return StackFile.open(folder / "inputs" / "ifgramStack.h5")


def refer(folder: Path, options: ReferenceOptions = LOOSE) -> tuple[int, int]:
    geometry = next((folder / "inputs").glob("geometry*.h5"))
    found = reference_point(stack_of(folder), folder, geometry, options)
    assert found is not None
    return found.row, found.column


def test_maps_of_the_used_pairs(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    modify_network(stack_of(folder), folder, NetworkOptions(exclude_index=(0, 3)))
    refer(folder)
    keep = stack_of(folder).keep
    assert_array_equal(read_map(folder / "waterMask.h5"), made.water)
    assert_array_equal(read_map(folder / "maskConnComp.h5"), (made.component[keep] != 0).all(axis=0))
    assert_allclose(read_map(folder / "avgSpatialCoh.h5"), made.coherence[keep].mean(axis=0), rtol=1e-6)
    kinds = [read_attributes(folder / name)["FILE_TYPE"] for name in ("waterMask.h5", "maskConnComp.h5")]
    assert kinds == ["waterMask", "mask"]


def test_the_reference_is_the_most_coherent_pixel_with_phase_in_all_pairs(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    row, column = refer(folder)
    everywhere = (made.component != 0).all(axis=0)
    level = read_map(folder / "avgSpatialCoh.h5")
    assert everywhere[row, column]
    assert level[row, column] == level[everywhere].max()
    attributes = stack_of(folder).attributes
    assert (attributes["REF_Y"], attributes["REF_X"]) == (str(row), str(column))
    assert float(attributes["REF_LAT"]) == pytest.approx(made.latitude[row, column], abs=1e-9)
    assert float(attributes["REF_LON"]) == pytest.approx(made.longitude[row, column], abs=1e-9)


def test_an_earlier_reference_stays_unless_forced(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    best = refer(folder)
    other = tuple(int(k) for k in np.argwhere((made.component != 0).all(axis=0))[3])
    assert refer(folder, ReferenceOptions(yx=(other[0], other[1]))) == other
    assert refer(folder) == other
    assert refer(folder, LOOSE.override({"force": True}, step="")) == best


def gap_at(folder: Path, pair: int, pixel: tuple[int, int]) -> None:
    """Take phase and component away from the first pixel of a pair."""
    with h5py.File(folder / "inputs" / "ifgramStack.h5", "r+") as file:
        file["unwrapPhase"][pair, pixel[0], pixel[1]] = 0
        file["connectComponent"][pair, pixel[0], pixel[1]] = 0


def test_a_chosen_pixel_that_a_later_network_masks_is_chosen_again(
    project: tuple[Path, RadarStack], caplog: pytest.LogCaptureFixture
) -> None:
    folder, _ = project
    best = refer(folder)
    gap_at(folder, 4, best)
    modify_network(stack_of(folder), folder, NetworkOptions(exclude_index=(4,)))
    assert refer(folder) == best  # still usable, so it stays
    assert not caplog.messages
    modify_network(stack_of(folder), folder, NetworkOptions())
    again = refer(folder)
    assert again != best
    said = f"the reference pixel chosen before (row {best[0]}, column {best[1]}) is masked out"
    assert [text for text in caplog.messages if said in text and "another is chosen" in text]
    assert stack_of(folder).reference == again


@pytest.mark.parametrize("by", ["option", "command of before", "another program"])
def test_a_given_pixel_that_a_later_network_masks_is_an_error(project: tuple[Path, RadarStack], by: str) -> None:
    folder, made = project
    best = refer(folder)
    given = tuple(int(k) for k in np.argwhere((made.component != 0).all(axis=0))[3])
    pixel = given[0], given[1]
    assert pixel != best
    if by == "another program":
        stack_of(folder).set_attributes({"REF_Y": str(pixel[0]), "REF_X": str(pixel[1])})
    else:
        refer(folder, ReferenceOptions(yx=pixel))
    gap_at(folder, 4, pixel)
    with pytest.raises(InputError, match=rf"reference pixel \(row {pixel[0]}, column {pixel[1]}\) is masked out"):
        refer(folder, ReferenceOptions(yx=pixel) if by == "option" else LOOSE)
    assert stack_of(folder).reference == pixel


def test_a_point_by_latitude_and_longitude(project: tuple[Path, RadarStack], tmp_path: Path) -> None:
    folder, made = project
    row, column = refer(folder)
    point = (float(made.latitude[row, column]) + 2e-4, float(made.longitude[row, column]) - 2e-4)
    assert refer(folder, ReferenceOptions(lalo=point)) == (row, column)
    with pytest.raises(InputError, match=r"latitude 40, longitude 3 lies outside"):
        refer(folder, ReferenceOptions(lalo=(40.0, 3.0)))
    radar = tmp_path / "radar"
    turned = write_project(radar, geocoded=False)
    row, column = refer(radar)
    point = float(turned.latitude[row, column]), float(turned.longitude[row, column])
    assert refer(radar, ReferenceOptions(lalo=point)) == (row, column)
    assert "REF_LAT" not in stack_of(radar).attributes


def test_a_projected_map_and_a_lookup_table(tmp_path: Path) -> None:
    utm = {
        "X_FIRST": "500000.0",
        "Y_FIRST": "4270000.0",
        "X_STEP": "80.0",
        "Y_STEP": "-80.0",
        "UTM_ZONE": "10N",
        "X_UNIT": "meters",
    }
    assert pixel_at(utm, (120, 160), tmp_path / "x.h5", None, (38.5, -122.95)) == (108, 54)  # as MintPy 1.6.4 has it
    grid = {"X_FIRST": "-122.0", "Y_FIRST": "38.0", "X_STEP": "0.01", "Y_STEP": "-0.01", "X_UNIT": "degrees"}
    y, x = np.mgrid[:20, :30].astype(np.float32)
    tables = {"azimuthCoord": 39 - y, "rangeCoord": 10 + x}
    write_product(tmp_path / "geometryGeo.h5", tables, {**grid, "FILE_TYPE": "geometry"})
    where = tmp_path / "ifgramStack.h5"
    assert pixel_at({}, (40, 50), where, None, (38.0 - 0.055, -122.0 + 0.075)) == (34, 17)
    with pytest.raises(InputError, match="lies outside the map"):
        pixel_at({}, (40, 50), where, None, (10.0, 10.0))
    (tmp_path / "geometryGeo.h5").unlink()
    with pytest.raises(InputError, match="neither latitude and longitude nor a lookup table"):
        pixel_at({}, (40, 50), where, None, (38.0, -122.0))


@pytest.mark.parametrize("pixel", [(0, 0), (35, 43)])
def test_a_masked_pixel_is_refused_with_a_proposal(project: tuple[Path, RadarStack], pixel: tuple[int, int]) -> None:
    folder, made = project
    assert not (made.component != 0).all(axis=0)[pixel]
    match = rf"reference pixel \(row {pixel[0]}, column {pixel[1]}\) is masked out: choose another, such as row \d+"
    with pytest.raises(InputError, match=match):
        refer(folder, ReferenceOptions(yx=pixel))
    assert stack_of(folder).reference is None


def test_a_pixel_without_phase_in_some_pairs_is_refused(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    gaps = (made.phase == 0).any(axis=0) & (made.phase != 0).any(axis=0)
    row, column = (int(k) for k in np.argwhere(gaps)[0])
    with pytest.raises(InputError, match="has no phase in some of the pairs"):
        refer(folder, ReferenceOptions(yx=(row, column), mask_file=None))


def test_masks_and_coherence_that_are_named_must_be_there(project: tuple[Path, RadarStack]) -> None:
    folder, _ = project
    with pytest.raises(ConfigError, match=r"mask_file: .*mine\.h5 is not there"):
        refer(folder, ReferenceOptions(mask_file="mine.h5"))
    with pytest.raises(ConfigError, match=r"coherence_file: .*mine\.h5 is not there"):
        refer(folder, ReferenceOptions(coherence_file="mine.h5"))


def test_a_water_mask_made_by_hand_is_kept_and_maps_are_not_written_twice(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    refer(folder)
    written = (folder / "avgSpatialCoh.h5").stat().st_mtime_ns
    refer(folder)
    assert (folder / "avgSpatialCoh.h5").stat().st_mtime_ns == written
    modify_network(stack_of(folder), folder, NetworkOptions(exclude_index=(2,)))
    refer(folder)
    assert (folder / "avgSpatialCoh.h5").stat().st_mtime_ns > written
    assert_array_equal(read_map(folder / "waterMask.h5"), made.water)


def test_velocity_by_stacking(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    modify_network(stack_of(folder), folder, NetworkOptions(exclude_index=(1,)))
    with pytest.raises(InputError, match="has no reference pixel"):
        make_stack_velocity(stack_of(folder), folder / "v.h5")
    row, column = refer(folder)
    make_stack_velocity(stack_of(folder), folder / "v.h5", memory_gb=1e-9)
    keep = stack_of(folder).keep
    years = np.array([pair.days for pair in made.pairs])[keep] / 365.25
    phase = made.phase[keep].astype(np.float64)
    rate = -0.05546576 / (4 * np.pi) * (phase - phase[:, row, column][:, None, None]) / years[:, None, None]
    found = read_map(folder / "v.h5")
    assert_allclose(found, rate.mean(axis=0), atol=1e-6 * np.abs(rate).max())
    assert found[row, column] == 0
    attributes = read_attributes(folder / "v.h5")
    assert (attributes["FILE_TYPE"], attributes["UNIT"], attributes["REF_Y"]) == ("velocity", "m/year", str(row))


def test_memory_does_not_change_a_bit(project: tuple[Path, RadarStack]) -> None:
    folder, _ = project
    wide = read_map(make_average(stack_of(folder), folder / "wide.h5"))
    tight = read_map(make_average(stack_of(folder), folder / "tight.h5", memory_gb=1e-9))
    assert_array_equal(wide, tight)


def test_datasets_that_are_missing_are_named(project: tuple[Path, RadarStack]) -> None:
    folder, _ = project
    with pytest.raises(InputError, match=r"ifgramStack\.h5 has no dataset offsetSNR: it holds coherence, connect"):
        make_average(stack_of(folder), folder / "x.h5", name="offsetSNR")


def test_a_mask_from_a_map(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    refer(folder)
    options = MaskOptions(minimum=0.5, min_pixels=4)
    base = (folder / "inputs" / "geometryGeo.h5", "waterMask")
    share = make_mask_file(folder / "avgSpatialCoh.h5", folder / "mask.h5", options, base=base)
    kept = read_map(folder / "mask.h5")
    assert share == kept.mean()
    assert not (kept & ~made.water).any()
    assert (read_map(folder / "avgSpatialCoh.h5")[kept] >= 0.5).all()


# ----------------------------------------------------------------------------------------------- products written anew


@pytest.fixture
def series(tmp_path: Path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(0).normal(size=(3, 6, 7)).astype(np.float32)
    values[0] = 0
    values[:, 2, 3] = 0  # the reference pixel
    values[:, 5, 5] = 0  # not measured
    values[1, 0, 0] = np.nan
    path = tmp_path / "timeseries.h5"
    dates = np.array(["20180105", "20180117", "20180129"], "S8")
    attributes = {"FILE_TYPE": "timeseries", "UNIT": "m", "REF_Y": "2", "REF_X": "3", "REF_DATE": "20180105"}
    write_product(path, {"timeseries": values}, attributes, tables={"date": dates, "bperp": np.arange(3.0)})
    return path, values


def layers_of(path: Path) -> np.ndarray:
    days = ("20180105", "20180117", "20180129")
    return np.stack([read_map(path, f"timeseries-{day}") for day in days])


def test_a_series_relative_to_another_pixel(series: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path, values = series
    target = tmp_path / "other.h5"
    options = ReferenceOptions(yx=(1, 4), mask_file=None)
    assert refer_file(path, target, options, memory_gb=1e-9) == (1, 4)
    found = layers_of(target)
    assert (found[:, 1, 4] == 0).all()
    assert (found[:, 5, 5] == 0).all()
    assert_array_equal(found[:, 2, 3], -values[:, 1, 4])
    assert_allclose(found[:, 3], values[:, 3] - values[:, 1, 4][:, None])
    assert read_attributes(target)["REF_X"] == "4"
    assert_array_equal(layers_of(path), values)
    back = refer_file(target, target, ReferenceOptions(yx=(2, 3), mask_file=None))
    assert back == (2, 3)
    assert_allclose(layers_of(target), values, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"yx": (0, 0)}, r"\(row 0, column 0\) has no value in timeseries"),
        ({"yx": (5, 5)}, r"\(row 5, column 5\) was not measured"),
        ({"yx": (9, 0)}, "lies outside the map of 6 x 7"),
        ({}, "name the pixel"),
    ],
)
def test_a_pixel_that_a_series_cannot_refer_to(
    series: tuple[Path, np.ndarray], options: dict[str, object], match: str
) -> None:
    given = ReferenceOptions.model_validate({"mask_file": None, **options})
    with pytest.raises(InputError, match=match):
        refer_file(series[0], series[0], given)


def test_errors_and_amplitudes_do_not_follow_the_reference(tmp_path: Path) -> None:
    maps = {name: np.full((3, 4), 2.0, np.float32) for name in ("velocity", "velocityStd", "annualAmplitude")}
    maps["velocity"][1, 1] = 5.0
    path = tmp_path / "velocity.h5"
    write_product(path, maps, {"FILE_TYPE": "velocity", "UNIT": "m/year"})
    refer_file(path, path, ReferenceOptions(yx=(1, 1), mask_file=None))
    assert read_map(path, "velocity")[0, 0] == -3.0
    assert (read_map(path, "velocityStd") == 2.0).all()
    assert (read_map(path, "annualAmplitude") == 2.0).all()
    write_product(path, {"mask": np.ones((3, 4), bool)}, {"FILE_TYPE": "mask"})
    with pytest.raises(InputError, match=r"\(mask\) is not relative to a pixel"):
        refer_file(path, path, ReferenceOptions(yx=(1, 1), mask_file=None))


def test_a_product_inside_a_mask(project: tuple[Path, RadarStack], series: tuple[Path, np.ndarray]) -> None:
    path, values = series
    keep = np.random.default_rng(1).random((6, 7)) < 0.5
    target = mask_product(path, path.with_name("masked.h5"), keep, memory_gb=1e-9)
    assert_array_equal(layers_of(target), np.where(keep, values, np.nan))
    folder, made = project
    inside = made.water
    stack = mask_product(folder / "inputs" / "ifgramStack.h5", folder / "masked.h5", inside, fill=0)
    again = StackFile.open(stack)
    assert again.pairs == made.pairs
    assert again.read("connectComponent").dtype == np.int16
    assert_array_equal(again.read("unwrapPhase"), np.where(inside, made.phase, 0))
    with pytest.raises(InputError, match=r"'timeseries' has 6 x 7 pixels and the mask 36 x 44"):
        mask_product(path, path.with_name("x.h5"), inside)
