"""Standard errors beside true errors, on simulated stacks whose noise follows the model; tables and maps of sigma."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose
from tests.workflow.sbas.products import DATES, make_series, make_velocity
from tests.workflow.sbas.samples import write_project

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.io.mintpy.grid import ground_spacing
from creepmeter.io.mintpy.product import read_attributes, read_map, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.points import read_columns
from creepmeter.validation.structure import choose_pairs, class_edges
from creepmeter.validation.structure_options import StructureOptions
from creepmeter.velocity.options import TimeFunctionOptions
from creepmeter.workflow.sbas.invert import invert_network
from creepmeter.workflow.sbas.structure import (
    StructureResult,
    draw_structure,
    structure_of_file,
    write_sigma_map,
    write_structure_table,
)
from creepmeter.workflow.sbas.velocity import fit_velocity_file

STILL = 2e-4  # metres per year: slower ground counts as stable
OPTIONS = StructureOptions(pairs=4000, bins=14)


@dataclass(frozen=True)
class Run:
    """A simulated stack made into a velocity, its true errors relative to the reference pixel, and where it moves."""

    folder: Path
    errors: npt.NDArray[np.float64]
    moving: npt.NDArray[np.bool_]

    @property
    def velocity(self) -> Path:
        """The file."""
        return self.folder / "velocity.h5"


def run(folder: Path, seed: int, turbulence_m: float, shape: tuple[int, int]) -> Run:
    """Simulate turbulence of each date and decorrelation of each pair; invert, and fit a velocity with covariance."""
    made = write_project(
        folder, seed=seed, rows=shape[0], columns=shape[1], dates=16, connections=3, islands=0, river=False,
        turbulence_m=turbulence_m, velocity_m=0.04, seasonal_m=0.0,
    )  # fmt: skip
    truth = made.truth.velocity.astype(np.float64)
    good = np.argwhere((made.coherence.mean(axis=0) > 0.6) & (np.abs(truth) < STILL))
    row, column = (int(k) for k in good[np.random.default_rng(seed).integers(len(good))])
    stack = StackFile.open(folder / "inputs" / "ifgramStack.h5")
    stack.set_attributes({"REF_Y": str(row), "REF_X": str(column)})
    invert_network(stack, folder, None, NetworkInversionOptions(min_num_pixel=1, water_mask_file=None))
    options = TimeFunctionOptions(uncertainty_quantification="covariance")
    fit_velocity_file(folder / "timeseries.h5", folder / "velocity.h5", options)
    errors = read_map(folder / "velocity.h5", "velocity") - (truth - truth[row, column])
    attributes = {**read_attributes(folder / "velocity.h5"), "FILE_TYPE": "mask", "UNIT": "1"}
    plain = {name: text for name, text in attributes.items() if not name.startswith("CREEPMETER")}
    write_product(folder / "stable.h5", {"mask": np.abs(truth) < STILL}, plain)
    return Run(folder, errors, np.abs(truth) >= STILL)


def covered(errors: npt.NDArray[np.float64], sigma: npt.NDArray[np.float64]) -> float:
    """Return the share of errors within one sigma, where sigma is known."""
    known = np.isfinite(sigma) & (sigma > 0)
    return float((np.abs(errors) <= sigma)[known].mean())


def of_pairs(made: Run, result: StructureResult) -> tuple[float, float]:
    """Return how many differences of moving ground are covered by the table and by the curve of stable ground."""
    spacing = ground_spacing(read_attributes(made.velocity), made.errors.shape, "velocity")
    pairs = choose_pairs(np.ones(made.errors.shape, bool), spacing, StructureOptions(pairs=5000, bins=14))
    moving = made.moving.ravel()
    here = moving[pairs.first] | moving[pairs.second]
    apart = (made.errors.ravel()[pairs.second] - made.errors.ravel()[pairs.first])[here]
    edges, table = class_edges(OPTIONS), np.full(OPTIONS.bins, np.nan)
    table[np.searchsorted(edges, result.whole.distance) - 1] = result.whole.sigma
    assert result.model is not None
    return covered(apart, table[pairs.bin[here]]), covered(apart, result.model.sigma(pairs.distance[here]))


def test_sigma_by_distance_covers_true_errors_of_turbulence_and_noise(tmp_path: Path) -> None:
    found = []
    for seed in range(10):
        made = run(tmp_path / str(seed), seed, 0.003, (80, 110))
        result = structure_of_file(made.velocity, OPTIONS, mask_file=made.folder / "stable.h5")
        maps = [
            read_map(write_sigma_map(made.velocity, made.folder / f"{stated}.h5", result, stated=stated))
            for stated in (False, True)
        ]
        plain = read_map(made.velocity, "velocityStd")
        found.append([*of_pairs(made, result), *(covered(made.errors, sigma) for sigma in (*maps, plain))])
    table, curve, by_distance, stated, alone = np.mean(found, axis=0)
    # all differences between moving pixels and others, whose errors were not looked at; all seeds
    assert 0.60 <= table <= 0.75
    assert 0.60 <= curve <= 0.75
    # all pixels relative to one pixel of each seed
    assert 0.60 <= by_distance <= 0.75
    assert 0.60 <= stated <= 0.75
    assert alone < 0.5  # coherence knows no turbulence


def test_covariance_covers_true_errors_of_noise(tmp_path: Path) -> None:
    found = []
    for seed in range(14):  # one reference pixel each, whose noise all pixels of a map share
        made = run(tmp_path / str(seed), seed, 0.0, (24, 30))
        found.append(covered(made.errors, read_map(made.velocity, "velocityStd")))
    assert 0.60 <= np.mean(found) <= 0.75


def test_a_table_and_a_figure_of_a_series(tmp_path: Path) -> None:
    make_series(tmp_path / "timeseries.h5", shape=(60, 70))
    result = structure_of_file(tmp_path / "timeseries.h5", StructureOptions(pairs=500, bins=9))
    write_structure_table(tmp_path / "table.csv", result)
    columns = read_columns(tmp_path / "table.csv").entries
    assert list(dict.fromkeys(columns["date"])) == [*DATES[1:], "all"]
    assert {"distance_km", "sigma_mm", "rms_mm", "error_mm", "pairs", "curve_mm"} <= set(columns)
    sigma = np.array(columns["sigma_mm"], float)[np.array(columns["date"]) == "all"]
    assert_allclose(sigma, 40.0, rtol=0.15)  # two dates and two pixels of 20 mm each
    assert draw_structure(tmp_path / "figure.png", result, "a series", 10.0).stat().st_size > 10_000


def test_polygons_leave_ground_out(tmp_path: Path) -> None:
    values = make_velocity(tmp_path / "velocity.h5", shape=(60, 70))
    values[:, :35] += 5.0 * np.arange(60, dtype=np.float32)[:, None]
    write_product(tmp_path / "velocity.h5", {"velocity": values}, read_attributes(tmp_path / "velocity.h5"))
    box = [[9.9, 49.9], [10.035, 49.9], [10.035, 50.1], [9.9, 50.1], [9.9, 49.9]]
    polygon = f'{{"type": "Polygon", "coordinates": [{box}]}}'
    (tmp_path / "slide.geojson").write_text(polygon, encoding="utf-8")
    whole = structure_of_file(tmp_path / "velocity.h5", OPTIONS)
    part = structure_of_file(tmp_path / "velocity.h5", OPTIONS, exclude=tmp_path / "slide.geojson")
    assert whole.stable > 0.99
    assert_allclose(part.stable, 0.5, atol=0.02)
    assert_allclose(part.whole.sigma[:8], 0.01 * np.sqrt(2), rtol=0.1)
    assert whole.whole.sigma[-1] > 10


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    make_velocity(tmp_path / "velocity.h5")
    with pytest.raises(InputError, match=r"has no dataset 'speed': choose one \(-d\) from velocity, velocityStd"):
        structure_of_file(tmp_path / "velocity.h5", name="speed")
    make_velocity(tmp_path / "other.h5", shape=(9, 9))
    with pytest.raises(CreepmeterError, match=r"other\.h5 has 9 x 9 pixels"):
        structure_of_file(tmp_path / "velocity.h5", mask_file=tmp_path / "other.h5")
    few = structure_of_file(tmp_path / "velocity.h5", StructureOptions(bins=2))
    with pytest.raises(InputError, match="has no curve of sigma by distance"):
        write_sigma_map(tmp_path / "velocity.h5", tmp_path / "map.h5", few)


def test_pixels_in_radar_coordinates_have_the_size_they_have_on_the_ground() -> None:
    facts = {
        "AZIMUTH_PIXEL_SIZE": "14.0", "RANGE_PIXEL_SIZE": "10.0", "STARTING_RANGE": "800000", "HEIGHT": "693000",
        "EARTH_RADIUS": "6371000", "PROCESSOR": "isce",
    }  # fmt: skip
    along, across = ground_spacing(facts, (100, 2), "file")
    assert_allclose(along, 14.0 * 6371 / 7064)
    sides = np.array([7064.0, 6371.0, 800.01])  # a triangle: centre of the Earth, satellite, ground
    at_ground = np.arccos((sides[1] ** 2 + sides[2] ** 2 - sides[0] ** 2) / (2 * sides[1] * sides[2]))
    assert_allclose(across, 10.0 / np.sin(np.pi - at_ground))
    assert ground_spacing({**facts, "PROCESSOR": "gamma"}, (100, 2), "file")[0] == 14.0
    with pytest.raises(CreepmeterError, match=r"file: HEIGHT missing, the size of a pixel"):
        ground_spacing({**facts, "HEIGHT": ""}, (100, 2), "file")
