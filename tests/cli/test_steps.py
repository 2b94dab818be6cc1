"""The single steps: what each command makes, and that its flags reach the step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from PIL import Image
from tests.cli.conftest import DATES, GRID, MOTION, Call, Products

import creepmeter as cm
from creepmeter.interferograms.itslive import pair_of_netcdf
from creepmeter.io.points import read_points
from creepmeter.io.provenance import provenance_of
from creepmeter.io.raster import read_bands, read_header, write_geotiff
from creepmeter.io.store import write
from creepmeter.model.grid import grid_of, pixel_grid
from creepmeter.model.schema import MOTION_MODEL, PAIR_STACK, TIME_SERIES, check, kind_of, make_pair_stack
from creepmeter.simulate import nearest_pairs, pair_stack, write_offset_maps

FINE = GeoBox((72, 88), Affine(10.0, 0.0, 5e5, 0.0, -10.0, 4e6), GRID.crs)
TRACK = ("--chip", 16, "--step", 8, "--search", 4)


def least_squares(folder: Path, pixel_m: float) -> npt.NDArray[np.float64]:
    """Return displacement (component, date, y, x) since the first date from maps of east px, south px, mask."""
    files = sorted(folder.glob("*-F.tif"))
    ends = [file.stem.removesuffix("-F").split("_") for file in files]
    dates = sorted({date for pair in ends for date in pair})
    design = np.zeros((len(files), len(dates)))
    for k, (ref, sec) in enumerate(ends):
        design[k, dates.index(ref)], design[k, dates.index(sec)] = -1.0, 1.0
    bands = np.array([read_bands(file)[0] for file in files], np.float64)  # pair, band, y, x
    bands[:, :2][np.repeat(bands[:, 2:] == 0, 2, axis=1)] = np.nan
    bands[:, :2] *= np.array([pixel_m, -pixel_m]).reshape(1, 2, 1, 1)
    found = np.full((2, len(dates), *bands.shape[2:]), np.nan)
    for component, row, column in np.ndindex(2, *bands.shape[2:]):
        moved = bands[:, component, row, column]
        seen = np.isfinite(moved)
        solved, _, rank, _ = np.linalg.lstsq(design[seen, 1:], moved[seen], rcond=None)
        if rank == len(dates) - 1:
            found[component, :, row, column] = [0.0, *solved]
    return found


def test_offset_maps_of_another_program_invert_like_plain_least_squares(done: Call, tmp_path: Path) -> None:
    stack, _ = pair_stack(MOTION, nearest_pairs(DATES, 3), GRID, seed=8, noise_m=0.4, missing_fraction=0.1)
    write_offset_maps(stack, tmp_path / "maps", write_geotiff, pixel_size_m=10.0)
    layout = ("--bands", "east,south,mask", "--unit", "px", "--pixel-size", 10)
    done("load", "offsets", tmp_path / "maps" / "*.tif", *layout, "-o", tmp_path / "stack.zarr")
    done("invert", tmp_path / "stack.zarr", "--weights", "no", "--norm", "l2", "-o", tmp_path / "ts.zarr")
    expected = least_squares(tmp_path / "maps", 10.0)
    series = cm.open(tmp_path / "ts.zarr")
    whole = np.isfinite(expected).all(axis=1)  # pixels whose pairs reach all dates
    assert whole.mean() > 0.9
    np.testing.assert_array_equal((series["datum"] == 0) & series["displacement"].notnull().all("time"), whole)
    difference = np.abs(series["displacement"].values - expected).max(axis=1)
    assert difference[whole].max() < 0.005  # metres; float32 in the files


def test_each_step_makes_its_product_with_provenance(products: Products) -> None:
    made = {products.stack: PAIR_STACK, products.stable: PAIR_STACK, products.series: TIME_SERIES}
    for path, kind in {**made, products.velocity: MOTION_MODEL}.items():
        product = cm.open(path)
        check(product, kind)
        assert grid_of(product) == GRID
        assert provenance_of(product)["creepmeter_version"] == cm.__version__
    assert provenance_of(cm.open(products.series))["options"]["norm"] == "l2"


def test_the_chain_of_steps_finds_the_motion(products: Products) -> None:
    rate = cm.open(products.velocity)["value"].sel(term="rate").values
    moving = np.hypot(*rate) > 1.0
    assert 5 < moving.sum() < 40
    np.testing.assert_allclose(np.median(rate[0][moving]), 2.0 * np.sin(np.radians(120.0)), atol=0.25)
    np.testing.assert_allclose(np.median(rate[1][moving]), 2.0 * np.cos(np.radians(120.0)), atol=0.25)


# ---------------------------------------------------------------------------------------------------------------- load


def test_the_pixel_size_that_is_taken_is_printed(done: Call, products: Products, tmp_path: Path) -> None:
    layout = ("--bands", "east,south,mask", "--unit", "px", "-o", tmp_path / "a.zarr")
    result = done("load", "offsets", products.maps, *layout)
    assert "1 px of displacement is 80 m (grid step of the maps)" in result.stdout
    assert "warning: one px of displacement is taken as 80 m" in result.stderr
    given = done("load", "offsets", products.maps, *layout, "--pixel-size", 10)
    assert "1 px of displacement is 10 m (--pixel-size)" in given.stdout
    assert "4 epochs, 5 pairs" in given.stdout


def test_files_may_be_named_one_by_one(done: Call, products: Products, tmp_path: Path) -> None:
    layout = ("--bands", "east,south,mask", "--pixel-size", 10, "-o", tmp_path / "a.zarr")
    done("load", "offsets", *sorted(products.maps.iterdir()), *layout)
    assert cm.open(tmp_path / "a.zarr")["displacement"].identical(cm.open(products.stack)["displacement"])


def test_bad_maps_stop_the_loading_or_are_left_out_and_named(call: Call, products: Products, tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    for file in products.maps.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    bad = folder / "20180102T230219_20190107T230231-F.tif"
    bad.write_bytes(bad.read_bytes()[:700])
    arguments = ("load", "offsets", folder, "--bands", "east,south,mask", "--pixel-size", 10, "-o", tmp_path / "a.zarr")
    stopped = call(*arguments)
    assert stopped.exit_code == 1
    assert bad.name in stopped.stderr
    assert not (tmp_path / "a.zarr").exists()
    skipped = call(*arguments, "--skip-bad")
    assert skipped.exit_code == 3, skipped.output
    assert f"left out: {bad.name}" in skipped.stderr
    assert cm.open(tmp_path / "a.zarr").sizes["pair"] == 4


def test_roles_that_do_not_fit_are_wrong_usage(call: Call, products: Products, tmp_path: Path) -> None:
    result = call("load", "offsets", products.maps, "--bands", "east,west", "-o", tmp_path / "a.zarr")
    assert result.exit_code == 2
    assert "two bands give the same component" in result.stderr


def test_displacement_maps_of_dates_become_a_series(call: Call, tmp_path: Path) -> None:
    grid = GRID
    for number, day in enumerate(("20200101", "20200113", "20200125")):
        write_geotiff(tmp_path / f"displacement_{day}.tif", np.full(grid.shape, 0.01 * number, np.float32), grid)
    target = tmp_path / "ts.zarr"
    result = call("load", "series", tmp_path / "displacement_*.tif", "-o", target)
    assert result.exit_code == 0, result.output
    assert "3 dates, 2020-01-01 to 2020-01-25; los" in result.stdout
    series = cm.open(target)
    check(series, TIME_SERIES)
    np.testing.assert_allclose(series.displacement[0, :, 0, 0], [0, 0.01, 0.02], atol=1e-7)
    assert len(provenance_of(series)["inputs"]) == 3
    (tmp_path / "displacement_20200206.tif").write_bytes(b"II*\x00")
    skipped = call("load", "series", tmp_path / "displacement_*.tif", "-o", target, "--skip-bad")
    assert skipped.exit_code == 3
    assert "left out: displacement_20200206.tif" in skipped.stderr


# -------------------------------------------------------------------------------------------------------------- stable


def small_stack(folder: Path, **attributes: int) -> Path:
    """Write one pair of 6 x 7 chips whose left half was shifted by one metre, the right by two."""
    grid = pixel_grid((6, 7), 80.0)
    values = np.where(np.arange(7) < 3, 1.0, 2.0) * np.ones((2, 1, 6, 7))
    stack = make_pair_stack(values, [("20200101", "20210101")], ["east", "north"], sigma=0.1, grid=grid)
    write(stack.assign_attrs(attributes), folder / "small.zarr")
    return folder / "small.zarr"


def shift_of(path: Path) -> npt.NDArray[np.float64]:
    return np.asarray(cm.open(path)["shift"].values[:, 0])


def test_a_raster_in_the_shape_of_the_stack_says_what_moves(done: Call, tmp_path: Path) -> None:
    stack = small_stack(tmp_path)
    right = (np.arange(7) >= 3) * np.ones((6, 7), np.uint8)
    write_geotiff(tmp_path / "right.tif", right.astype(np.uint8), pixel_grid((6, 7), 80.0), nodata=None)
    for flag, shift in (("--moving", 1.0), ("--stable", 2.0)):
        done("stable", stack, flag, tmp_path / "right.tif", "--min-stable", 5, "-o", tmp_path / "out.zarr")
        np.testing.assert_allclose(shift_of(tmp_path / "out.zarr"), shift, atol=1e-6)


def test_a_raster_in_the_shape_of_the_images_is_brought_to_the_chips(done: Call, call: Call, tmp_path: Path) -> None:
    stack = small_stack(tmp_path, chip_px=16, step_px=8)
    image = np.zeros((60, 66), np.uint8)  # 6 x 7 chips of 16 every 8 pixels, and a rest
    image[:, 28:] = 255  # the chip of column 2 is centred at pixel 23.5, that of column 3 at 31.5
    Image.fromarray(image).save(tmp_path / "right.png")
    done("stable", stack, "--moving", tmp_path / "right.png", "--min-stable", 5, "-o", tmp_path / "out.zarr")
    np.testing.assert_allclose(shift_of(tmp_path / "out.zarr"), 1.0, atol=1e-6)
    Image.fromarray(image[:50]).save(tmp_path / "other.png")
    result = call("stable", stack, "--moving", tmp_path / "other.png", "-o", tmp_path / "out2.zarr")
    assert result.exit_code == 1
    assert "other.png has 50 x 66 px and no georeference" in result.stderr


def test_the_buffer_widens_the_moving_ground(done: Call, products: Products, tmp_path: Path) -> None:
    arguments = ("stable", products.stack, "--moving", products.outline, "--min-stable", 5, "-o", tmp_path / "a.zarr")
    narrow = done(*arguments).stdout
    wide = done(*arguments, "--buffer", 100).stdout
    counts = [int(text.split(" stable points")[0].split()[-1]) for text in (narrow, wide)]
    assert counts[1] < counts[0]


def test_stable_needs_one_of_its_two_files(call: Call, products: Products, tmp_path: Path) -> None:
    outline = ("--moving", products.outline, "--stable", products.outline)
    for flags in ((), outline):
        result = call("stable", products.stack, *flags, "-o", tmp_path / "a.zarr")
        assert result.exit_code == 2
        assert "give one of --moving FILE" in result.stderr


# ---------------------------------------------------------------------------------------------------- invert, velocity


def test_terms_of_velocity_come_from_flags(done: Call, products: Products, tmp_path: Path) -> None:
    done("velocity", products.series, "--step", "20180601", "-o", tmp_path / "a.zarr")
    assert list(cm.open(tmp_path / "a.zarr").term.values) == ["offset", "rate", "step_20180601"]
    done("velocity", products.series, "--quadratic", "--terms", "rate", "-o", tmp_path / "a.zarr")
    assert list(cm.open(tmp_path / "a.zarr").term.values) == ["offset", "rate", "quadratic"]
    done("velocity", products.series, "--terms", "exp:20180101:90", "--log", "20180101:30", "-o", tmp_path / "a.zarr")
    assert list(cm.open(tmp_path / "a.zarr").term.values) == ["offset", "exp_20180101_90", "log_20180101_30"]


@pytest.mark.parametrize(("period", "name"), [("1", "annual_cos"), ("0.5", "semiannual_cos")])
def test_periods_are_seasons(done: Call, tmp_path: Path, period: str, name: str) -> None:
    times = [f"2020{month:02d}10" for month in range(1, 13)]
    stack, _ = pair_stack(MOTION, nearest_pairs(times, 1), GRID)
    write(stack, tmp_path / "stack.zarr")
    done("invert", tmp_path / "stack.zarr", "--weights", "no", "-o", tmp_path / "ts.zarr")
    done("velocity", tmp_path / "ts.zarr", "--periodic", period, "-o", tmp_path / "vel.zarr")
    assert name in cm.open(tmp_path / "vel.zarr").term.values


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--periodic", "-2"), "the period must be a positive number of years"),
        (("--step", "19"), "--terms"),
        (("--sigma", "guess"), "--sigma"),
        (("--memory-gb", "0"), "--memory-gb"),
    ],
)
def test_bad_flags_of_velocity_are_wrong_usage(
    call: Call, products: Products, tmp_path: Path, flags: tuple[str, ...], text: str
) -> None:
    result = call("velocity", products.series, *flags, "-o", tmp_path / "a.zarr")
    assert result.exit_code == 2
    assert text in result.stderr


def test_little_memory_gives_the_same_series(done: Call, products: Products, tmp_path: Path) -> None:
    done("invert", products.stable, "--norm", "l2", "--memory-gb", "0.000001", "-o", tmp_path / "a.zarr")
    np.testing.assert_array_equal(
        cm.open(tmp_path / "a.zarr").displacement.values, cm.open(products.series).displacement.values
    )


# --------------------------------------------------------------------------------------------------------------- track


def test_track_measures_two_images(done: Call, scenes: Path, tmp_path: Path) -> None:
    target = tmp_path / "pair.zarr"
    images = (scenes / "20190801.tif", scenes / "20200805.tif")
    result = done("track", *images, "-o", target, *TRACK, "--exclude", scenes / "20190801_cloud.tif")
    stack = cm.open(target)
    check(stack, PAIR_STACK)
    assert dict(stack.sizes) == {"component": 2, "pair": 1, "y": 11, "x": 11}
    assert (stack.attrs["chip_px"], stack.attrs["step_px"]) == (16, 8)
    assert str(stack.ref_time.values[0])[:10] == "2019-08-01"
    assert "11 x 11 points" in result.stdout
    assert "% valid; median displacement east" in result.stdout
    assert set(provenance_of(stack)["inputs"]) == {"20190801.tif", "20200805.tif", "20190801_cloud.tif"}


def test_track_measures_only_within(done: Call, scenes: Path, tmp_path: Path) -> None:
    target = tmp_path / "pair.zarr"
    images = (scenes / "20190801.tif", scenes / "20200805.tif")
    flags = ("--within", scenes / "slides.geojson", "--dates", "20100101", "20110101", "--no-outliers")
    done("track", *images, "-o", target, *TRACK, *flags)
    stack = cm.open(target)
    valid = np.isfinite(stack.displacement.values[0, 0])
    assert 0 < valid.mean() < 0.7
    assert str(stack.sec_time.values[0])[:10] == "2011-01-01"


@pytest.mark.parametrize("where", ["file", "spacing"])
def test_track_measures_on_a_grid(done: Call, scenes: Path, tmp_path: Path, where: str) -> None:
    images = (scenes / "20190801.tif", scenes / "20200805.tif")
    dem, prior, search = (tmp_path / f"{name}.tif" for name in ("dem", "prior", "search"))
    frame = read_header(images[0]).grid
    assert frame is not None
    nodes = GeoBox((9, 12), Affine(70.0, 0.0, frame.affine.c, 0.0, -100.0, frame.affine.f), frame.crs)
    write_geotiff(dem, np.full(nodes.shape, 800, np.int16), nodes, nodata=None)
    write_geotiff(prior, np.zeros((2, *nodes.shape), np.float32), nodes)
    radius = np.full(nodes.shape, 3, np.uint8)
    radius[:, 6:] = 0
    write_geotiff(search, radius, nodes, nodata=None)
    guides = ("--prior", prior, "--prior-unit", "m/yr", "--search-map", search, "--chip-max", 32, "--search-y", 3)
    target = tmp_path / "pair.zarr"
    done("track", *images, "-o", target, *TRACK, "--grid", dem if where == "file" else 60, *guides)
    stack = cm.open(target)
    check(stack, PAIR_STACK)
    if where == "file":
        assert grid_of(stack) == nodes
        assert not np.isfinite(stack.displacement.values[..., 6:]).any()
        assert set(provenance_of(stack)["inputs"]) >= {"dem.tif", "prior.tif", "search.tif"}
    else:
        assert abs(grid_of(stack).affine.a) == 60
        assert provenance_of(stack)["options"]["grid"] == 60
    assert np.isfinite(stack.displacement.values[0, 0, :, :6]).mean() > 0.5
    assert set(np.unique(stack.chip.values)) <= {16, 32}


def test_track_measures_at_points(done: Call, scenes: Path, tmp_path: Path) -> None:
    images = (scenes / "20190801.tif", scenes / "20200805.tif")
    frame = read_header(images[0]).grid
    assert frame is not None
    x, y = frame.affine.c + 480, frame.affine.f - 480
    points, target = tmp_path / "points.csv", tmp_path / "offsets.csv"
    points.write_text(f"peg,x,y\nA,{x},{y}\nB,{x + 100},{y}\nfar,{x + 1e5},{y}\n", encoding="utf-8")
    result = done("track", *images, "-o", target, *TRACK, "--points", points)
    assert "3 points, 2 valid" in result.stdout
    found = read_points(target)
    assert list(found.columns)[:5] == ["peg", "x", "y", "ref_date", "sec_date"]
    assert found.columns["flag"] == ["valid", "valid", "masked"]
    assert found.columns["ref_date"][0].startswith("2019-08-01")
    east, north = found.numbers("east_m"), found.numbers("north_m")
    assert east is not None
    assert north is not None
    done("track", *images, "-o", tmp_path / "pair.zarr", *TRACK)  # A lies on the middle of a chip
    regular = cm.open(tmp_path / "pair.zarr").displacement.isel(pair=0, y=5, x=5).values
    np.testing.assert_allclose((east[0], north[0]), regular, atol=0.02)
    assert np.isnan(east[2])


@pytest.mark.parametrize(
    ("flags", "texts"),
    [
        (("-o", "out.csv"), ["--points makes a table"]),
        (("-o", "out.zarr", "--points", "p.csv"), ["--points makes a table"]),
        (("-o", "out.csv", "--points", "p.csv", "--grid", "50"), ["--points and --grid", "one of them"]),
        (("-o", "out.zarr", "--crs", "EPSG:4326"), ["--crs", "--points"]),
        (("-o", "out.zarr", "--grid", "dem"), ["'dem' is neither a raster nor a number"]),
        (("-o", "out.zarr", "--prior-unit", "ft"), ["--prior-unit", "m/yr"]),
    ],
)
def test_flags_that_do_not_fit_together(
    call: Call, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], texts: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    result = call("track", scenes / "20190801.tif", scenes / "20200805.tif", *flags)
    assert result.exit_code == 2
    assert [text for text in texts if text not in " ".join(result.stderr.split())] == []
    assert not (tmp_path / "out.zarr").exists()
    assert not (tmp_path / "out.csv").exists()


# ---------------------------------------------------------------------------------------------------------------- info


def test_info_says_what_a_stack_is(done: Call, products: Products) -> None:
    said = done("info", products.stable).stdout
    for text in ("PairStack", "9 x 11 px of 80 x -80", "EPSG:32613", "4 epochs, 5 pairs of 355 to 739 days, 1 island"):
        assert text in said
    assert "in m, 97" in said
    assert "stable_model   shift" in said
    assert "min_stable=20" in said


def test_info_as_json_has_everything(done: Call, products: Products) -> None:
    found = json.loads(done("info", products.velocity, "--json").stdout)
    assert found["kind"] == "MotionModel"
    assert found["terms"] == ["offset (m)", "rate (m/yr)"]
    assert found["variables"]["value"]["dims"] == ["component", "term", "y", "x"]
    assert 0.9 < found["variables"]["value"]["valid_share"] <= 1
    assert found["provenance"]["options"]["terms"] == ["rate"]
    stack = json.loads(done("info", products.stack, "--json").stdout)
    assert len(stack["pairs"]) == 5
    assert stack["dates"][0] == "2017-01-12T23:02:21"


def test_info_opens_a_raster_of_others(done: Call, scenes: Path) -> None:
    said = done("info", scenes / "20190801.tif").stdout
    assert "20190801.tif: other" in said
    assert "96 x 96 px of 10 x -10" in said


def test_info_on_something_else_is_an_error(call: Call, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    result = call("info", tmp_path / "notes.txt")
    assert result.exit_code == 1
    assert "notes.txt is no product" in result.stderr
    assert call("info", tmp_path / "absent.zarr").exit_code == 2


# ---------------------------------------------------------------------------------------------------- view, plot, save


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5_000


def test_view_draws_each_kind_of_product(
    done: Call, products: Products, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = done("view", products.velocity, "--outlines", products.outline, "--dpi", 60)
    assert "figure: velocity.png" in result.stdout
    done("view", products.series, "sigma", "--component", "east", "--dpi", 60)
    done("view", products.stack, "--index", "0,1", "-o", tmp_path / "figures" / "pairs.png", "--dpi", 60)
    for name in ("velocity.png", "series-sigma.png", "figures/pairs.png"):
        assert is_png(tmp_path / name)


def test_view_takes_an_image_or_a_relief_behind(done: Call, call: Call, products: Products, tmp_path: Path) -> None:
    height = np.add.outer(np.arange(72.0), np.arange(88.0)).astype(np.float32)
    write_geotiff(tmp_path / "behind.tif", height, FINE)
    for flag in ("--background", "--relief"):
        target = tmp_path / f"{flag[2:]}.png"
        done("view", products.velocity, flag, tmp_path / "behind.tif", "-o", target, "--dpi", 60)
        assert is_png(target)
    assert (tmp_path / "relief.png").read_bytes() != (tmp_path / "background.png").read_bytes()
    both = ("--background", tmp_path / "behind.tif", "--relief", tmp_path / "behind.tif")
    assert call("view", products.velocity, *both, "-o", tmp_path / "c.png").exit_code == 2


def test_a_background_in_another_reference_system_is_refused(
    call: Call, products: Products, scenes: Path, tmp_path: Path
) -> None:
    result = call("view", products.velocity, "--background", scenes / "20190801.tif", "-o", tmp_path / "a.png")
    assert result.exit_code == 1
    assert "EPSG:32633" in result.stderr
    assert "EPSG:32613" in result.stderr


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        (("speed",), 1, "there is no map 'speed'"),
        (("--component", "up"), 1, "there is no component 'up'"),
        (("--cmap", "greyish"), 1, "unknown colour map 'greyish'"),
        (("-o", "a.jpg"), 2, "must end in .png, .pdf, .svg"),
    ],
)
def test_view_says_what_it_cannot_draw(
    call: Call, products: Products, flags: tuple[str, ...], code: int, text: str
) -> None:
    result = call("view", products.velocity, *flags)
    assert result.exit_code == code
    assert text in result.stderr


def test_the_network_is_drawn_of_stacks_only(done: Call, call: Call, products: Products, tmp_path: Path) -> None:
    done("plot-network", products.stack, "-o", tmp_path / "network.png", "--dpi", 80)
    assert is_png(tmp_path / "network.png")
    result = call("plot-network", products.velocity, "-o", tmp_path / "b.png")
    assert result.exit_code == 1
    assert "this is no PairStack" in result.stderr


def test_products_are_saved_for_other_programs(done: Call, products: Products, tmp_path: Path) -> None:
    said = done("save", "geotiff", products.velocity, "-o", tmp_path / "maps").stdout.splitlines()
    assert str(tmp_path / "maps" / "velocity_rate_east.tif") in said
    values, grid, _ = read_bands(tmp_path / "maps" / "velocity_rate_east.tif")
    assert grid == GRID
    rate = cm.open(products.velocity)["value"].sel(term="rate", component="east")
    np.testing.assert_array_equal(values[0], rate.values)
    done("save", "cog", products.velocity, "-o", tmp_path / "cog")
    assert (tmp_path / "cog" / "velocity_speed.tif").exists()
    done("save", "netcdf", products.series, "-o", tmp_path / "ts.nc")
    assert kind_of(cm.open(tmp_path / "ts.nc")) == TIME_SERIES


def test_pairs_are_saved_in_the_layout_of_its_live(done: Call, products: Products, tmp_path: Path) -> None:
    said = done("save", "itslive", products.stack, "-o", tmp_path / "pairs", "--integer").stdout.splitlines()
    stack = cm.open(products.stack)
    assert len(said) == stack.sizes["pair"]
    for index, name in enumerate(said):
        ends = [stack[end].values[index].astype("datetime64[D]") for end in ("ref_time", "sec_time")]
        assert Path(name).stem == "_".join(str(day).replace("-", "") for day in ends)
        found = pair_of_netcdf(Path(name)).pair
        assert [found.ref, found.sec] == ends
    images = [tmp_path / f"S2A_MSIL1C_{date}T101031.tif" for date in said[0].rsplit("/", 1)[1][:-3].split("_")]
    for image in images:
        image.touch()
    named = done("save", "itslive", products.stack, "-o", tmp_path / "pairs", "--scenes", tmp_path / "S2A*.tif").stdout
    assert f"{images[0].stem}_X_{images[1].stem}_G" in named


def test_without_a_name_files_are_named_after_the_product(
    done: Call, products: Products, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done("save", "geotiff", products.series)
    done("save", "netcdf", products.velocity)
    done("plot-network", products.stack, "--dpi", 60)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"series_east.tif", "series_north_sigma.tif", "velocity.nc", "stack-network.png"} <= names
