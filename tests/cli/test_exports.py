"""Commands that save products for other programs, by our names and by MintPy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Call
from tests.products import exports

WORDS = {
    "kmz": ("geo_velocity.h5", "-v", "-3", "3"),
    "kmz-timeseries": ("geo_timeseries.h5", "--steps", "10", "5", "0"),
    "gmt": ("geo_velocity.h5",),
    "roipac": ("geo_timeseries.h5", "20180105_20190105"),
    "gbis": ("geo_velocity.h5",),
    "kite": ("geo_velocity.h5", "-d", "velocity", "-o", "scene"),
    "qgis": ("geo_timeseries.h5", "--zf"),
    "explorer": ("geo_timeseries.h5",),
    "hdfeos5": ("geo_timeseries.h5", "--attribute", "beam_mode=IW", "--attribute", "relative_orbit=64", "--subset"),
}
MADE = {
    "kmz": ("geo_velocity.kmz",),
    "kmz-timeseries": ("geo_timeseries.kmz",),
    "gmt": ("geo_velocity.grd",),
    "roipac": ("geo_20180105_20190105.unw", "geo_20180105_20190105.unw.rsc"),
    "gbis": ("geo_velocity.mat",),
    "kite": ("scene.npz", "scene.yml"),
    "qgis": ("geo_timeseries.gpkg",),
    "explorer": ("InSAR-Explorer",),
    "hdfeos5": ("S1_IW_064_0000_20180105_20190105_N34168_N34200_W118500_W118440.he5",),
}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with geocoded products under MintPy's names."""
    monkeypatch.chdir(tmp_path)
    exports.write_series(tmp_path / "geo_timeseries.h5")
    exports.write_velocity(tmp_path / "geo_velocity.h5")
    exports.write_geometry(tmp_path / "geo_geometryRadar.h5")
    coherence = np.full((exports.ROWS, exports.COLUMNS), 0.9, np.float32)
    exports.write_map(tmp_path / "geo_temporalCoherence.h5", "temporalCoherence", coherence)
    exports.write_map(tmp_path / "geo_avgSpatialCoh.h5", "coherence", coherence)
    keep = np.ones(coherence.shape, bool)
    keep[:, :10] = False
    exports.write_map(tmp_path / "geo_maskTempCoh.h5", "mask", keep)
    return tmp_path


@pytest.mark.parametrize("name", list(WORDS))
def test_a_format_by_our_name_and_by_that_of_mintpy(done: Call, work: Path, name: str) -> None:
    before = {path.name for path in work.iterdir()}
    result = done("save", name, *WORDS[name])
    made = {path.name for path in work.iterdir()} - before
    assert made == set(MADE[name])
    assert all(text in result.stdout for text in MADE[name])
    contents = {path: path.read_bytes() for path in map(Path, made) if path.suffix in (".kmz", ".unw", ".npz", ".yml")}
    done(f"save_{name.replace('-', '_')}.py", *WORDS[name])
    assert {path: path.read_bytes() for path in contents} == contents


def test_the_usual_mask_is_taken_unless_another_is_given(done: Call, work: Path) -> None:
    counts = []
    for words in ((), ("-m", "no"), ("-m", "other.h5")):
        keep = np.zeros((exports.ROWS, exports.COLUMNS), bool)
        keep[20:22, 30:33] = True
        exports.write_map(work / "other.h5", "mask", keep)
        done("save", "csv", "geo_velocity.h5", "-o", "points.csv", *words)
        counts.append(len((work / "points.csv").read_text().splitlines()) - 1)
    assert counts == [40 * 50, 40 * 60 - 25, 6]


def test_csv_of_several_products_and_zarr(done: Call, work: Path) -> None:
    done("save", "csv", "geo_velocity.h5", "geo_temporalCoherence.h5", "--step", 5, "-o", "points.csv")
    head, *lines = (work / "points.csv").read_text().splitlines()
    assert head == "longitude,latitude,row,column,velocity,temporalCoherence"
    assert len(lines) == 8 * 10
    done("save", "zarr", "geo_timeseries.h5", "-o", "series.zarr")
    assert "TimeSeries" in done("info", "series.zarr").stdout


def test_wrong_calls_say_what_is_wrong(call: Call, work: Path) -> None:
    for words, code, text in (
        (("save-kmz", "geo_velocity.h5", "-m", "nowhere.h5"), 2, "nowhere.h5"),
        (("save-kmz", "geo_velocity.h5", "-v", "3", "-3"), 2, "give the lower end first"),
        (("save-hdfeos5", "geo_timeseries.h5"), 1, "lacks the attributes beam_mode, relative_orbit"),
        (("save-hdfeos5", "geo_timeseries.h5", "--attribute", "beam_mode"), 2, "write NAME=VALUE"),
        (("save-qgis", "geo_timeseries.h5", "-o", "x.shp"), 2, "must end in .gpkg"),
        (("save-gmt", "geo_velocity.h5", "-u", "radian"), 1, "cannot be drawn in 'radian'"),
    ):
        result = call(*words)
        assert result.exit_code == code, words
        assert text in result.stderr, result.stderr
    assert not [path.name for path in work.iterdir() if path.suffix in (".kmz", ".he5", ".grd")]
