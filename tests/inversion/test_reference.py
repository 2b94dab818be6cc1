"""Interferograms are inverted relative to the reference pixel of their stack."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from creepmeter.errors import InputError
from creepmeter.inversion.invert import invert
from creepmeter.model.schema import make_pair_stack
from creepmeter.simulate.radar import RadarStack, simulate_radar

METRES_PER_RADIAN = -0.05546576 / (4 * np.pi)
PIXEL = (20, 12)


def radar() -> RadarStack:
    return simulate_radar(rows=40, columns=60, dates=6, connections=2, noise=False, constants=True)


def stack_of(made: RadarStack, **attributes: object) -> xr.Dataset:
    phase = np.where(made.phase == 0, np.nan, made.phase.astype(np.float64))
    stack = make_pair_stack(phase * METRES_PER_RADIAN, made.pairs, quality=made.coherence)
    return stack.assign_attrs(cycle_m=0.05546576 / 2, looks=25, **attributes)


@pytest.mark.parametrize("weights", ["no", "var", "coh"])
def test_constants_of_the_pairs_do_not_enter(weights: str) -> None:
    made = radar()
    series = invert(stack_of(made, reference_pixel=list(PIXEL)), weights=weights, norm="l2")
    truth = made.truth.displacement + made.truth.delay
    truth = truth - truth[:1]
    truth = truth - truth[:, PIXEL[0], PIXEL[1]][:, None, None]
    assert_allclose(series["displacement"][0], truth, atol=2e-6)  # phase is float32, up to 40 radians
    assert series.attrs["reference_pixel"] == list(PIXEL)


def test_without_reference_pixel_the_user_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        invert(stack_of(radar()), weights="no")
    assert "no reference pixel" in caplog.text


def test_corrected_phase_is_relative_to_it_already() -> None:
    made = radar()
    stack = stack_of(made, reference_pixel=list(PIXEL), referenced=1)
    stack["displacement"] = stack["displacement"] - stack["displacement"].isel(y=PIXEL[0], x=PIXEL[1]) + 0.01
    series = invert(stack, weights="no", norm="l2")
    whole = invert(stack.drop_attrs(deep=False).assign_attrs(cycle_m=0.0), weights="no", norm="l2")
    assert_allclose(series["displacement"], whole["displacement"])


def test_a_pair_without_the_reference_pixel_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    stack = stack_of(radar(), reference_pixel=list(PIXEL))
    stack["displacement"][0, 2, PIXEL[0], PIXEL[1]] = np.nan
    with caplog.at_level(logging.WARNING):
        series = invert(stack, weights="no", norm="l2")
    assert "1 pairs have no value at the reference pixel" in caplog.text
    assert series["pairs_used"].max() == stack.sizes["pair"] - 1


def test_a_reference_pixel_that_cannot_serve_is_named() -> None:
    stack = stack_of(radar(), reference_pixel=[99, 0])
    with pytest.raises(InputError, match=r"row 99, column 0\) lies outside the map of 40 x 60"):
        invert(stack, weights="no")
    stack = stack_of(radar(), reference_pixel=list(PIXEL))
    stack["displacement"][..., PIXEL[0], PIXEL[1]] = np.nan
    with pytest.raises(InputError, match="no used pair has a value at the reference pixel"):
        invert(stack, weights="no")
