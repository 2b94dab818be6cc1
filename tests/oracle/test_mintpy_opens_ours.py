"""MintPy opens all that a run of ours leaves, goes on with it, and we go on with a run of MintPy's.

Skipped unless CREEPMETER_MINTPY names the folder of MintPy's programs (bin of its own environment).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.cli.conftest import call_main
from tests.oracle.mintpy import MintPy, Sources, ours, programs, write_sources

from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STEPS = (
    "load_data",
    "modify_network",
    "reference_point",
    "quick_overview",
    "correct_unwrap_error",
    "invert_network",
    "velocity",
)
PRODUCTS = {
    "waterMask.h5": "waterMask",
    "maskConnComp.h5": "mask",
    "avgSpatialCoh.h5": "coherence",
    "avgPhaseVelocity.h5": "velocity",
    "numTriNonzeroIntAmbiguity.h5": "mask",
    "timeseries.h5": "timeseries",
    "temporalCoherence.h5": "temporalCoherence",
    "numInvIfgram.h5": "mask",
    "maskTempCoh.h5": "mask",
    "velocity.h5": "velocity",
    "inputs/ifgramStack.h5": "ifgramStack",
}
LIMITS = {"timeseries": 2e-5, "temporalCoherence": 2e-5, "velocity": 1e-6}  # m, 1, m per year, fed with the same phase
END_TO_END = {"timeseries": 5e-5, "temporalCoherence": 1e-4, "velocity": 2e-5}


@dataclass(frozen=True)
class Project:
    """Sources, and a finished run of ours on them; nothing writes into it."""

    sources: Sources
    work: Path

    def copy(self, work: Path, *, until: str = "velocity") -> Path:
        """Return a copy that may be changed, without what the steps after `until` made."""
        shutil.copytree(self.work, work)
        after = STEPS[STEPS.index(until) + 1 :]
        late = {
            "modify_network": ["waterMask.h5"],
            "reference_point": ["maskConnComp.h5", "avgSpatialCoh.h5"],
            "quick_overview": ["avgPhaseVelocity.h5", "numTriNonzeroIntAmbiguity.h5"],
            "invert_network": ["timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5"],
            "velocity": ["velocity.h5"],
        }
        for name in (name for step in after for name in late.get(step, [])):
            (work / name).unlink()
        if "correct_unwrap_error" in after:
            with h5py.File(work / "inputs" / "ifgramStack.h5", "r+") as file:
                del file["unwrapPhase_bridging"]
        return work


@pytest.fixture(scope="module")
def mintpy() -> MintPy:
    return programs()


@pytest.fixture(scope="module", params=["geo", "radar"])
def project(mintpy: MintPy, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Project:
    """Return a run of ours from the files of HyP3 on a map, of ISCE2 in radar coordinates."""
    assert mintpy.folder.is_dir()
    home = tmp_path_factory.mktemp(request.param)
    sources = write_sources(home, geocoded=request.param == "geo")
    ours(sources.template, home / "work", "--end", "velocity")
    return Project(sources, home / "work")


@pytest.fixture(scope="module")
def radar(mintpy: MintPy, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a run of MintPy's from the files of ISCE2."""
    home = tmp_path_factory.mktemp("theirs")
    sources = write_sources(home, geocoded=False)
    (home / "work").mkdir()
    mintpy(home / "work", "smallbaselineApp.py", str(sources.template), "--end", "velocity")
    return Project(sources, home / "work")


def require_same(first: Path, second: Path, names: Sequence[str] = tuple(PRODUCTS), *, whole: bool = False) -> None:
    """Require that two runs agree at pixels whose cycles agree in all pairs."""
    one, other = (StackFile.open(folder / "inputs" / "ifgramStack.h5") for folder in (first, second))
    assert one.reference == other.reference
    np.testing.assert_array_equal(one.keep, other.keep)
    layer = "unwrapPhase_bridging"
    if layer in one.names and layer in other.names:
        difference = (one.read(layer).astype(np.float64) - other.read(layer)) / (2 * np.pi)
        same = (np.abs(difference) < 0.5).all(axis=0)
        assert same.mean() >= 0.999
    else:
        same = np.ones(one.shape[1:], bool)
    limits = END_TO_END if whole else LIMITS
    for name in names:
        for dataset in maps_of(first / name):
            ours_, theirs = (read_map(folder / name, dataset).astype(np.float64) for folder in (first, second))
            limit = limits.get(Path(name).stem, 0.0)
            if name in {"avgPhaseVelocity.h5", "avgSpatialCoh.h5"}:
                limit = 1e-6
            where = same
            if name == "maskTempCoh.h5":
                level = read_map(first / "temporalCoherence.h5")
                where = same & (np.abs(level - 0.7) >= limits["temporalCoherence"])
            np.testing.assert_allclose(ours_[where], theirs[where], rtol=0, atol=limit, err_msg=f"{name} {dataset}")


