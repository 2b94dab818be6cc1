"""Commands on stacks of interferograms: network, reference, masks, averages, figures."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.cli.conftest import Call
from tests.workflow.sbas.samples import write_project

from creepmeter.io.mintpy.product import read_attributes, read_map, write_product
from creepmeter.io.mintpy.stack import StackFile


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    write_project(folder)
    return folder


@pytest.fixture
def work(loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A loaded project that is the working folder."""
    folder = tmp_path / "work"
    shutil.copytree(loaded, folder)
    monkeypatch.chdir(folder)
    return folder


STACK = Path("inputs/ifgramStack.h5")


def kept(work: Path) -> np.ndarray:
    return np.flatnonzero(StackFile.open(work / STACK).keep)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--exclude-ifg-index", "3:5", "8", STACK),
        (STACK, "--exclude-ifg-index", "3:5", "8"),
        (STACK, "--exclude-ifg-index", "3:5,8"),
        ("--exclude-ifg-index", "3:5", STACK, "--exclude-ifg-index", "8"),
    ],
)
def test_lists_are_taken_as_users_of_mintpy_write_them(work: Path, done: Call, arguments: tuple[object, ...]) -> None:
    result = done("modify-network", *arguments, "--noaux")
    assert "7 of 11 pairs are used" in result.stdout
    assert_array_equal(kept(work), [0, 1, 2, 6, 7, 9, 10])
    assert not (work / "avgSpatialCoh.h5").exists()


def test_flags_win_over_a_template_and_reset_restores(work: Path, done: Call) -> None:
    (work / "t.txt").write_text(
        "mintpy.network.excludeIfgIndex = 1:2\nmintpy.network.tempBaseMax = 30\n", encoding="utf-8"
    )
    result = done("modify-network", STACK, "-t", "t.txt", "--max-tbase", 1000)
    assert "exclude_index: leaves out 2" in result.stdout
    assert "temp_base_max" not in result.stdout
    assert len(kept(work)) == 9
    assert (work / "maskConnComp.h5").exists()
    assert "11 of 11 pairs are used" in done("modify-network", STACK, "--reset", "--noaux").stdout
    assert "11 of 11 pairs are used, as before" in done("modify-network", STACK, "--noaux").stdout


def test_coherence_inside_an_area_as_mintpy_orders_it(work: Path, done: Call) -> None:
    done("modify-network", STACK, "--coherence-based", "--min-coherence", 0.99, "--aoi-yx", 2, 4, 30, 20, "--noaux")
    table = (work / "coherenceSpatialAvg.txt").read_text(encoding="utf-8")
    assert "# AOI box: (2, 4, 30, 20)" in table
    assert len(kept(work)) == 6
    done(
        "modify-network", STACK, "--coherence-based", "--min-coherence", 0.99, "--no-mst", "--max-pbase", 1e6, "--reset"
    )
    assert len(kept(work)) == 11


@pytest.mark.usefixtures("work")
def test_a_rule_that_leaves_nothing_is_an_error(call: Call) -> None:
    result = call("modify-network", STACK, "--max-tbase", 1)
    assert result.exit_code == 1
    assert "no pair is left of 11" in result.stderr
    assert call("modify-network", STACK, "--exclude-ifg-index", "x").exit_code == 2


def test_the_reference_of_a_stack(work: Path, done: Call, call: Call) -> None:
    result = done("reference-point", STACK, "--min-coherence", 0.3)
    assert "the most coherent pixel" in result.stdout
    row, column = StackFile.open(work / STACK).reference or (-1, -1)
    assert {"waterMask.h5", "maskConnComp.h5", "avgSpatialCoh.h5"} <= {path.name for path in work.iterdir()}
    assert "as set before" in done("reference-point", STACK).stdout
    done("reference-point", STACK, "-y", row, "-x", column)
    done("temporal-average", STACK, "-d", "unwrapPhase")
    assert f"row {row}, column {column} (given)" in done("reference-point", STACK, "-r", "avgPhaseVelocity.h5").stdout
    done("reference-point", STACK, "--reset")
    assert StackFile.open(work / STACK).reference is None
    refused = call("reference-point", STACK, "-y", 0, "-x", 43)
    assert refused.exit_code == 1
    assert "such as row" in refused.stderr
    assert call("reference-point", STACK, "-y", 3).exit_code == 2
    assert call("reference-point", STACK, "-y", 3, "-x", 3, "-o", "x.h5").exit_code == 2
    first = done("reference-point", STACK, "--method", "random", "--min-coherence", 0.3, "--force", "--seed", 5).stdout
    again = done("reference-point", STACK, "--method", "random", "--min-coherence", 0.3, "--force", "--seed", 5).stdout
    assert first == again


def test_the_reference_of_a_velocity(work: Path, done: Call) -> None:
    values = np.arange(12.0, dtype=np.float32).reshape(3, 4) + 1
    write_product(work / "velocity.h5", {"velocity": values}, {"FILE_TYPE": "velocity", "UNIT": "m/year"})
    done("reference-point", "velocity.h5", "-y", 1, "-x", 2, "-o", "other.h5")
    assert_array_equal(read_map(work / "other.h5"), values - values[1, 2])
    assert read_attributes(work / "other.h5")["REF_Y"] == "1"
    done("reference-point", "other.h5", "--reset")
    assert "REF_Y" not in read_attributes(work / "other.h5")


