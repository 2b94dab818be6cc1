"""Bad input: a clear message with the file or option, an exit status, and nothing half-made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.cli.conftest import Call, Products

from creepmeter.io.raster import read_bands, write_geotiff
from creepmeter.io.store import write
from creepmeter.model.schema import make_pair_stack

FIRST, SECOND = "20190801.tif", "20200805.tif"
FAR = """{"type": "Polygon", "coordinates": [[[10, 10], [11, 10], [11, 11], [10, 11], [10, 10]]]}"""


@pytest.fixture
def folder(scenes: Path, tmp_path: Path) -> Path:
    """A copy of the images that may be spoilt."""
    place = tmp_path / "images"
    place.mkdir()
    for file in scenes.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    (place / "far.geojson").write_text(FAR, encoding="utf-8")
    return place


def garbage(folder: Path) -> None:
    (folder / SECOND).write_bytes(b"this is no image at all")


def truncated(folder: Path) -> None:
    whole = (folder / SECOND).read_bytes()
    (folder / SECOND).write_bytes(whole[: len(whole) // 2])


def other_size(folder: Path) -> None:
    values, grid, _ = read_bands(folder / SECOND)
    write_geotiff(folder / SECOND, values[:, :90], GeoBox((90, 96), grid.affine, grid.crs), nodata=0)


def other_system(folder: Path) -> None:
    values, grid, _ = read_bands(folder / SECOND)
    write_geotiff(folder / SECOND, values, GeoBox(grid.shape, grid.affine, "EPSG:32632"), nodata=0)


def moved(folder: Path) -> None:
    values, grid, _ = read_bands(folder / SECOND)
    write_geotiff(
        folder / SECOND, values, GeoBox(grid.shape, grid.affine @ Affine.translation(3, 0), grid.crs), nodata=0
    )


def moved_by_half_a_pixel(folder: Path) -> None:
    values, grid, _ = read_bands(folder / SECOND)
    write_geotiff(folder / SECOND, values, GeoBox(grid.shape, grid.affine @ Affine.translation(0.5, 0), grid.crs))


def constant(folder: Path) -> None:
    values, grid, _ = read_bands(folder / SECOND)
    write_geotiff(folder / SECOND, np.full_like(values, 7), grid, nodata=0)


def all_missing(folder: Path) -> None:
    values, grid, _ = read_bands(folder / SECOND)
    write_geotiff(folder / SECOND, np.zeros_like(values), grid, nodata=0)


def reference_of_nan(folder: Path) -> None:
    values, grid, _ = read_bands(folder / FIRST)
    write_geotiff(folder / FIRST, np.full(values.shape, np.nan, np.float32), grid)


SPOILT = [
    pytest.param(garbage, [SECOND, "is not one of GTiff"], id="unreadable"),
    pytest.param(truncated, [SECOND, "damaged or cut"], id="truncated"),
    pytest.param(other_size, [SECOND, "another grid", "90 x 96"], id="other size"),
    pytest.param(other_system, [SECOND, "another grid", "EPSG:32632"], id="other reference system"),
    pytest.param(moved, [SECOND, "another grid"], id="other place"),
    pytest.param(constant, ["constant"], id="constant"),
    pytest.param(all_missing, ["no valid pixel"], id="all missing"),
    pytest.param(reference_of_nan, ["no valid pixel"], id="reference of nan"),
]


OVERLAPPING = ("other size", "other place")  # a pair is tracked where its images overlap; a stack needs one grid
OF_A_PAIR = [case for case in SPOILT if case.id not in OVERLAPPING] + [
    pytest.param(moved_by_half_a_pixel, [SECOND, "another grid"], id="half a pixel"),
]


def words_of(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("spoil", "texts"), OF_A_PAIR)
def test_track_refuses_a_bad_image(call: Call, folder: Path, spoil: object, texts: list[str]) -> None:
    assert callable(spoil)
    spoil(folder)
    target = folder / "out.zarr"
    result = call("track", folder / FIRST, folder / SECOND, "-o", target, "--chip", 16, "--search", 4)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("error: ") or "first run" in result.stderr
    assert [text for text in texts if text not in result.stderr] == []
    assert not target.exists()
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(("spoil", "texts"), SPOILT)
def test_run_refuses_a_bad_image(call: Call, folder: Path, spoil: object, texts: list[str]) -> None:
    assert callable(spoil)
    spoil(folder)
    result = call("run", config(folder), "-o", folder / "run")
    assert result.exit_code == 1, result.output
    assert [text for text in texts if text not in result.stderr] == []
    name = FIRST if spoil is reference_of_nan else SECOND
    assert name in result.stderr
    assert not list((folder / "run").glob("*.zarr"))


def config(folder: Path, text: str = "", files: str = "20??????.tif") -> Path:
    """Write a run file; `text` is added to it."""
    path = folder / "creepmeter.yaml"
    path.write_text(
        f"images: {{files: '{files}'}}\ntrack: {{chip_px: 16, step_px: 8, search_px: 4}}\n{text}", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize(
    ("flags", "code", "texts"),
    [
        (("--chip", "100"), 1, ["96 x 96 pixels", "chip of 100"]),
        (("--chip", "600"), 2, ["--chip", "600", "8<=x<=512"]),
        (("--within", "far.geojson"), 1, ["within", "far.geojson", "outside the images"]),
        (("--exclude", "far.geojson"), 1, ["exclude", "far.geojson", "outside the images"]),
        (("--within", "absent.geojson"), 2, ["--within", "absent.geojson", "does not exist"]),
        (("--prefilter", "magic"), 2, ["--prefilter", "magic", "wallis"]),
        (("--dates", "20200101", "20200101"), 1, ["forward in time", "2020-01-01"]),
        (("--dates", "20200101", "someday"), 1, ["someday", "YYYYMMDD"]),
        (("--search", "many"), 2, ["--search", "many"]),
    ],
)
def test_track_refuses_bad_flags(
    call: Call, folder: Path, flags: tuple[str, ...], code: int, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    result = call("track", FIRST, SECOND, "-o", "out.zarr", "--chip", 16, *flags)
    assert result.exit_code == code, result.output
    said = words_of(result.stderr)
    assert [text for text in texts if text not in said] == []
    assert not (folder / "out.zarr").exists()


def test_images_without_a_date_are_named(call: Call, folder: Path) -> None:
    (folder / SECOND).rename(folder / "second.tif")
    result = call("track", folder / FIRST, folder / "second.tif", "-o", folder / "out.zarr")
    assert result.exit_code == 1
    assert "second.tif: no date (YYYYMMDD) in the file name" in result.stderr
    result = call("run", config(folder, files="*d.tif"), "-o", folder / "run")
    assert result.exit_code == 1
    assert "second.tif: no date (YYYYMMDD) in the file name" in result.stderr


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("trak: {}\n", ["creepmeter.yaml, line 3: trak: unknown key", "track"]),
        ("velocity: {terms: [rate]}\ninvert:\n  nrom: l1\n", ["line 5: invert.nrom: unknown key", "norm"]),
        ("invert: {norm: l3}\n", ["line 3: invert.norm", "l3"]),
        ("stable: {min_stable: 1}\n", ["line 3: stable.min_stable", "greater than or equal to 3"]),
        ("stable: {moving: absent.gpkg}\n", ["absent.gpkg"]),
        ("pairs: {max_days: 100}\n", ["no pair is left", "max_days"]),
        ("pairs: {max_days: 364}\n", ["2 islands", "island_policy"]),
        ("invert: [\n", ["not plain YAML"]),
    ],
)
def test_run_refuses_a_bad_configuration(call: Call, folder: Path, text: str, texts: list[str]) -> None:
    result = call("run", config(folder, text), "-o", folder / "run")
    assert result.exit_code == 1, result.output
    assert [part for part in texts if part not in result.stderr] == []


@pytest.mark.parametrize(
    ("flags", "texts"),
    [
        (("--set", "track.chip_px=200"), ["chip_px is 200", "96 x 96"]),
        (("--set", "track.within=far.geojson"), ["far.geojson", "outside the images"]),
        (("--set", "stable.moving=far.geojson"), ["far.geojson", "outside the images"]),
        (("--set", "images.files=none*.tif"), ["images.files", "none*.tif"]),
        (("--set", f"images.files={FIRST}"), ["at least two dates, found 1"]),
        (("--set", "chips"), ["--set 'chips'", "section.option=value"]),
        (("--set", "images.exclude=far.geojson"), ["far.geojson"]),
        (("--dostep", "invert"), ["invert needs it: start from track"]),
        (("--dostep", "dance"), ["no step 'dance'", "velocity"]),
        (("--start", "report", "--end", "track"), ["--end track comes before --start report"]),
        (("--memory-gb", "nan"), ["memory"]),
    ],
)
def test_run_refuses_bad_flags(call: Call, folder: Path, flags: tuple[str, ...], texts: list[str]) -> None:
    result = call("run", config(folder), "-o", folder / "run", *flags)
    assert result.exit_code in (1, 2), result.output
    assert [text for text in texts if text not in result.stderr] == []
    assert "unexpected" not in result.stderr


def test_a_missing_run_file_is_wrong_usage(call: Call, tmp_path: Path) -> None:
    result = call("run", tmp_path / "absent.yaml")
    assert result.exit_code == 2
    assert "absent.yaml" in result.stderr


def test_a_network_in_two_parts_is_refused_and_can_be_bridged(call: Call, broken_network: Path, tmp_path: Path) -> None:
    loaded = call("load", "offsets", broken_network, "--bands", "east,north", "--unit", "m", "-o", tmp_path / "s.zarr")
    assert loaded.exit_code == 0, loaded.output
    result = call("invert", tmp_path / "s.zarr", "-o", tmp_path / "ts.zarr")
    assert result.exit_code == 1
    assert "2 islands (2 + 2 epochs" in result.stderr
    assert not (tmp_path / "ts.zarr").exists()
    bridged = call(
        "invert", tmp_path / "s.zarr", "--island-policy", "min_norm", "--weights", "no", "-o", tmp_path / "t.zarr"
    )
    assert bridged.exit_code == 0, bridged.output


def test_a_stack_of_nan_gives_a_series_of_nan_and_a_warning(call: Call, tmp_path: Path) -> None:
    ends = [("20200101", "20200201"), ("20200201", "20200301")]
    write(make_pair_stack(np.full((1, 2, 4, 5), np.nan), ends, ["east"], sigma=0.1), tmp_path / "stack.zarr")
    result = call("invert", tmp_path / "stack.zarr", "-o", tmp_path / "ts.zarr")
    assert result.exit_code == 0, result.output
    assert "warning: nothing is measured" in result.stderr
    assert "0.0 % measured" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("invert", "velocity", "-o", "a.zarr"), "this is no PairStack"),
        (("velocity", "stack", "-o", "a.zarr"), "TimeSeries"),
        (("stable", "velocity", "--moving", "outline", "-o", "a.zarr"), "this is no PairStack"),
    ],
)
def test_a_product_of_another_kind_is_refused(
    call: Call,
    products: Products,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*(getattr(products, word, word) if k else word for k, word in enumerate(arguments)))
    assert result.exit_code == 1, result.output
    assert text in result.stderr
    assert not (tmp_path / "a.zarr").exists()


def test_outputs_are_looked_at_before_the_work(call: Call, products: Products, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a", encoding="utf-8")
    (tmp_path / "full.zarr").mkdir()
    (tmp_path / "full.zarr" / "mine.txt").write_text("a", encoding="utf-8")
    for target, text in (
        (tmp_path / "ts", "ends in .zarr"),
        (file / "ts.zarr", "is a file, not a folder"),
        (tmp_path / "full.zarr", "is no product"),
        (products.stack, "is the input itself"),
    ):
        result = call("invert", products.stack, "-o", target)
        assert result.exit_code == 2
        assert text in words_of(result.stderr)
    assert (tmp_path / "full.zarr" / "mine.txt").exists()
    assert call("save", "netcdf", products.stack, "-o", tmp_path / "a.tif").exit_code == 2