def maps_of(path: Path) -> list[str]:
    """Return names of maps of a product, each date of a series by itself; of a stack none."""
    kind = read_attributes(path)["FILE_TYPE"]
    found = list_datasets(path)
    if kind == "ifgramStack":
        return []
    if kind == "timeseries":
        with h5py.File(path) as file:
            return [f"timeseries-{date.decode()}" for date in file["date"][()]]
    if kind == "velocity":
        return [name for name in ("velocity", "velocityStd") if name in found]
    return [name for name, (shape, _) in found.items() if len(shape) == 2 and name != "date"]


# ---------------------------------------------------------------------------------------------------------------- opens


def test_info_and_view_open_every_product(project: Project, mintpy: MintPy, tmp_path: Path) -> None:
    work = project.copy(tmp_path / "work")
    geometry = next((work / "inputs").glob("geometry*.h5"))
    kinds = {**PRODUCTS, f"inputs/{geometry.name}": "geometry"}
    found = {path.relative_to(work).as_posix() for path in work.rglob("*.h5")}
    assert found == set(kinds)
    calls = [("info", [name]) for name in kinds]
    calls += [("view", [name, "--nodisplay", "-o", f"pic/{Path(name).stem}.png", "--dpi", "40"]) for name in kinds]
    (work / "pic").mkdir()
    said = mintpy.many(work, calls)
    for name, kind in kinds.items():
        assert f"file type: {kind}" in said[f"info {name}"]
        picture = work / "pic" / f"{Path(name).stem}.png"
        several = list(work.glob(f"pic/{Path(name).stem}*.png"))  # of many layers, page by page
        assert picture.exists() or several, name
    length, width = (read_attributes(geometry)[name] for name in ("LENGTH", "WIDTH"))
    assert f"({length}, {width})" in said[f"info inputs/{geometry.name}"]


def test_single_layers_dates_and_figures(project: Project, mintpy: MintPy, tmp_path: Path) -> None:
    work = project.copy(tmp_path / "work")
    stack, series = "inputs/ifgramStack.h5", "timeseries.h5"
    geometry = next((work / "inputs").glob("geometry*.h5")).relative_to(work).as_posix()
    with h5py.File(work / series) as file:
        dates = [date.decode() for date in file["date"][()]]
    pairs = [str(pair) for pair in StackFile.open(work / stack).pairs]
    row, column = project.sources.reference
    show = ["--nodisplay", "--dpi", "40", "-o"]
    said = mintpy.many(
        work,
        [
            ("info", [series, "--date"]),
            ("info", [stack, "--date", "--show", "kept"]),
            ("info", [stack, "--slice"]),
            ("view", [series, dates[3], *show, "date.png"]),
            ("view", [series, "-m", "maskTempCoh.h5", "-d", geometry, *show, "masked.png"]),
            ("view", [stack, f"unwrapPhase-{pairs[2]}", *show, "phase.png"]),
            ("view", [stack, f"unwrapPhase_bridging-{pairs[2]}", *show, "bridged.png"]),
            ("view", ["velocity.h5", "velocity", "-v", "-3", "3", "-u", "cm", "--wrap", *show, "velocity.png"]),
            ("tsview", [series, "--yx", str(row), str(column), "--nodisplay", "--save"]),
            ("plot_network", [stack, "--nodisplay", "--save"]),
            ("plot_coherence_matrix", [stack, "--yx", str(row), str(column), "--nodisplay", "--save"]),
        ],
    )
    assert said[f"info {series} --date"].split() == dates
    assert said[f"info {stack} --date --show kept"].split() == pairs
    slices = said[f"info {stack} --slice"].split()
    assert {f"{name}-{pairs[0]}" for name in ("unwrapPhase", "coherence", "connectComponent")} <= set(slices)
    for name in ("date", "masked", "phase", "bridged", "velocity", "coherenceMatrix", "network"):
        assert list(work.glob(f"{name}*.p*")), name


# ------------------------------------------------------------------------------------------------------- MintPy goes on


