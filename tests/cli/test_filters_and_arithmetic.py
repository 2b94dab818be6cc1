"""Commands of MintPy's names that filter, add, subtract and calculate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.cli.conftest import Call
from tests.workflow.sbas.products import make_series, make_velocity

from creepmeter.io.mintpy.product import read_attributes, read_map


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_series(tmp_path / "timeseries.h5", 1)
    make_velocity(tmp_path / "velocity.h5", 2)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["spatial-filter", "timeseries.h5"], "timeseries_lowpass_gaussian.h5"),
        (["spatial_filter.py", "velocity.h5", "velocity", "-f", "hp_avg", "-p", "3"], "velocity_highpass_avg.h5"),
        (["spatial-filter", "velocity.h5", "-f", "double_difference", "-p", "1", "4"], "velocity_double_difference.h5"),
        (["temporal-filter", "timeseries.h5"], "timeseries_tempMedian5.h5"),
        (["temporal_filter.py", "timeseries.h5", "-f", "gaussian", "-t", "1.5"], "timeseries_tempGaussian1.5.h5"),
        (["temporal-derivative", "timeseries.h5"], "timeseries_1stDiff.h5"),
        (["add", "velocity.h5", "timeseries.h5"], ""),
        (["add", "timeseries.h5", "velocity.h5"], "timeseries_plus_velocity.h5"),
        (["diff.py", "timeseries.h5", "velocity.h5"], "timeseries_diff_velocity.h5"),
        (["image-math", "velocity.h5", "+", "0.5"], "velocity_plus0.5.h5"),
        (["image_math.py", "velocity.h5", "-", "-2"], "velocity_minus-2.0.h5"),
        (["image-math", "timeseries.h5", "*", "velocity.h5"], "timeseries_multiplyvelocity.h5"),
    ],
)
def test_results_have_the_names_of_mintpy(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], name: str
) -> None:
    monkeypatch.chdir(folder)
    before = {path.name for path in folder.iterdir()}
    done = call(*words)
    assert done.exit_code == (0 if name else 1), done.output
    assert {path.name for path in folder.iterdir()} - before == ({name} if name else set())
    if name:
        assert name in done.stdout


def test_image_math_in_place_and_of_several_files(call: Call, folder: Path) -> None:
    paths = [folder / "velocity.h5", folder / "timeseries.h5"]
    before = read_map(paths[0], "velocity")
    done = call("image-math", *paths, "*", "2", "--overwrite")
    assert done.exit_code == 0, done.output
    assert_allclose(read_map(paths[0], "velocity"), 2 * before, rtol=1e-6)
    assert read_attributes(paths[1])["FILE_TYPE"] == "timeseries"
    done = call("image-math", *paths, "*", "2", "-o", folder / "x.h5")
    assert done.exit_code == 2
    assert "one result (-o) cannot hold several files" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["image-math", "velocity.h5", "plus", "2"], 2, "give FILE, one of + - * / ^ (in quotes), and VALUE"),
        (["image-math", "velocity.h5", "/", "0"], 1, "a division by 0 has no result"),
        (["image-math", "velocity.h5", "*", "nowhere.h5"], 2, "'nowhere.h5' does not exist"),
        (["spatial-filter", "velocity.h5", "-f", "blur"], 2, "-f"),
        (["spatial-filter", "velocity.h5", "-f", "median", "-p", "1.5"], 2, "takes whole pixels"),
        (["spatial-filter", "velocity.h5", "-o", "velocity.h5"], 2, "is the input itself"),
        (["temporal-filter", "timeseries.h5", "-t", "4"], 2, "an odd number of dates"),
        (["temporal-filter", "velocity.h5"], 1, "velocity.h5 is no displacement series"),
        (["diff", "velocity.h5", "timeseries.h5", "timeseries.h5"], 2, "give the name of the result (-o)"),
        (["diff", "velocity.h5", "timeseries.h5"], 1, "velocity has 1 layers in velocity.h5 and 6 in timeseries.h5"),
    ],
)
def test_what_is_wrong_is_said(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, text: str
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    done = call(*words)
    assert done.exit_code == code, done.output
    assert text in done.stderr
    assert sorted(folder.iterdir()) == before


def test_the_mean_of_a_smoothed_map_is_about_that_of_the_map(call: Call, folder: Path) -> None:
    assert call("spatial-filter", folder / "velocity.h5", "-p", "2").exit_code == 0
    first, second = (read_map(folder / name, "velocity") for name in ("velocity.h5", "velocity_lowpass_gaussian.h5"))
    assert abs(first.mean() - second.mean()) < 0.001
    assert second.std() < 0.4 * first.std()
    assert np.isfinite(second).all()
