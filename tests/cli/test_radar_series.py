"""Commands of MintPy's names from stack to velocity: ifgram-inversion, timeseries2velocity, reference-date."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Call
from tests.workflow.sbas.samples import write_project

from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    made = write_project(folder, seed=5, dates=9)
    inside = np.argwhere((made.phase != 0).all(axis=0))
    row, column = inside[len(inside) // 2]
    stack = StackFile.open(folder / "inputs" / "ifgramStack.h5")
    stack.set_attributes({"REF_Y": str(row), "REF_X": str(column)})
    return folder


@pytest.fixture
def folder(loaded: Path, tmp_path: Path) -> Path:
    shutil.copytree(loaded, tmp_path / "work")
    return tmp_path / "work"


def test_from_stack_to_velocity(call: Call, folder: Path) -> None:
    done = call("ifgram-inversion", folder / "inputs" / "ifgramStack.h5", "-w", "no", "--min-num-pixel", 10)
    assert done.exit_code == 0, done.stderr
    assert "unwrapPhase" in done.stdout
    assert "with a temporal coherence of 0.7 or more" in done.stdout
    assert read_attributes(folder / "timeseries.h5")["mintpy.networkInversion.weightFunc"] == "no"
    done = call("reference-date", folder / "timeseries.h5", "-r", "20180222")
    assert done.exit_code == 0, done.stderr
    assert "relative to 20180222" in done.stdout
    assert "already" in call("reference-date", folder / "timeseries.h5", "-r", folder / "timeseries.h5").stdout
    flags = ("--poly", 2, "--step", "20180401", "--ex", "20180129", "20180318")
    done = call("timeseries2velocity", folder / "timeseries.h5", *flags, "-o", folder / "mine.h5")
    assert done.exit_code == 0, done.stderr
    assert {"velocity", "acceleration", "step20180401Std"} <= set(list_datasets(folder / "mine.h5"))
    assert read_attributes(folder / "mine.h5")["mintpy.timeFunc.excludeDate"] == "['20180129', '20180318']"


def test_a_template_gives_options_and_flags_count_more(call: Call, folder: Path) -> None:
    text = (
        "mintpy.networkInversion.weightFunc = coh\nmintpy.networkInversion.minRedundancy = 2\n"
        "mintpy.networkInversion.minNumPixel = 1\nmintpy.timeFunc.stepDate = 20180401\nmintpy.timeFunc.polynomial = 2\n"
    )
    template = folder / "Mine.txt"
    template.write_text(text, encoding="utf-8")
    stack = folder / "inputs" / "ifgramStack.h5"
    done = call("ifgram-inversion", stack, "-t", template, "-w", "fim", "--min-norm-phase")
    assert done.exit_code == 0, done.stderr
    said = read_attributes(folder / "timeseries.h5")
    names = ("weightFunc", "minRedundancy", "minNormVelocity")
    assert [said[f"mintpy.networkInversion.{name}"] for name in names] == ["fim", "2.0", "False"]
    done = call("timeseries2velocity", folder / "timeseries.h5", "-t", template, "--poly", 1)
    assert done.exit_code == 0, done.stderr
    assert set(list_datasets(folder / "velocity.h5")) == {
        "intercept", "interceptStd", "velocity", "velocityStd", "step20180401", "step20180401Std", "residue",
    }  # fmt: skip


def test_products_go_where_they_are_asked_for(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    stack = folder / "inputs" / "ifgramStack.h5"
    done = call("ifgram-inversion", stack, "--min-num-pixel", 1, "-o", "a.h5", "b.h5", "c.h5", "--calc-cov")
    assert done.exit_code == 0, done.stderr
    assert read_map(tmp_path / "b.h5").max() <= 1
    assert (tmp_path / "aSigma.h5").is_file()
    flags = ("--uq", "covariance", "--ts-cov", stack)
    assert call("timeseries2velocity", "a.h5", *flags).exit_code == 0
    assert (read_map(tmp_path / "velocity.h5", "velocityStd") >= 0).all()


def test_wrong_calls_name_the_flag(call: Call, folder: Path) -> None:
    stack = folder / "inputs" / "ifgramStack.h5"
    done = call("ifgram-inversion", stack, "-w", "best")
    assert done.exit_code == 2
    assert "-w: Input should be 'var', 'fim', 'coh' or 'no' (got 'best')" in done.stderr
    done = call("ifgram-inversion", stack, "-i", "rangeOffset")
    assert done.exit_code == 1
    assert "has no dataset 'rangeOffset': choose from coherence" in done.stderr
    call("ifgram-inversion", stack, "--min-num-pixel", 1)
    done = call("timeseries2velocity", folder / "timeseries.h5", "--exp", "20180401")
    assert done.exit_code == 2
    assert "exp:YYYYMMDD:DAYS" in done.stderr
    done = call("timeseries2velocity", folder / "timeseries.h5", "-o", folder / "timeseries.h5")
    assert done.exit_code == 2
    assert "is the input itself" in done.stderr
    done = call("reference-date", folder / "timeseries.h5", "-r", "20170101")
    assert done.exit_code == 1
    assert "has no date 20170101" in done.stderr


def test_decays_are_onset_and_times_as_in_mintpy(call: Call, folder: Path) -> None:
    call("ifgram-inversion", folder / "inputs" / "ifgramStack.h5", "--min-num-pixel", 1)
    flags = ("--poly", 0, "--exp", "20180222", "30", "90", "--log", "20180318:20", "--periodic", "1.0,2")
    done = call("timeseries2velocity", *flags, folder / "timeseries.h5", "--ref-yx", 18, 20)
    assert done.exit_code == 0, done.stderr
    found = set(list_datasets(folder / "velocity.h5"))
    assert {"exp20180222Tau30D", "exp20180222Tau90D", "log20180318Tau20D", "period2.0YAmplitude"} <= found
    assert read_map(folder / "velocity.h5", "intercept")[18, 20] == 0
