"""Noisy dates and the quietest one."""

from __future__ import annotations

import numpy as np
import pytest

from creepmeter.corrections.residuals import judge_dates

DATES = np.datetime64("2018-01-05", "ns") + np.arange(5) * np.timedelta64(24, "D")


def test_noisy_is_above_the_cutoff_times_the_median_over_the_normal_share() -> None:
    found = judge_dates(DATES, np.array([2.0, 2.1, 1.9, 8.8, 9.0]) * 1e-3, 3.0)
    assert found.threshold_m == pytest.approx(3 * 2.1e-3 / 0.67449)  # 9.34 mm
    assert not found.noisy.any()
    assert found.quietest == 2
    assert judge_dates(DATES, np.array([2.0, 2.1, 1.9, 2.2, 9.4]) * 1e-3, 3.0).noisy.tolist() == [False] * 4 + [True]


def test_dates_without_pixels_do_not_count() -> None:
    found = judge_dates(DATES, np.array([np.nan, 2.0, 1.0, 1.0, 50.0]), 3.0)
    assert found.quietest == 2
    assert found.noisy.tolist() == [False, False, False, False, True]
    nothing = judge_dates(DATES, np.full(5, np.nan), 3.0)
    assert not nothing.noisy.any()
