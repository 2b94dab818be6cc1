from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from tests.interferograms.samples import InMemory

from creepmeter.errors import ConfigError
from creepmeter.interferograms.catalogue import Catalogue
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.looks import Looks, attributes_after, plan_looks
from creepmeter.kernels.phase_weights import looks_of
from creepmeter.model.grid import Grid

SHAPE = (11, 14)
VALUES = np.random.default_rng(5).normal(size=SHAPE).astype(np.float32)
DEGREES = GeoBox(SHAPE, Affine(0.5, 0, 10, 0, -0.5, 50), "EPSG:4326")
METRES = GeoBox(SHAPE, Affine(100, 0, 500_000, 0, -100, 4_000_000), "EPSG:32613")


def catalogue(grid: Grid | None = DEGREES, **geometry: InMemory) -> Catalogue:
    return Catalogue((), geometry, SHAPE, grid, {})


@given(
    tall=st.integers(1, 5),
    wide=st.integers(1, 5),
    method=st.sampled_from(["nearest", "mean", "median"]),
    strip=st.integers(1, 20),
)
def test_every_pixel_is_that_of_its_own_cell(tall: int, wide: int, method: str, strip: int) -> None:
    looks = Looks(slice(1, 11), slice(2, 14), tall, wide, method)
    found = looks.read(InMemory(VALUES), "height", strip_rows=strip)
    part = VALUES[1:11, 2:14]
    assert found.shape == looks.shape == (10 // tall, 12 // wide)
    for row in range(found.shape[0]):
        for column in range(found.shape[1]):
            cell = part[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
            expected = {"nearest": cell[tall // 2, wide // 2], "mean": cell.mean(), "median": np.median(cell)}
            assert found[row, column] == pytest.approx(expected[method], abs=1e-6)


@pytest.mark.parametrize("method", ["mean", "median"])
def test_missing_is_not_averaged(method: str) -> None:
    values = np.full((4, 4), 3.0, np.float32)
    values[0, 0], values[0, 1], values[2:, 2:], values[2:, :2] = 0, np.nan, 0, np.nan
    found = Looks(slice(0, 4), slice(0, 4), 2, 2, method).read(InMemory(values), "unwrapPhase")
    np.testing.assert_array_equal(found, [[3, 3], [np.nan, 0]])
    heights = Looks(slice(0, 4), slice(0, 4), 2, 2, method).read(InMemory(values), "height")
    assert heights[0, 0] == pytest.approx(2 if method == "mean" else 3)  # sea level is a height


@pytest.mark.parametrize("name", ["latitude", "longitude", "azimuthCoord", "rangeCoord"])
def test_a_missing_lookup_is_not_averaged(name: str) -> None:
    values = np.full((4, 4), 300.0, np.float32)
    values[0, 0], values[0, 1], values[2:, 2:] = 0, np.nan, 0
    found = Looks(slice(0, 4), slice(0, 4), 2, 2, "mean").read(InMemory(values), name)
    np.testing.assert_array_equal(found, [[300, 300], [300, 0]])


@pytest.mark.parametrize("stated", ["25", None])
@pytest.mark.parametrize(
    ("method", "rule", "grows"),
    [("nearest", "samples", "never"), ("mean", "samples", "always"), ("mean", "mintpy", "unless stated"),
     ("nearest", "mintpy", "unless stated")],
)  # fmt: skip
def test_independent_looks_grow_with_the_samples_that_are_joined(
    method: str, rule: str, grows: str, stated: str | None
) -> None:
    whole = {"ALOOKS": "5", "RLOOKS": "10", **({"NCORRLOOKS": stated} if stated else {})}
    found = attributes_after(whole, Looks(slice(0, 8), slice(0, 9), 2, 3, method, rule), None)
    numbers = [
        looks_of(float(one["NCORRLOOKS"]) if "NCORRLOOKS" in one else None, float(one["ALOOKS"]), float(one["RLOOKS"]))
        for one in (whole, found)
    ]
    factor = 6 if grows == "always" or (grows == "unless stated" and stated is None) else 1
    assert numbers[1] == pytest.approx(numbers[0] * factor, abs=factor / 2)  # whole numbers
    assert (found["ALOOKS"], found["RLOOKS"]) == ("10", "30")


def test_components_and_masks_are_never_averaged() -> None:
    labels = np.arange(16, dtype=np.int16).reshape(4, 4)
    looks = Looks(slice(0, 4), slice(0, 4), 2, 2, "mean")
    for name, values in (("connectComponent", labels), ("waterMask", labels.astype(np.float32))):
        np.testing.assert_array_equal(looks.read(InMemory(values), name), [[5, 7], [13, 15]])


def test_a_subset_in_pixels_is_cut_at_the_edge() -> None:
    looks = plan_looks(catalogue(), LoadOptions(subset_yx=(2, 99, 3, 9)))
    assert (looks.rows, looks.columns) == (slice(2, 11), slice(3, 9))
    with pytest.raises(ConfigError, match="does not touch the interferograms, which have 11 x 14 px"):
        plan_looks(catalogue(), LoadOptions(subset_yx=(11, 20, 0, 5)))
    with pytest.raises(ConfigError, match="leaves no pixel of 2 x 2"):
        plan_looks(catalogue(), LoadOptions(subset_yx=(0, 2, 0, 2), multilook_y=3))


def test_a_subset_in_degrees_holds_the_box_on_every_kind_of_grid() -> None:
    looks = plan_looks(catalogue(), LoadOptions(subset_lalo=(46.0, 49.0, 11.0, 12.5)))
    assert (looks.rows, looks.columns) == (slice(2, 8), slice(2, 5))
    metric = plan_looks(catalogue(METRES), LoadOptions(subset_lalo=(36.139, 36.1435, -104.996, -104.99)))
    assert metric.shape == (5, 5)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    turned = {"latitude": InMemory(50 - rows + 0.3 * columns), "longitude": InMemory(10 + columns + 0.3 * rows)}
    looks = plan_looks(catalogue(None, **turned), LoadOptions(subset_lalo=(45.0, 47.0, 14.0, 16.0)))
    inside = np.zeros(SHAPE, bool)
    inside[looks.rows, looks.columns] = True
    latitude, longitude = turned["latitude"].values, turned["longitude"].values
    wanted = (latitude >= 45) & (latitude <= 47) & (longitude >= 14) & (longitude <= 16)
    assert wanted.any()
    assert not (wanted & ~inside).any()
    with pytest.raises(ConfigError, match="holds no pixel"):
        plan_looks(catalogue(None, **turned), LoadOptions(subset_lalo=(-5.0, -4.0, 14.0, 16.0)))
    with pytest.raises(ConfigError, match="give subset_yx"):
        plan_looks(catalogue(None), LoadOptions(subset_lalo=(45.0, 47.0, 14.0, 16.0)))


def test_attributes_tell_of_the_part() -> None:
    whole = {
        "LENGTH": "11", "WIDTH": "14", "ALOOKS": "5", "RLOOKS": "10", "AZIMUTH_PIXEL_SIZE": "70.25",
        "RANGE_PIXEL_SIZE": "20.0", "NCORRLOOKS": "25", "STARTING_RANGE": "800000.0", "X_FIRST": "10", "Y_FIRST": "50",
        "X_STEP": "0.5", "Y_STEP": "-0.5", "REF_Y": "5", "REF_X": "9",
    }  # fmt: skip
    looks = Looks(slice(1, 11), slice(2, 14), 2, 3, "mean")
    found = attributes_after(whole, looks, DEGREES)
    assert (found["LENGTH"], found["WIDTH"]) == ("5", "4")
    assert (found["ALOOKS"], found["RLOOKS"], found["NCORRLOOKS"]) == ("10", "30", "150")
    assert (found["AZIMUTH_PIXEL_SIZE"], found["RANGE_PIXEL_SIZE"]) == ("140.5", "60.0")
    corner = [float(found[name]) for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP")]
    assert corner == [11.0, 49.5, 1.5, -1.0]
    assert [found[f"SUBSET_{name}"] for name in ("YMIN", "YMAX", "XMIN", "XMAX")] == [
        "0",
        "5",
        "0",
        "4",
    ]  # as MintPy 1.6.4: pixels of the new size
    assert (found["REF_Y"], found["REF_X"]) == ("2", "2")
    assert found["STARTING_RANGE"] == "800000.0"
    radar = attributes_after(whole, looks, None)
    assert radar["STARTING_RANGE"] == "800040.0"
    assert attributes_after(whole, Looks(slice(0, 11), slice(0, 14), 2, 3, "nearest"), None)["NCORRLOOKS"] == "25"
    assert "REF_Y" not in attributes_after(whole, Looks(slice(0, 4), slice(0, 4)), DEGREES)
    again = attributes_after(found, Looks(slice(1, 3), slice(0, 4)), None)
    assert (again["SUBSET_YMIN"], again["SUBSET_YMAX"]) == ("1", "3")


def test_the_whole_without_looks_keeps_every_attribute() -> None:
    whole = {"LENGTH": "11", "WIDTH": "14", "X_STEP": "0.50", "LAT_REF1": "44.5"}
    assert attributes_after(whole, Looks(slice(0, 11), slice(0, 14)), DEGREES) == whole


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"subset_yx": "3:1,0:5"}, "from the smaller to the larger"),
        ({"subset_yx": "-1:4,0:5"}, "count from 0"),
        ({"subset_yx": "1:4"}, "not two ranges"),
        ({"subset_yx": "1:4,2:5", "subset_lalo": "1:4,2:5"}, "choose one"),
        ({"multilook_y": 0}, "greater than or equal to 1"),
        ({"processor": "doris"}, "Input should be"),
    ],
)
def test_options_that_make_no_sense(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        LoadOptions().override(changes, step="load")


def test_ranges_may_be_text_as_in_a_template_or_a_flag() -> None:
    assert LoadOptions.model_validate({"subset_yx": "1:4,2:5"}).subset_yx == (1, 4, 2, 5)
    assert LoadOptions.model_validate({"subset_lalo": ("38.1:39", "-123:-122.5")}).subset_lalo == (
        38.1,
        39,
        -123,
        -122.5,
    )
    assert LoadOptions.model_validate({"subset_yx": ()}).subset_yx is None
