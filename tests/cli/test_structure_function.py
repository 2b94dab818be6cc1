"""The command structure-function, and flags of MintPy that commands beside it take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.cli.conftest import Call
from tests.workflow.sbas.products import REFERENCE, make_series, make_velocity

from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, write_product
from creepmeter.io.points import read_columns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_velocity(tmp_path / "velocity.h5", shape=(60, 70))
    mask = np.ones((60, 70), bool)
    mask[:, :30] = False
    write_product(tmp_path / "mask.h5", {"mask": mask}, {"FILE_TYPE": "mask"})
    return tmp_path


def test_a_table_a_figure_and_a_map(call: Call, folder: Path) -> None:
    flags = ("-m", folder / "mask.h5", "--requirement", 5, "--bins", 8, "--pairs", 2000, "--max-km", 4)
    files = ("-o", folder / "t.csv", "--plot", folder / "f.png", "--std-map", folder / "s.h5")
    done = call("structure-function", folder / "velocity.h5", *flags, *files)
    assert done.exit_code == 0, done.output
    assert "57.1 % of the pixels" in done.stdout
    columns = read_columns(folder / "t.csv").entries
    assert list(columns) == ["distance_km", "sigma_mm_yr", "rms_mm_yr", "error_mm_yr", "pairs", "curve_mm_yr"]
    sigma = np.array(columns["sigma_mm_yr"], float)
    assert_allclose(sigma, 10 * np.sqrt(2), rtol=0.1)
    assert (folder / "f.png").read_bytes()[:4] == b"\x89PNG"
    found = read_map(folder / "s.h5", "velocityStd")
    assert found[REFERENCE] == 0
    assert_allclose(found[20:], 0.01 * np.sqrt(2), rtol=0.1)
    assert read_attributes(folder / "s.h5")["REF_Y"] == str(REFERENCE[0])
    assert list(list_datasets(folder / "s.h5")) == ["velocityStd"]


def test_the_table_lies_beside_the_file(call: Call, folder: Path) -> None:
    done = call("structure_function", folder / "velocity.h5", "-d", "velocityStd", "--max-km", 3)
    assert done.exit_code == 0, done.output
    assert (folder / "velocity_structure.csv").is_file()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--min-km", "9", "--max-km", "3"], 2, "min_km (9) must be below max_km (3)"),
        (["--min-km", "20"], 1, "no two usable pixels are 20 to 50 km apart"),
        (["-o", "velocity.h5"], 2, "is the input itself"),
        (["--plot", "x.bmp"], 1, "a figure is saved as .png, .pdf, .svg"),
        (["-d", "speed"], 1, "has no dataset 'speed'"),
        (["--bins", "2", "--std-map", "s.h5"], 1, "has no curve of sigma by distance"),
    ],
)
def test_what_is_wrong_is_said(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, text: str
) -> None:
    monkeypatch.chdir(folder)
    done = call("structure-function", "velocity.h5", *words)
    assert done.exit_code == code, done.output
    assert text in done.stderr


def test_flags_of_mintpy_are_taken(call: Call, folder: Path) -> None:
    assert (
        call("mask.py", folder / "velocity.h5", "-m", folder / "mask.h5", "--outfile", folder / "m.h5").exit_code == 0
    )
    make_series(folder / "timeseries.h5")
    done = call("spatial_average.py", folder / "timeseries.h5", "--nodisplay", "-o", folder / "a.txt")
    assert done.exit_code == 0, done.output
    done = call(
        "temporal_average.py", folder / "timeseries.h5", "-d", "coherence", "--update", "--outfile", folder / "x"
    )
    assert done.exit_code == 1
    assert "is no stack" in done.stderr