@pytest.mark.parametrize("until", ["load_data", "modify_network", "quick_overview"])
def test_mintpy_goes_on_from_any_step_and_gets_the_same(
    project: Project, mintpy: MintPy, tmp_path: Path, until: str
) -> None:
    work = project.copy(tmp_path / "work", until=until)
    following = STEPS[STEPS.index(until) + 1]
    mintpy(work, "smallbaselineApp.py", str(project.sources.template), "--start", following, "--end", "velocity")
    require_same(project.work, work, whole=True)


def test_mintpy_inverts_our_corrected_stack_and_gets_the_same(project: Project, mintpy: MintPy, tmp_path: Path) -> None:
    work = project.copy(tmp_path / "work", until="correct_unwrap_error")
    mintpy(work, "smallbaselineApp.py", str(project.sources.template), "--dostep", "invert_network")
    assert read_attributes(work / "timeseries.h5")["mintpy.networkInversion.obsDatasetName"] == "unwrapPhase_bridging"
    names = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5")
    require_same(project.work, work, names)
    mintpy(work, "smallbaselineApp.py", str(project.sources.template), "--dostep", "velocity")
    require_same(project.work, work, ("velocity.h5",))


@pytest.mark.parametrize(("weights", "limit"), [("no", 1e-5), ("coh", 2e-5), ("fim", 2e-5)])
def test_other_weights_agree(project: Project, mintpy: MintPy, tmp_path: Path, weights: str, limit: float) -> None:
    work, own = (project.copy(tmp_path / name, until="correct_unwrap_error") for name in ("theirs", "ours"))
    template = tmp_path / "Weights.txt"
    text = project.sources.template.read_text(encoding="utf-8")
    template.write_text(f"{text}mintpy.networkInversion.weightFunc = {weights}\n", encoding="utf-8")
    mintpy(work, "smallbaselineApp.py", str(template), "--dostep", "invert_network")
    ours(template, own, "--dostep", "invert_network")
    for name in maps_of(own / "timeseries.h5"):
        one, other = (read_map(folder / "timeseries.h5", name) for folder in (own, work))
        np.testing.assert_allclose(one, other, rtol=0, atol=limit, err_msg=name)
    one, other = (read_map(folder / "temporalCoherence.h5") for folder in (own, work))
    np.testing.assert_allclose(one, other, rtol=0, atol=2e-5)


def test_later_steps_of_mintpy_take_our_series(project: Project, mintpy: MintPy, tmp_path: Path) -> None:
    work = project.copy(tmp_path / "work")
    template = tmp_path / "Later.txt"
    text = project.sources.template.read_text(encoding="utf-8").replace(
        "topographicResidual   = no", "topographicResidual = yes"
    )
    template.write_text(f"{text}mintpy.deramp = linear\n", encoding="utf-8")
    for step in ("deramp", "correct_topography", "residual_RMS", "reference_date", "velocity"):
        mintpy(work, "smallbaselineApp.py", str(template), "--dostep", step)
    found = {path.name for path in work.glob("*.h5")}
    assert {"timeseries_ramp_demErr.h5", "demErr.h5", "timeseriesResidual.h5"} <= found
    # and the program by itself, on the series of ours
    mintpy(work, "timeseries2velocity.py", "timeseries.h5", "-o", "again.h5")
    with h5py.File(work / "timeseries.h5") as file:
        assert file.attrs["REF_DATE"] == (work / "reference_date.txt").read_text().strip()
    rate, before = read_map(work / "again.h5", "velocity"), read_map(project.work / "velocity.h5", "velocity")
    np.testing.assert_allclose(rate, before, rtol=0, atol=1e-6)


