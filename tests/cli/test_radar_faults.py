"""Bad radar input through the command line: named, left out or refused, with a way out; never a wrong number."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result
from tests.cli.conftest import Call
from tests.cli.radar_samples import COLUMNS, GIVEN, REFERENCE, ROWS, Isce, Values, small_stack
from tests.workflow.sbas.samples import QUIET

from creepmeter.io.gunw import write_gunw
from creepmeter.io.mintpy.product import read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.layouts.aria import AriaLayout, write_aria
from creepmeter.simulate.layouts.isce2 import write_image
from creepmeter.simulate.layouts.plain import load_settings, write_plain
from creepmeter.simulate.radar import simulate_radar

STACK = small_stack()
MAP_STACK = simulate_radar(rows=ROWS, columns=COLUMNS, dates=4, connections=2, islands=1, seed=3)
PIXEL = (8, 9)  # on land, in the component of the reference
OFF = 3  # exit status when something was left out


@pytest.fixture
def isce(tmp_path: Path) -> Isce:
    return Isce(tmp_path, STACK)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Isce:
    """Return a run of sound input; nothing writes into it."""
    found = Isce(tmp_path_factory.mktemp("clean"), STACK)
    result = found.run(GIVEN)
    assert result.exit_code == 0, result.output
    return found


def said(result: Result) -> str:
    """Return what a run says, and that it did not fall over."""
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.output


def left_out(result: Result) -> list[str]:
    return [line.removeprefix("left out: ") for line in said(result).splitlines() if line.startswith("left out: ")]


def error_of(result: Result) -> str:
    assert result.exit_code == 1, result.output
    lines = [line for line in said(result).splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.output
    return lines[0]


def stack_of(isce: Isce) -> StackFile:
    return StackFile.open(isce.work / "inputs" / "ifgramStack.h5")


# ------------------------------------------------------------------------------------- damaged files (7) and layers (8)


@pytest.fixture
def gunw(tmp_path: Path) -> list[Path]:
    """Return one GUNW product per pair."""
    layout = AriaLayout(frames=1, overlap_px=0)
    write_aria(MAP_STACK, tmp_path, write=write_gunw, write_raster=write_geotiff, layout=layout)
    return sorted((tmp_path / "products").iterdir())


def aria(call: Call, tmp_path: Path) -> Result:
    files = "".join(f"mintpy.load.{key}File = ../products/*.nc\n" for key in ("unw", "cor", "connComp"))
    (tmp_path / "Aria.txt").write_text(
        f"mintpy.load.processor = aria\n{files}mintpy.load.demFile = ../dem.tif\n{QUIET}", encoding="utf-8"
    )
    return call("sbas", tmp_path / "Aria.txt", "--dir", tmp_path / "work", "--end", "velocity")


@pytest.mark.parametrize("spoilt", [b"", b"x" * 96, 96, 0.5], ids=["empty", "garbage", "96 bytes", "half"])
def test_a_damaged_gunw_is_left_out_by_name(
    call: Call, gunw: list[Path], tmp_path: Path, spoilt: float | bytes
) -> None:
    whole = gunw[1].read_bytes()
    size = int(len(whole) * spoilt) if isinstance(spoilt, float) else spoilt
    gunw[1].write_bytes(size if isinstance(size, bytes) else whole[:size])
    result = aria(call, tmp_path)
    assert result.exit_code == OFF
    (out,) = left_out(result)
    assert out.startswith(gunw[1].name)
    assert "damaged or cut; get it again or leave it out" in out
    stack = StackFile.open(tmp_path / "work" / "inputs" / "ifgramStack.h5")
    assert stack.pairs == tuple(pair for k, pair in enumerate(MAP_STACK.pairs) if k != 1)


@pytest.mark.parametrize("layer", ["unwrappedPhase", "coherence"])
def test_a_gunw_without_a_layer_that_is_needed_is_left_out(
    call: Call, gunw: list[Path], tmp_path: Path, layer: str
) -> None:
    with h5py.File(gunw[0], "r+") as file:
        del file[f"science/grids/data/{layer}"]
    (out,) = left_out(aria(call, tmp_path))
    assert out.startswith(gunw[0].name)
    assert layer in out


def test_a_gunw_without_components_only_warns(call: Call, gunw: list[Path], tmp_path: Path) -> None:
    with h5py.File(gunw[0], "r+") as file:
        del file["science/grids/data/connectedComponents"]
    result = aria(call, tmp_path)
    assert result.exit_code == 0, result.output
    assert f"warning: connectComponent is missing in 1 of {len(gunw)} products ({gunw[0].name})" in result.stderr
    assert "connectComponent" not in StackFile.open(tmp_path / "work" / "inputs" / "ifgramStack.h5").names


def test_all_products_damaged(call: Call, gunw: list[Path], tmp_path: Path) -> None:
    for path in gunw:
        path.write_bytes(b"x" * 96)
    message = error_of(aria(call, tmp_path))
    assert f"no product can be used of {len(gunw)}" in message
    assert gunw[0].name in message
    assert not list((tmp_path / "work").glob("inputs/*.h5"))


def test_damaged_images_and_headers_are_left_out_by_name(isce: Isce) -> None:
    cut, empty, header = (isce.folder(k) for k in (1, 2, 4))
    (cut / "filt_fine.unw").write_bytes((cut / "filt_fine.unw").read_bytes()[:500])
    (empty / "filt_fine.cor").write_bytes(b"")
    (header / "filt_fine.unw.xml").write_text("<imageFile>", encoding="utf-8")
    (header / "filt_fine.unw.vrt").unlink()
    result = isce.run()
    assert result.exit_code == OFF
    found = {text.split("/")[0]: text for text in left_out(result)}
    assert set(found) == {cut.name, empty.name, header.name}
    assert "24 x 28 px, 2 band(s) of f4, filt_fine.unw has 500 bytes" in found[cut.name]
    assert "it has no coherence, the others have one" in found[empty.name]
    assert "is not well-formed XML" in found[header.name]
    assert "filt_fine.cor has 0 bytes" in result.stderr  # why it has no coherence
    assert len(stack_of(isce).pairs) == len(isce.pairs) - 3


def test_a_stack_without_any_coherence(isce: Isce) -> None:
    for path in isce.home.rglob("filt_fine.cor*"):
        path.unlink()
    automatic = isce.run()
    assert "cor_file: no file matches ../isce/merged/interferograms/*/filt_fine.cor" in automatic.stderr
    assert "there is no average coherence to choose by" in error_of(automatic)
    assert "give reference.yx" in error_of(automatic)
    weighted = error_of(isce.run(GIVEN))
    assert "ifgramStack.h5 has no dataset 'coherence' for weights 'var': use weights no" in weighted
    assert isce.run(f"{GIVEN}mintpy.networkInversion.weightFunc = no\n").exit_code == 0


def test_a_stack_without_geometry_says_so(isce: Isce) -> None:
    for path in (isce.home / "isce" / "merged" / "geom_reference").iterdir():
        path.unlink()
    result = isce.run(GIVEN)
    assert result.exit_code == 0, result.output
    for option in ("dem_file", "lookup_y_file", "inc_angle_file", "water_mask_file"):
        assert f"warning: {option}: no file matches" in result.stderr


@pytest.mark.parametrize("kept", [0.0, 0.5])
@pytest.mark.parametrize(
    "name", ["waterMask.h5", "maskConnComp.h5", "avgSpatialCoh.h5", "timeseries.h5", "maskTempCoh.h5", "velocity.h5"]
)
def test_a_damaged_product_is_made_again(clean: Isce, tmp_path: Path, call: Call, name: str, kept: float) -> None:
    work = tmp_path / "work"
    shutil.copytree(clean.work, work)
    before = (work / name).read_bytes()
    (work / name).write_bytes(before[: int(len(before) * kept)])
    looked = call("info", work / name)
    assert looked.exit_code == 1
    assert name in looked.stderr
    again = call("sbas", "--dir", work, "--start", "modify_network", "--end", "velocity")
    assert again.exit_code == 0, again.output
    with h5py.File(clean.work / name) as one, h5py.File(work / name) as other:
        for key in one:
            np.testing.assert_array_equal(one[key][()], other[key][()], key)


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_damaged_stack_is_named(clean: Isce, tmp_path: Path, call: Call, kept: float) -> None:
    work = tmp_path / "work"
    shutil.copytree(clean.work, work)
    stack = work / "inputs" / "ifgramStack.h5"
    before = stack.read_bytes()
    stack.write_bytes(before[: int(len(before) * kept)])
    message = error_of(call("sbas", "--dir", work, "--end", "velocity"))
    assert str(stack) in message
    assert "damaged or cut" in message
    assert "delete it and make it anew" in message


# ----------------------------------------------------------------------------------------------------- other sizes (23)


def test_members_of_another_size_are_left_out_by_name(isce: Isce) -> None:
    write_image(isce.folder(1) / "filt_fine.unw", [STACK.phase[1][:20]] * 2, "BIL")
    write_image(isce.folder(2) / "filt_fine.cor", [STACK.coherence[2][:20]], "BIL")
    write_image(isce.home / "isce/merged/geom_reference/hgt.rdr", [STACK.height[:20].astype(np.float64)], "BIL")
    result = isce.run(GIVEN)
    assert result.exit_code == OFF
    phase, coherence = left_out(result)
    assert phase == f"{isce.pairs[1]}/filt_fine.unw: it has 20 x 28 px, 6 of 7 have 24 x 28 px"
    assert coherence.startswith(f"{isce.pairs[2]}/filt_fine.unw")
    assert "hgt.rdr has 20 x 28 px, the interferograms have 24 x 28: it is not used" in result.stderr
    stack = stack_of(isce)
    assert stack.shape == (5, ROWS, COLUMNS)
    np.testing.assert_array_equal(stack.read("unwrapPhase"), STACK.phase[[0, 3, 4, 5, 6]])


# --------------------------------------------------------------------------------------------- the network (24, 25, 29)


def test_two_islands_are_told_with_their_dates(isce: Isce) -> None:
    for name in ("20180105_20180222", "20180129_20180222", "20180129_20180318"):
        shutil.rmtree(isce.folder(name))
    result = isce.run(GIVEN)
    assert result.exit_code == 0, result.output
    islands = "network: 2 islands of dates that no pair joins: 20180105 to 20180129 (2); 20180222 to 20180411 (3)"
    assert f"warning: {islands}" in result.stderr
    assert np.isfinite(isce.series()).all()


def test_a_single_pair_is_enough(isce: Isce) -> None:
    for name in isce.pairs[1:]:
        shutil.rmtree(isce.folder(name))
    assert isce.run(GIVEN).exit_code == 0
    moved = -float(STACK.attributes["WAVELENGTH"]) / (4 * np.pi) * (STACK.phase[0] - STACK.phase[0][REFERENCE])
    land = read_map(isce.work / "numInvIfgram.h5") > 0
    np.testing.assert_allclose(isce.series()[1][land], moved[land], atol=1e-6)


def test_duplicate_and_reversed_pairs(isce: Isce) -> None:
    turned = isce.folder("20180129_20180105")
    shutil.copytree(isce.folder(0), turned)
    shutil.copytree(isce.folder(0), isce.folder("20180105_20180105"))
    result = isce.run(GIVEN)
    assert "pair 20180105_20180129 is there twice: 20180129_20180105/filt_fine.unw is taken" in result.stderr
    (out,) = left_out(result)
    assert out.startswith("20180105_20180105/filt_fine.unw")
    assert "(both are 20180105): rename it" in out
    stack = stack_of(isce)
    assert stack.pairs == STACK.pairs
    np.testing.assert_array_equal(stack.read_pair("unwrapPhase", 0), -STACK.phase[0])  # forward in time again


def test_a_pixel_whose_own_network_breaks_leaves_the_others_alone(isce: Isce, clean: Isce) -> None:
    broken = (isce.pairs.index(name) for name in ("20180105_20180222", "20180129_20180222", "20180129_20180318"))
    for pair in broken:
        isce.spoil(pair, PIXEL, 0.0)
    assert isce.run(GIVEN).exit_code == 0
    count, before = (read_map(one.work / "numInvIfgram.h5") for one in (isce, clean))
    assert count[PIXEL] == before[PIXEL] - 3
    others = np.ones((ROWS, COLUMNS), bool)
    others[PIXEL] = False
    np.testing.assert_array_equal(isce.series()[:, others], clean.series()[:, others])
    here = isce.series()[(slice(None), *PIXEL)]
    assert np.isfinite(here).all()
    assert here[1] == here[2]  # least velocity across the gap


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("20240230_20240311", "('20240230' is no date of the calendar)"),
        ("20241301_20241401", "('20241301' is no date of the calendar)"),
        ("18010_18012", "rename it or give dates_pattern"),
    ],
)
def test_bad_dates_are_named(isce: Isce, name: str, why: str) -> None:
    isce.folder(0).rename(isce.folder(name))
    result = isce.run(end="load_data")
    assert result.exit_code == OFF
    (out,) = left_out(result)
    assert out.startswith(f"{name}/filt_fine.unw")
    assert why in out


@pytest.mark.parametrize(
    ("start", "days", "dates"),
    [
        ("20240229", 1.0, ["20240229", "20240301", "20240302"]),
        ("20231231", 1.0, ["20231231", "20240101", "20240102"]),
        ("19991231", 60.0, ["19991231", "20000229", "20000429"]),
    ],
)
@pytest.mark.parametrize("digits", [8, 6])
def test_leap_days_year_ends_and_six_digits(
    tmp_path: Path, start: str, days: float, dates: list[str], digits: int
) -> None:
    isce = Isce(tmp_path, small_stack(start=start, days=days, dates=3))
    for name in isce.pairs if digits < 8 else ():
        isce.folder(name).rename(isce.folder("_".join(part[-digits:] for part in name.split("_"))))
    result = isce.run(GIVEN)
    assert result.exit_code == 0, result.output
    with h5py.File(isce.work / "timeseries.h5") as file:
        assert [date.decode() for date in file["date"][()]] == dates


# --------------------------------------------------------------------------------------------- the reference pixel (26)


def water() -> tuple[int, int]:
    row, column = np.argwhere(~STACK.water)[0]
    return int(row), int(column)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_reference_without_phase_is_refused_and_another_proposed(isce: Isce, value: float) -> None:
    isce.spoil(3, REFERENCE, value)
    message = error_of(isce.run(GIVEN))
    assert "ifgramStack.h5: reference pixel (row 5, column 5) has no phase in some of the pairs" in message
    assert f"unwrapPhase is missing there in 1 of 7 pairs ({isce.pairs[3]}), which can be left out" in message
    row, column = message.partition("such as row ")[2].partition(";")[0].split(", column ")
    assert isce.run(f"mintpy.reference.yx = {row}, {column}\n").exit_code == 0
    assert stack_of(isce).reference == (int(row), int(column))
    others = isce.run(f"{GIVEN}mintpy.network.excludeIfgIndex = 3\n")
    assert others.exit_code == 0, others.output


def test_a_masked_reference_is_refused_and_another_proposed(isce: Isce) -> None:
    row, column = water()
    message = error_of(isce.run(f"mintpy.reference.yx = {row}, {column}\n"))
    assert f"reference pixel (row {row}, column {column}) is masked out: choose another, such as row " in message
    outside = error_of(isce.run("mintpy.reference.yx = 500, 3\n"))
    assert "lies outside the map of 24 x 28 pixels: rows run from 0 to 23" in outside
    assert "REF_Y" not in stack_of(isce).attributes
    assert not (isce.work / "timeseries.h5").exists()


def test_a_pair_without_any_phase(isce: Isce) -> None:
    isce.spoil(0, (slice(None), slice(None)), np.nan)
    result = isce.run(GIVEN)
    assert f"1 product(s) hold no value in the area that is loaded: {isce.pairs[0]}/filt_fine.unw" in result.stderr
    assert f"unwrapPhase is missing there in 1 of 7 pairs ({isce.pairs[0]})" in error_of(result)
    assert isce.run(f"{GIVEN}mintpy.network.excludeIfgIndex = 0\n").exit_code == 0


# ------------------------------------------------------------------------------------------- weights (27), outlier (28)


@pytest.mark.parametrize(
    ("value", "stored", "counted"),
    [(0.0, 0, 0), (-0.5, 0, 1), (np.nan, np.nan, 0), (np.inf, 0, 1), (1.5, 1, 1)],
)
def test_wild_coherence_is_clipped_and_counted(
    isce: Isce, clean: Isce, value: float, stored: float, counted: int
) -> None:
    isce.spoil(0, PIXEL, value, file="filt_fine.cor")
    result = isce.run(GIVEN)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("filt_fine.cor: 1 values of coherence lie outside 0 to 1") == counted
    np.testing.assert_equal(stack_of(isce).read_pair("coherence", 0)[PIXEL], np.float32(stored))
    others = np.ones((ROWS, COLUMNS), bool)
    others[PIXEL] = False
    np.testing.assert_array_equal(isce.series()[:, others], clean.series()[:, others])
    for name in ("timeseries.h5", "velocity.h5", "avgSpatialCoh.h5", "temporalCoherence.h5"):
        with h5py.File(isce.work / name) as file:
            for key in (key for key in file if file[key].dtype.kind == "f"):
                assert np.isfinite(file[key][()]).all(), f"{name} {key}"


def test_coherence_on_another_scale_is_left_out(isce: Isce) -> None:
    (np.clip(STACK.coherence[0], 0, 1) * 255).astype("<f4").tofile(isce.folder(0) / "filt_fine.cor")
    (out,) = left_out(isce.run(GIVEN))
    assert out.startswith(isce.pairs[0])
    assert "not 0 to 1: bring it to that scale" in out


def test_an_outlier_of_one_cycle(call: Call, tmp_path: Path) -> None:
    isce = Isce(tmp_path, small_stack(dates=8, connections=3, islands=0, noise=False))
    assert isce.run(GIVEN).exit_code == 0
    sound = isce.series()
    half = (slice(12, None), slice(None))
    shifted = isce.stack.phase[7][12:]
    isce.spoil(7, half, 0.0)
    path = isce.folder(7) / "filt_fine.unw"
    values = np.fromfile(path, "<f4").reshape(ROWS, 2, COLUMNS)
    values[12:, 1] = np.where(shifted != 0, shifted + np.float32(2 * np.pi), 0)
    values.tofile(path)
    assert isce.run(GIVEN).exit_code == 0
    squares = np.abs(isce.series() - sound).max()
    errors = {}
    for norm in ("L1", "huber"):
        result = call(
            "ifgram-inversion", isce.work / "inputs" / "ifgramStack.h5", "--residual-norm", norm, "--min-num-pixel", 20
        )
        assert result.exit_code == 0, result.output
        errors[norm] = np.abs(isce.series() - sound).max()
    assert squares > 5e-3
    assert errors["L1"] < 1e-5
    assert errors["huber"] < squares / 4
    assert isce.run(f"{GIVEN}mintpy.networkInversion.residualNorm = L1\n").exit_code == 0
    assert np.abs(isce.series() - sound).max() < 1e-5


# ------------------------------------------------------------------------------------------- types and fill values (22)


def load_tif(call: Call, folder: Path, change: Callable[[Path], None] = lambda _: None) -> Result:
    """Load a stack of GeoTIFF files, one of which is changed."""
    write_plain(MAP_STACK, folder / "tif", write_geotiff)
    change(folder / "tif")
    settings = load_settings(folder / "tif")
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
    return call("load", "interferograms", *flags, "-o", folder)


def tif(folder: Path, kind: str, values: np.ndarray, nodata: float | None = None) -> None:
    assert MAP_STACK.grid is not None
    write_geotiff(folder / f"{MAP_STACK.pairs[0]}_{kind}.tif", values, MAP_STACK.grid, nodata=nodata)


@pytest.mark.parametrize(("dtype", "number"), [("u2", 40_000), ("i4", 70_000), ("f4", 1e9)])
def test_components_that_do_not_fit_are_refused(call: Call, tmp_path: Path, dtype: str, number: float) -> None:
    values = MAP_STACK.component[0].astype(dtype)
    values[3, 3] = number
    result = load_tif(call, tmp_path, lambda folder: tif(folder, "cc", values))
    assert result.exit_code == OFF
    (out,) = left_out(result)
    assert out.startswith(f"{MAP_STACK.pairs[0]}_unw.tif")
    assert f"_cc.tif holds component {number:g}, more than 32767" in out


@pytest.mark.parametrize(
    ("kind", "dtype", "fill", "layer"),
    [
        ("unw", "f4", -9999.0, "unwrapPhase"),
        ("unw", "f4", np.nan, "unwrapPhase"),
        ("unw", "i2", -32768.0, "unwrapPhase"),
        ("coh", "f4", -1.0, "coherence"),
        ("coh", "f4", np.nan, "coherence"),
        ("cc", "u1", 255.0, "connectComponent"),
        ("cc", "i2", -32768.0, "connectComponent"),
    ],
)
def test_a_declared_fill_is_no_data(call: Call, tmp_path: Path, kind: str, dtype: str, fill: float, layer: str) -> None:
    sources: dict[str, Values] = {"unw": MAP_STACK.phase, "coh": MAP_STACK.coherence, "cc": MAP_STACK.component}
    source = sources[kind][0]
    values = np.rint(source).astype(dtype) if dtype[0] in "iu" else source.astype(dtype)
    expected = values.astype(np.float64)
    values[2:5, 3:9] = fill
    expected[2:5, 3:9] = 0
    result = load_tif(call, tmp_path, lambda folder: tif(folder, kind, values, nodata=fill))
    assert result.exit_code == 0, result.output
    found = StackFile.open(tmp_path / "inputs" / "ifgramStack.h5").read_pair(layer, 0)
    np.testing.assert_array_equal(found, expected)


# ---------------------------------------------------------------------------------------------------- the template (38)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mintpy.networkInversion.maskThreshold = abc", "allowed are number from 0"),
        ("mintpy.networkInversion.minTempCoh = nan", "out of bounds"),
        ("mintpy.network.connNumMax = -2", "allowed are whole number from 1"),
        ("mintpy.network.startDate = 20240230", "'20240230' is no date of the calendar"),
        ("mintpy.reference.yx = 5", "allowed are row,column"),
        ("mintpy.reference.yx = -1, 2", "whole numbers from 0"),
        ("mintpy.unwrapError.method = magic", "bridging"),
        ("mintpy.multilook.ystep = 0", "from 1"),
        ("mintpy.subset.yx = 9,3,1,5", "subset.yx"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(isce: Isce, text: str, told: str) -> None:
    result = isce.run(f"\n{text}\n")
    message = error_of(result)
    lines = (isce.home / "Project.txt").read_text(encoding="utf-8").splitlines()
    assert f"Project.txt, line {lines.index(text) + 1}: {text}" in message
    assert told in message
    assert not isce.work.exists()


def test_unknown_keys_are_named_with_their_lines(isce: Isce) -> None:
    result = isce.run("mintpy.netwrk.tempBaseMax = 60\nfoo.bar = 3\n", end="load_data")
    count = len((isce.home / "Project.txt").read_text(encoding="utf-8").splitlines())
    near = (
        f"Project.txt, line {count - 1}: unknown key 'mintpy.netwrk.tempBaseMax', not used; did you mean mintpy.network"
    )
    assert near in result.stderr
    assert f"Project.txt, line {count}: unknown key 'foo.bar', not used" in result.stderr
