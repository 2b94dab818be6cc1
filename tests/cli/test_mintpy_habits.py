"""What users of MintPy type: other names of flags, names of its scripts, files under names of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from tests.cli.conftest import Call
from tests.workflow.sbas.samples import write_project, write_template

from creepmeter.cli import main
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.simulate.layouts.isce2 import write_isce2
from creepmeter.simulate.radar import simulate_radar
from creepmeter.workflow.sbas.run import run_sbas

STACK = Path("inputs/ifgramStack.h5")


@pytest.fixture(scope="module")
def inverted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a reference pixel, a series and a velocity."""
    home = tmp_path_factory.mktemp("inverted")
    write_project(home / "work", seed=5)
    run_sbas(write_template(home), folder=home / "work", end="velocity")
    return home / "work"


@pytest.fixture
def work(inverted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that is the working folder."""
    shutil.copytree(inverted, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


FLAGS = [  # command, option, its names in MintPy
    ("modify-network", "reference_file", "-r --reference"),
    ("modify-network", "exclude_pairs", "--exclude-ifg --ex-ifg --ex-date12"),
    ("modify-network", "exclude_date", "--exclude-date --ex-date"),
    ("modify-network", "start_date", "--start-date --min-date"),
    ("modify-network", "end_date", "--end-date --max-date"),
    ("ifgram-inversion", "obs_dataset", "-i -d --dset"),
    ("ifgram-inversion", "water_mask_file", "-m --water-mask"),
    ("ifgram-inversion", "mask_dataset", "--mask-dset --mask-dataset --md"),
    ("ifgram-inversion", "mask_threshold", "--mask-thres --mask-threshold --mt"),
    ("ifgram-inversion", "min_redundancy", "--min-redun --min-redundancy --mr"),
    ("plot-transection", "start_yx", "--start-yx --yx0"),
    ("plot-transection", "end_yx", "--end-yx --yx1"),
    ("plot-transection", "start_lalo", "--start-lalo --lalo0"),
    ("plot-transection", "end_lalo", "--end-lalo --lalo1"),
    ("plot-transection", "target", "-o --outfile"),
    ("view", "cmap", "-c --colormap"),
    ("view", "title", "--title --fig-title --figtitle"),
    ("view", "target", "-o --outfile"),
    ("view", "noreference", "--noreference"),
    ("tsview", "cmap", "-c --colormap"),
    ("tsview", "target", "-o --outfile"),
    ("tsview", "ref_lalo", "--ref-lalo"),
    ("timeseries2velocity", "ref_lalo", "--ref-lalo"),
    ("sbas", "end", "--end --stop"),
    ("sbas", "folder", "--dir --work-dir"),
]


@pytest.mark.parametrize(("command", "option", "names"), FLAGS)
def test_flags_have_all_their_names_and_none_means_two_things(command: str, option: str, names: str) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    assert set(names.split()) <= set(next(one.opts for one in found.params if one.name == option))
    every = [flag for one in found.params for flag in one.opts if isinstance(one, click.Option)]
    assert len(every) == len(set(every))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("iono_tec.py", "no command 'iono_tec.py': it is not there yet; see docs, how-to/coming-from-mintpy"),
        ("closure_phase_bias", "it is not there yet"),
        ("prep_nisar.py", "it is not there yet"),
        ("prep_aria", "`creepmeter load interferograms --processor aria`; see docs, how-to/coming-from-mintpy"),
        ("save_gdal.py", "use `creepmeter save geotiff`"),
    ],
)
def test_scripts_without_a_counterpart_are_named_as_such(call: Call, name: str, told: str) -> None:
    result = call(name)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "did you mean" not in result.stderr


def test_pairs_of_a_date_are_left_out_by_the_short_flag(work: Path, done: Call) -> None:
    done("modify-network", STACK, "--ex-date", "20180129", "--noaux")
    stack = StackFile.open(work / STACK)
    without = [pair for pair, keep in zip(stack.pairs, stack.keep, strict=True) if not keep]
    assert without
    assert all("20180129" in str(pair) for pair in without)


def test_another_series_leaves_the_mask_of_the_main_one_alone(work: Path, done: Call) -> None:
    before = (work / "maskTempCoh.h5").read_bytes()
    names = ("timeseries_no.h5", "temporalCoherence_no.h5", "numInvIfgram_no.h5")
    told = done("ifgram-inversion", STACK, "-w", "no", "--min-num-pixel", 1, "-o", *names)
    assert (work / "maskTempCoh.h5").read_bytes() == before
    assert "maskTempCoh_no.h5: " in told.stdout
    np.testing.assert_array_equal(read_map(work / "maskTempCoh_no.h5"), read_map(work / names[1]) >= np.float32(0.7))
    (work / "other").mkdir()
    done("ifgram-inversion", STACK, "--min-num-pixel", 1, "-o", *(f"other/{name}" for name in ("a.h5", "b.h5", "c.h5")))
    assert (work / "other" / "maskTempCoh_a.h5").is_file()
    assert (work / "maskTempCoh.h5").read_bytes() == before


def test_errors_of_the_velocity_are_those_of_its_own_series(work: Path, done: Call, call: Call) -> None:
    done("ifgram-inversion", STACK, "-w", "no", "--min-num-pixel", 1, "-o", "timeseries_no.h5", "q_no.h5", "n_no.h5")
    for name in ("timeseries.h5", "timeseries_no.h5"):
        done("timeseries2velocity", name, "--uq", "covariance", "-o", f"v_{name}")
    own, main_errors = (read_map(work / f"v_{name}", "velocityStd") for name in ("timeseries_no.h5", "timeseries.h5"))
    assert np.median(own[own > 0]) > 0
    assert not np.array_equal(own, main_errors)
    Path(STACK).rename("elsewhere.h5")
    refused = call("timeseries2velocity", "timeseries.h5", "--uq", "covariance")
    assert refused.exit_code == 1
    assert "needs the stack that timeseries.h5 was inverted from" in refused.stderr
    done("timeseries2velocity", "timeseries.h5", "--uq", "covariance", "--ts-cov", "elsewhere.h5", "-o", "again.h5")
    np.testing.assert_array_equal(read_map(work / "again.h5", "velocityStd"), main_errors)


def test_a_reference_by_latitude_and_longitude_is_that_by_row_and_column(work: Path, done: Call, call: Call) -> None:
    attributes = read_attributes(work / "timeseries.h5")
    row, column = int(attributes["REF_Y"]), int(attributes["REF_X"]) + 1
    first, step = (np.array([float(attributes[f"{axis}_{part}"]) for axis in "YX"]) for part in ("FIRST", "STEP"))
    place = first + (np.array([row, column]) + 0.4) * step
    done("timeseries2velocity", "timeseries.h5", "--ref-lalo", *place, "-o", "one.h5")
    done("timeseries2velocity", "timeseries.h5", "--ref-yx", row, column, "-o", "other.h5")
    for name in list_datasets(work / "one.h5"):
        np.testing.assert_array_equal(read_map(work / "one.h5", name), read_map(work / "other.h5", name))
    done("tsview", "timeseries.h5", "--yx", row, column, "--ref-lalo", *place, "--outfile", "point.png")
    assert (work / "point.png").stat().st_size > 0
    for command in ("timeseries2velocity", "tsview"):
        both = call(command, "timeseries.h5", "--ref-lalo", *place, "--ref-yx", row, column)
        assert both.exit_code == 2
        assert "give one of --ref-yx and --ref-lalo" in both.stderr
    away = call("timeseries2velocity", "timeseries.h5", "--ref-lalo", 0, 0)
    assert away.exit_code == 1
    assert "lies outside the map" in away.stderr


def test_a_reference_by_latitude_in_radar_coordinates(tmp_path: Path, done: Call) -> None:
    made = write_project(tmp_path / "work", geocoded=False, seed=5)
    run_sbas(write_template(tmp_path, "mintpy.geocode = no\n"), folder=tmp_path / "work", end="invert_network")
    series = tmp_path / "work" / "timeseries.h5"
    row, column = np.argwhere(read_map(tmp_path / "work" / "maskTempCoh.h5"))[-1].tolist()
    assert made.latitude is not None
    assert made.longitude is not None
    done("timeseries2velocity", series, "--ref-lalo", made.latitude[row, column], made.longitude[row, column])
    found = read_attributes(tmp_path / "work" / "velocity.h5")
    assert (found["REF_Y"], found["REF_X"]) == (str(row), str(column))


def test_customary_paths_are_seen_from_the_work_folder(
    tmp_path: Path, done: Call, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = simulate_radar(rows=24, columns=28, dates=4, connections=2, geocoded=False, seed=3)
    write_isce2(simulated, tmp_path / "project [1]")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    flags = ("load", "interferograms", "--processor", "isce", "--auto-path", "-o")
    done(*flags, tmp_path / "project [1]" / "mintpy")
    stack = StackFile.open(tmp_path / "project [1]" / "mintpy" / STACK)
    assert stack.pairs == simulated.pairs
    missed = call(*flags, "mintpy")
    assert missed.exit_code == 1
    assert "auto_path: no file matches ../merged/interferograms/*/filt*.unw and ../Igrams/*/filt*.unw" in missed.stderr
    assert f"seen from the work folder {tmp_path / 'elsewhere' / 'mintpy'}" in missed.stderr
    unknown = call("load", "interferograms", "--processor", "snap", "--auto-path", "-o", "mintpy")
    assert "no customary paths are known of processor snap, only of isce, aria, hyp3" in unknown.stderr
