"""The figure of how noisy each date is shows one bar per date, at its date and with its height."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.dates import date2num

from creepmeter.errors import SchemaError
from creepmeter.products.date_quality import date_quality_figure

DATES = ["20180105", "20180117", "20180210", "20180222"]
RMS_M = np.array([0.002, 0.016, 0.0015, 0.003])


def test_every_date_has_its_bar_once() -> None:
    figure = date_quality_figure(DATES, RMS_M, threshold_m=0.01, excluded=["2018-01-17"], reference="20180210")

    bars = [bar for group in figure.axes[0].containers for bar in group]
    centres = sorted(bar.get_x() + bar.get_width() / 2 for bar in bars)
    np.testing.assert_allclose(
        centres, date2num(np.array(["2018-01-05", "2018-01-17", "2018-02-10", "2018-02-22"], "M8[D]"))
    )
    np.testing.assert_allclose(sorted(bar.get_height() for bar in bars), np.sort(1000 * RMS_M))
    kinds = {group.get_label(): [bar.get_height() for bar in group] for group in figure.axes[0].containers}
    assert kinds["left out"] == pytest.approx([16.0])
    assert kinds["reference date"] == pytest.approx([1.5])


def test_bars_of_neighbouring_dates_do_not_overlap() -> None:
    bars = [bar for group in date_quality_figure(DATES, RMS_M).axes[0].containers for bar in group]

    edges = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(edges))


def test_one_number_is_missing() -> None:
    with pytest.raises(SchemaError, match="4 dates come with 3"):
        date_quality_figure(DATES, RMS_M[:3])