def test_masks_and_averages(work: Path, done: Call) -> None:
    done("temporal-average", STACK)
    level = read_map(work / "avgSpatialCoh.h5")
    done("generate-mask", "avgSpatialCoh.h5", "-m", 0.4, "--base", "inputs/geometryGeo.h5", "--base-dset", "waterMask")
    mask = read_map(work / "maskSpatialCoh.h5")
    assert_array_equal(mask, (level >= 0.4) & read_map(work / "inputs" / "geometryGeo.h5", "waterMask"))
    done("generate-mask", STACK, "--nonzero")
    assert read_map(work / "maskConnComp.h5").dtype == bool
    done("generate-mask", STACK, "coherence-20180105_20180129", "-m", 0.5, "-o", "one.h5")
    done("mask", "avgSpatialCoh.h5", "-m", "maskSpatialCoh.h5")
    assert_array_equal(read_map(work / "avgSpatialCoh_msk.h5"), np.where(mask, level, np.nan))
    done("mask", "avgSpatialCoh.h5", "-m", "avgSpatialCoh.h5", "-t", 0.5, "-y", 0, 10, "--fill", 0, "-o", "zero.h5")
    rows = np.arange(36)[:, None] < 10
    assert_array_equal(read_map(work / "zero.h5"), np.where((level >= 0.5) & rows, level, 0))
    done("spatial-average", STACK, "-m", "maskConnComp.h5", "--nodisplay")
    assert "# Mask file: maskConnComp.h5" in (work / "coherenceSpatialAvg.txt").read_text(encoding="utf-8")


def test_a_masked_stack_of_another_program_keeps_what_lies_beside_it(work: Path, done: Call) -> None:
    with h5py.File(work / STACK, "r+") as file:
        for name in [key for key in file.attrs if key.startswith("CREEPMETER_")]:
            del file.attrs[name]
    done("modify-network", STACK, "--exclude-ifg-index", 3)
    done("reference-point", STACK)
    done("unwrap-error-bridging", STACK)
    edited = StackFile.open(work / STACK)
    assert (work / "inputs" / "ifgramStack.creepmeter.h5").exists()
    done("mask", STACK, "-m", "maskConnComp.h5", "--fill", 0, "-o", "masked.h5")
    masked, keep = StackFile.open(work / "masked.h5"), read_map(work / "maskConnComp.h5")
    assert masked.names == edited.names
    assert masked.reference == edited.reference
    assert_array_equal(masked.keep, edited.keep)
    assert not masked.keep[3]
    for name in ("unwrapPhase", "unwrapPhase_bridging"):
        assert_array_equal(masked.read(name), np.where(keep, edited.read(name), 0))


def test_a_mask_of_significant_motion(work: Path, done: Call) -> None:
    maps = {"velocity": np.array([[1.0, -5.0, 0.1]], np.float32), "velocityStd": np.full((1, 3), 2.0, np.float32)}
    write_product(work / "velocity.h5", maps, {"FILE_TYPE": "velocity", "UNIT": "m/year"})
    done("generate-mask", "velocity.h5", "--vstd", "-o", "moving.h5")
    assert_array_equal(read_map(work / "moving.h5"), [[False, True, False]])


@pytest.mark.usefixtures("work")
def test_wrong_use_of_masks(call: Call) -> None:
    geometry = "inputs/geometryGeo.h5"
    assert call("generate-mask", geometry, "height", "-m", 5, "-M", 1, "-o", "x.h5").exit_code == 2
    assert call("generate-mask", geometry, "height", "-o", geometry).exit_code == 2
    refused = call("generate-mask", geometry, "depth", "-o", "x.h5")
    assert refused.exit_code == 1
    assert "no map 'depth'" in refused.stderr


def test_figures_of_the_network_under_both_names(work: Path, done: Call) -> None:
    done("plot-network", STACK, "--nodisplay", "--dpi", 40)
    names = {
        "network.pdf",
        "pbaseHistory.pdf",
        "coherenceHistory.pdf",
        "coherenceMatrix.pdf",
        "coherenceSpatialAvg.txt",
    }
    assert names <= {path.name for path in work.iterdir()}
    done("plot-network", STACK, "--names-2019", "-d", "tbase", "-v", 0, 100, "--show-kept", "-c", "vik", "--dpi", 40)
    assert {"Network.pdf", "BperpHistory.pdf", "CoherenceHistory.pdf", "CoherenceMatrix.pdf"} <= {
        path.name for path in work.iterdir()
    }
    done("plot-network", "coherenceSpatialAvg.txt", "-o", "figures/n.png", "--dpi", 40)
    assert {path.name for path in (work / "figures").iterdir()} == {
        "n.png",
        "pbaseHistory.png",
        "coherenceHistory.png",
        "coherenceMatrix.png",
    }


def test_the_coherence_matrix_of_a_pixel(work: Path, done: Call, call: Call) -> None:
    done("plot-coherence-matrix", STACK, "--yx", 5, 6, "--dpi", 40)
    assert (work / "coherenceMatrix_y5_x6.png").exists()
    done("temporal-average", STACK)
    geometry = read_attributes(work / "inputs" / "geometryGeo.h5")
    lat = float(geometry["Y_FIRST"]) + 7.5 * float(geometry["Y_STEP"])
    lon = float(geometry["X_FIRST"]) + 9.5 * float(geometry["X_STEP"])
    done("plot-coherence-matrix", STACK, "--lalo", lat, lon, "--dpi", 40)
    assert (work / "coherenceMatrix_y7_x9.png").exists()
    missing = call("plot-coherence-matrix", STACK)
    assert missing.exit_code == 2
    assert "give --yx or --lalo" in missing.stderr
    assert call("plot-coherence-matrix", STACK, "--yx", 500, 6).exit_code == 1