def test_single_programs_of_mintpy_take_our_files(project: Project, mintpy: MintPy, tmp_path: Path) -> None:
    work = project.copy(tmp_path / "work")
    stack = "inputs/ifgramStack.h5"
    allowed = read_map(work / "maskTempCoh.h5") != 0
    row, column = (int(number) for number in np.argwhere(allowed)[len(np.argwhere(allowed)) // 2])
    place = ["-y", str(row), "-x", str(column)]
    mintpy.many(
        work,
        [
            ("reference_point", ["timeseries.h5", *place]),
            ("temporal_average", [stack, "-d", "coherence", "-o", "average.h5"]),
            ("spatial_average", [stack, "-d", "coherence", "--nodisplay"]),
            ("generate_mask", ["temporalCoherence.h5", "-m", "0.7", "-o", "mask.h5"]),
            ("mask", ["velocity.h5", "-m", "maskTempCoh.h5", "-o", "masked.h5"]),
            ("modify_network", [stack, "--exclude-ifg-index", "2"]),
            ("subset", ["velocity.h5", "-y", "5", "50", "-x", "5", "60", "-o", "part.h5"]),
        ],
    )
    np.testing.assert_allclose(read_map(work / "average.h5"), read_map(work / "avgSpatialCoh.h5"), atol=1e-6)
    np.testing.assert_array_equal(read_map(work / "mask.h5") != 0, read_map(work / "temporalCoherence.h5") >= 0.7)
    assert read_map(work / "part.h5", "velocity").shape == (45, 55)
    assert not StackFile.open(work / stack).keep[2]
    with h5py.File(work / "timeseries.h5") as file:
        assert file.attrs["REF_Y"] == str(row)
        assert not file["timeseries"][:, row, column].any()
    # and ours notices what MintPy changed
    said = ours(project.sources.template, work, "--end", "velocity")
    assert "made: modify_network" in said
    require_same(project.work, work)


# --------------------------------------------------------------------------------------------------------- ours goes on


def untouched(work: Path) -> dict[str, bytes]:
    """Return the bytes of the inputs."""
    return {path.name: path.read_bytes() for path in (work / "inputs").glob("*.h5") if "creepmeter" not in path.name}


def test_ours_loads_what_mintpy_loads(radar: Project, tmp_path: Path) -> None:
    ours(radar.sources.template, tmp_path / "work", "--end", "load_data")
    for name in ("ifgramStack.h5", "geometryRadar.h5"):
        with h5py.File(tmp_path / "work" / "inputs" / name) as one, h5py.File(radar.work / "inputs" / name) as other:
            given = set(other) - {"unwrapPhase_bridging"}
            assert given <= set(one)
            for key in sorted(given):
                if other[key].dtype.kind == "S":
                    np.testing.assert_array_equal(one[key][()], other[key][()], key)
                else:
                    np.testing.assert_allclose(one[key][()], other[key][()], rtol=1e-6, atol=1e-5, err_msg=key)
            for key in (
                "WAVELENGTH",
                "ALOOKS",
                "RLOOKS",
                "EARTH_RADIUS",
                "HEIGHT",
                "STARTING_RANGE",
                "LENGTH",
                "WIDTH",
            ):
                assert float(one.attrs[key]) == pytest.approx(float(other.attrs[key]), rel=2e-3), key


@pytest.mark.parametrize("until", ["load_data", "correct_unwrap_error"])
def test_ours_goes_on_with_a_run_of_mintpy(radar: Project, tmp_path: Path, until: str) -> None:
    work = tmp_path / "work"
    shutil.copytree(radar.work, work)
    for name in PRODUCTS:
        if "/" not in name and until == "load_data":
            (work / name).unlink()
    (work / "timeseries.h5").unlink(missing_ok=True)
    (work / "velocity.h5").unlink(missing_ok=True)
    if until == "load_data":
        with h5py.File(work / "inputs" / "ifgramStack.h5", "r+") as file:
            del file["unwrapPhase_bridging"]
            for name in ("REF_Y", "REF_X"):
                del file.attrs[name]
    before = untouched(work)
    following = STEPS[STEPS.index(until) + 1]
    ours(radar.sources.template, work, "--start", following, "--end", "velocity")
    assert untouched(work) == before
    if until == "load_data":
        assert (work / "inputs" / "ifgramStack.creepmeter.h5").exists()
    require_same(work, radar.work, whole=until == "load_data")


def test_ours_takes_every_product_of_mintpy(radar: Project, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shutil.copytree(radar.work, work)
    for name, kind in PRODUCTS.items():
        told = call_main("info", work / name)
        assert told.exit_code == 0, told.output
        assert kind in told.stdout
        drawn = call_main("view", work / name, "-o", work / f"{Path(name).stem}.png", "--dpi", 40)
        assert drawn.exit_code == 0, drawn.output
        assert (work / f"{Path(name).stem}.png").exists(), name


def test_ours_does_one_step_in_place_and_mintpy_sees_it(radar: Project, mintpy: MintPy, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shutil.copytree(radar.work, work)
    template = tmp_path / "Network.txt"
    text = radar.sources.template.read_text(encoding="utf-8")
    template.write_text(f"{text}mintpy.network.excludeIfgIndex = 3\n", encoding="utf-8")
    ours(template, work, "--dostep", "modify_network", "--in-place")
    assert not (work / "inputs" / "ifgramStack.creepmeter.h5").exists()
    pairs = [str(pair) for pair in StackFile.open(work / "inputs" / "ifgramStack.h5").pairs]
    said = mintpy(work, "info.py", "inputs/ifgramStack.h5", "--date", "--show", "dropped")
    assert said.split() == [pairs[3]]
