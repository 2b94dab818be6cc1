"""Components of motion: by hand, and of a simulated field within its covariance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

import creepmeter as cm
from creepmeter.errors import ConfigError, InputError
from creepmeter.geometry.decompose import Decomposition, Look, axes_of, decompose, window_medians
from creepmeter.model.grid import pixel_grid
from creepmeter.model.line_of_sight import flight_vector, look_vector
from creepmeter.model.schema import map_dataset

Floats = npt.NDArray[np.float64]
SHAPE = (60, 80)
ENU = axes_of(["east", "north", "up"])


def field() -> Floats:
    """Return a motion with all three components, (3, y, x), m/yr."""
    row, column = np.meshgrid(np.linspace(-1, 1, SHAPE[0]), np.linspace(-1, 1, SHAPE[1]), indexing="ij")
    bowl = np.exp(-3 * (row**2 + column**2))
    return np.stack([0.08 * column * bowl, -0.06 * row * bowl + 0.01, -0.05 * bowl])


def directions() -> list[tuple[Floats, float | Floats]]:
    """Return ascending and descending lines of sight whose angles vary, azimuth and image offsets, with errors."""
    across = np.broadcast_to(np.linspace(30.0, 45.0, SHAPE[1]), SHAPE)
    spread = np.broadcast_to(np.linspace(0.002, 0.006, SHAPE[0])[:, None], SHAPE)
    return [
        (look_vector(across, 102.0), spread),
        (look_vector(across[:, ::-1], -102.0), 0.003),
        (flight_vector(102.0), 0.02),
        (ENU[0], 0.015),
        (ENU[1], 0.015),
    ]


def seen(motion: Floats, seed: int, chosen: slice = slice(None)) -> list[Look]:
    random = np.random.default_rng(seed)
    looks = []
    for direction, sigma in directions()[chosen]:
        shaped = direction if direction.ndim > 1 else direction[:, None, None]
        looks.append(Look((motion * shaped).sum(axis=0) + sigma * random.normal(size=SHAPE), direction, sigma))
    return looks


def normalised(found: Decomposition, truth: Floats) -> Floats:
    """Return the chi-square of the error of the components at each pixel, by their covariance."""
    error = np.moveaxis(found.value - truth, 0, -1)
    inverse = np.linalg.inv(np.moveaxis(found.covariance, (0, 1), (-2, -1)))
    return np.asarray(np.einsum("yxi,yxij,yxj->yx", error, inverse, error))


def test_a_field_is_recovered_within_its_covariance() -> None:
    truth = field()
    found = decompose(seen(truth, 1), ENU)
    count = SHAPE[0] * SHAPE[1]
    # sums of independent chi-squares: their 0.1 % and 99.9 % points, for the errors and for the residuals
    low, high = stats.chi2.ppf([0.001, 0.999], 3 * count)
    assert low < normalised(found, truth).sum() < high
    assert (found.freedom == 2).all()
    low, high = stats.chi2.ppf([0.001, 0.999], 2 * count)
    assert low < found.misfit.sum() < high
    assert stats.kstest(normalised(found, truth).ravel(), stats.chi2(3).cdf).pvalue > 1e-3


def test_each_component_has_its_standard_error() -> None:
    truth = field()
    found = decompose(seen(truth, 2), ENU)
    scaled = (found.value - truth) / found.sigma
    bound = 3.3 / np.sqrt(2 * SHAPE[0] * SHAPE[1])  # 99.9 % of the scatter of a standard deviation
    np.testing.assert_allclose(scaled.std(axis=(1, 2)), 1.0, atol=bound)


def test_without_noise_the_field_is_exact() -> None:
    truth = field()
    looks = [Look((truth * (d if d.ndim > 1 else d[:, None, None])).sum(axis=0), d, sigma) for d, sigma in directions()]
    found = decompose(looks, ENU)
    np.testing.assert_allclose(found.value, truth, atol=1e-13)
    power = sum((look.values / look.sigma) ** 2 for look in looks)
    assert (found.misfit <= 16 * np.finfo(np.float64).eps * power).all()  # a difference of sums of that size


def test_ascending_and_descending_by_hand() -> None:
    # both at 30 degrees incidence, from due west and due east: sum and difference
    west, east = look_vector(30.0, 90.0), look_vector(30.0, -90.0)
    looks = [Look(np.array([[0.01]]), west, 0.002), Look(np.array([[0.03]]), east, 0.002)]
    found = decompose(looks, axes_of(["horizontal", "up"]))
    half, root = 0.5, np.sqrt(3) / 2
    np.testing.assert_allclose(found.value[:, 0, 0], [(0.03 - 0.01) / (2 * half), (0.03 + 0.01) / (2 * root)])
    np.testing.assert_allclose(found.sigma[:, 0, 0], [0.002 / (np.sqrt(2) * half), 0.002 / (np.sqrt(2) * root)])
    np.testing.assert_allclose(found.covariance[0, 1], 0.0, atol=1e-18)


def test_the_weights_are_those_of_the_errors() -> None:
    looks = [Look(np.array([[1.0]]), ENU[2], 1.0), Look(np.array([[4.0]]), ENU[2], 2.0)]
    found = decompose(looks, axes_of(["up"]))
    assert found.value.item() == pytest.approx((1.0 + 4.0 / 4) / (1 + 1 / 4))
    assert found.sigma.item() == pytest.approx(1 / np.sqrt(1.25))
    assert found.misfit.item() == pytest.approx((1.0 - 1.6) ** 2 + (4.0 - 1.6) ** 2 / 4)


def test_too_few_looks_and_looks_that_agree_in_direction_leave_a_gap() -> None:
    one, other = look_vector(30.0, 102.0), look_vector(40.0, -102.0)
    values = np.ones((1, 3))
    second = np.array([[1.0, np.nan, 1.0]])
    sigma = np.array([[1.0, 1.0, np.nan]])
    found = decompose([Look(values, one), Look(second, other, sigma)], axes_of(["east", "up"]))
    assert np.isfinite(found.value).all(axis=0).tolist() == [[True, False, False]]
    assert found.count.tolist() == [[2, 1, 1]]
    same = decompose([Look(values, one), Look(values, one)], axes_of(["east", "up"]))
    assert np.isnan(same.value).all()
    assert np.isnan(same.covariance).all()


def test_large_maps_are_solved_in_strips_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = seen(field(), 3)
    whole = decompose(looks, ENU)
    monkeypatch.setattr("creepmeter.geometry.decompose._STRIP_CELLS", 100)
    parts = decompose(looks, ENU)
    np.testing.assert_array_equal(parts.value, whole.value)
    np.testing.assert_array_equal(parts.covariance, whole.covariance)


def test_components_that_cannot_be_found_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot determine 3"):
        decompose(seen(field(), 1, slice(2)), ENU)
    for wrong in (["east", "west"], [], ["up", "up"]):
        with pytest.raises(ConfigError, match="components"):
            axes_of(wrong)


def test_a_window_holds_its_median() -> None:
    angles = np.arange(30.0).reshape(3, 10)
    angles[0, 0] = np.nan
    angles[:2, 8:] = np.nan
    found = window_medians(angles, 4)
    assert found[0, 0] == np.median([1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23])
    assert (found[:, 8:] == 28.5).all()
    assert np.isnan(window_medians(np.full((2, 2), np.nan))).all()


def test_velocities_as_datasets() -> None:
    truth, grid = field(), pixel_grid(SHAPE, 10.0)
    angles = {"asc": (34.0, 102.0), "desc": (39.0, -102.0)}
    motions = []
    for incidence, azimuth in angles.values():
        along = np.einsum("i,iyx->yx", look_vector(incidence, azimuth), truth)
        dims = ("component", "term", "y", "x")
        variables: dict[str, Any] = {
            "value": (dims, along[None, None], {}),
            "sigma": (dims, np.full((1, 1, *SHAPE), 0.002), {}),
        }
        coords = {"component": ["los"], "term": ["rate"], "unit": ("term", ["m/yr"])}
        motions.append(map_dataset(variables, coords, grid, kind="MotionModel"))
    north = motions[0].assign_coords(component=["north"])
    north["value"] = north["value"] * 0 + truth[1]
    found = cm.decompose_motion([*motions, north], [*angles.values(), None])
    np.testing.assert_allclose(found["value"].values[:, 0], truth, atol=1e-8)
    assert found["sigma"].sel(component="north").values == pytest.approx(0.002)
    with pytest.raises(InputError, match="map 2 is along a line of sight"):
        cm.decompose_motion([*motions, north], [angles["asc"], None, None])
    with pytest.raises(ConfigError, match="different units"):
        cm.decompose_motion([*motions, north.assign_coords(unit=("term", ["m"]))], [*angles.values(), None])
