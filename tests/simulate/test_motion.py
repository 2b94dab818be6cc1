from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import InputError
from creepmeter.model.epoch import as_epoch, as_epochs
from creepmeter.model.grid import pixel_grid
from creepmeter.simulate import MotionField, Slide
from creepmeter.simulate.motion import cell_centres, map_position, origin_of

SLIDE = Slide(centre=(500.0, -400.0), semi_axes=(300.0, 150.0), speed=2.0, direction_deg=90.0, core=0.5)


@pytest.mark.parametrize(
    ("direction", "expected"), [(0, (0, 2)), (90, (2, 0)), (180, (0, -2)), (225, (-1.414, -1.414))]
)
def test_directions_run_clockwise_from_north(direction: float, expected: tuple[float, float]) -> None:
    slide = Slide((0.0, 0.0), (10.0, 10.0), 2.0, direction)
    assert_allclose(slide.velocity, expected, atol=1e-3)


def test_a_slide_of_a_velocity_has_that_velocity() -> None:
    assert_allclose(Slide.from_velocity((0, 0), (10, 10), (-1.5, 0.7)).velocity, (-1.5, 0.7))


def test_the_core_moves_as_one_and_the_outline_rests() -> None:
    along = np.array([0.0, 0.25, 0.499, 0.75, 1.0, 1.2])
    assert_allclose(SLIDE.share(500 + 300 * along, np.full(6, -400.0)), [1, 1, 1, 0.5, 0, 0], atol=1e-12)
    assert_allclose(SLIDE.share(np.full(6, 500.0), -400 + 150 * along), [1, 1, 1, 0.5, 0, 0], atol=1e-12)


def test_the_rim_is_smooth() -> None:
    share = SLIDE.share(np.linspace(500, 900, 4001), np.full(4001, -400.0))
    assert np.abs(np.diff(share)).max() < 1.1 * np.pi / 2 / 150 * 0.1  # steepest slope of the raised cosine
    assert np.abs(np.diff(share, 2)).max() < 1e-5


def test_the_outline_bounds_the_motion() -> None:
    for azimuth in (None, 30.0):
        slide = Slide((500.0, -400.0), (300.0, 150.0), 2.0, 110.0, azimuth)
        ring = slide.outline()
        assert_array_equal(ring[0], ring[-1])
        assert_allclose(slide.share(ring[:, 0], ring[:, 1]), 0.0, atol=1e-9)
        assert slide.contains(*slide.outline(scale=0.999).T).all()
        assert not slide.contains(*slide.outline(scale=1.001).T).any()
        assert slide.contains(*slide.outline(scale=slide.core * 0.999).T, core=True).all()


def test_displacement_is_velocity_times_time() -> None:
    field = MotionField((SLIDE,))
    moved = field.displacement([500.0, 900.0], [-400.0, -400.0], ["2020-01-01", "2022-01-01"])
    assert moved.shape == (2, 2, 2)
    assert_array_equal(moved[:, 0], 0.0)
    assert_allclose(moved[0, 1], [2.0 * 731 / 365.25, 0.0])
    assert_allclose(moved[1], 0.0, atol=1e-12)
    assert_allclose(field.velocity([500.0, 900.0], -400.0), [[2.0, 0.0], [0.0, 0.0]], atol=1e-12)


def test_displacement_adds_up_along_time_whatever_the_motion() -> None:
    slide = Slide(
        (0.0, 0.0),
        (50.0, 50.0),
        1.0,
        45.0,
        acceleration=0.3,
        annual=0.2,
        steps=(("2020-06-01", 0.7), ("2021-02-01", -0.1)),
    )
    field = MotionField((slide, Slide((10.0, 0.0), (40.0, 40.0), -0.4)), origin="2019-01-01")
    first, middle, last = "2020-03-04", "2020-09-10", "2021-12-30"
    whole = field.displacement(3.0, 4.0, [last], since=first)
    parts = field.displacement(3.0, 4.0, [middle], since=first) + field.displacement(3.0, 4.0, [last], since=middle)
    assert_allclose(whole, parts, atol=1e-12)


def test_acceleration_season_and_steps_are_where_they_belong() -> None:
    origin = as_epoch("2020-01-01")
    times = as_epochs(["2020-01-01", "2020-04-01T07:30:00", "2021-01-01"])
    season = Slide((0, 0), (9, 9), 0.0, annual=0.5).travelled(times, origin)
    assert_allclose(season, [0.0, 0.5, 0.0], atol=2e-4)
    faster = Slide((0, 0), (9, 9), 1.0, acceleration=0.5).travelled(times, origin)
    assert faster[2] == pytest.approx(1.0 * 366 / 365.25 + 0.25 * (366 / 365.25) ** 2)
    step = Slide((0, 0), (9, 9), 0.0, steps=(("2020-04-01", 0.8),)).travelled(times, origin)
    assert_allclose(step, [0.0, 0.8, 0.8])


def test_ground_comes_from_where_the_motion_took_it() -> None:
    x, y = np.meshgrid(np.linspace(0, 100, 40), np.linspace(0, 100, 40))

    def displace(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 3 * np.sin(x / 15), 2 * np.cos(y / 12) + 0.05 * x

    before_x, before_y = origin_of(x, y, displace)
    dx, dy = displace(before_x, before_y)
    assert_allclose(before_x + dx, x, atol=1e-5)
    assert_allclose(before_y + dy, y, atol=1e-5)


def test_pixel_centres_have_map_coordinates() -> None:
    grid = pixel_grid((3, 4), 10.0)
    x, y = cell_centres(grid)
    assert_allclose(x[0], [5, 15, 25, 35])
    assert_allclose(y[:, 0], [-5, -15, -25])
    assert_allclose(np.array(map_position(grid, np.array(1.5), np.array(0.0))).ravel(), [5.0, -20.0])


@pytest.mark.parametrize(("axes", "core"), [((0.0, 5.0), 0.5), ((5.0, 5.0), 1.0), ((5.0, 5.0), -0.1)])
def test_a_slide_without_size_or_rim_is_refused(axes: tuple[float, float], core: float) -> None:
    with pytest.raises(InputError, match="positive semi_axes"):
        Slide((0.0, 0.0), axes, 1.0, core=core)
