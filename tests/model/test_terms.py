from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError
from creepmeter.model.epoch import as_epoch, as_epochs, decimal_years_since, years_since
from creepmeter.model.terms import design_columns, parse_terms

ORIGIN = as_epoch("2019-01-01")
DAYS = np.arange(0, 800, 25)
TIMES = ORIGIN + DAYS * np.timedelta64(1, "D")
YEARS = DAYS / 365.25


def column(text: str) -> np.ndarray:
    """Return the columns of one term beside the offset."""
    return design_columns(parse_terms([text]), TIMES, ORIGIN)[2][:, 1:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate", [YEARS]),
        ("quadratic", [YEARS**2 / 2]),
        ("annual", [np.cos(2 * np.pi * YEARS), np.sin(2 * np.pi * YEARS)]),
        ("semiannual", [np.cos(4 * np.pi * YEARS), np.sin(4 * np.pi * YEARS)]),
        ("step:20190411", [DAYS >= 100]),
        ("exp:20190411:60", [np.where(DAYS > 100, 1 - np.exp(-(DAYS - 100) / 60.0), 0.0)]),
        ("log:2019-04-11:2.5", [np.log(1 + np.maximum(DAYS - 100, 0) / 2.5)]),
    ],
)
def test_columns_are_the_functions_they_name(text: str, expected: list[np.ndarray]) -> None:
    assert_allclose(column(text), np.stack(expected, axis=1), atol=1e-12)


def test_names_and_units_are_those_of_the_columns() -> None:
    texts = ["rate", "quadratic", "annual", "semiannual", "step:20190401", "exp:20190401:60", "log:20190401:7.5"]
    names, units, design = design_columns(parse_terms(texts), TIMES, ORIGIN)
    assert names == [
        *("offset", "rate", "quadratic", "annual_cos", "annual_sin", "semiannual_cos", "semiannual_sin"),
        *("step_20190401", "exp_20190401_60", "log_20190401_7.5"),
    ]
    assert units == ["m", "m/yr", "m/yr2", *["m"] * 7]
    assert design.shape == (len(TIMES), len(names))
    assert_array_equal(design[:, 0], 1.0)


def test_the_day_of_a_step_counts_as_after_it() -> None:
    times = as_epochs(["20190331", "20190401", "20190402"])
    design = design_columns(parse_terms(["step:20190401", "exp:20190401:9", "log:20190401:9"]), times, times[0])[2]
    assert_array_equal(design[:, 1], [0, 1, 1])
    assert_array_equal(design[:2, 2:], 0.0)


def test_the_offset_is_always_there_once() -> None:
    assert [term.kind for term in parse_terms([])] == ["offset"]
    assert [term.kind for term in parse_terms(["offset", " rate "])] == ["offset", "rate"]


@given(st.floats(0.1, 1000.0))
def test_decay_starts_at_its_date_and_has_its_time_constant(days: float) -> None:
    times = as_epoch("20190401") + np.array([0.0, days * 86400]).astype(int) * np.timedelta64(1, "s")
    design = design_columns(parse_terms([f"exp:20190401:{days!r}", f"log:20190401:{days!r}"]), times, times[0])[2]
    assert_allclose(design[:, 1], [0.0, 1 - np.exp(-1)], rtol=1e-3)
    assert_allclose(design[:, 2], [0.0, np.log(2)], rtol=1e-3)


@pytest.mark.parametrize("text", ["speed", "rate:3", "step", "step:20190401:5", "exp:20190401", "annual:2", ""])
def test_unknown_terms_are_refused_with_those_known(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not known: use rate, quadratic, annual, semiannual, step:YYYYMMDD"):
        parse_terms([text])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step:20191301", r"velocity term 'step:20191301': .*is not a date"),
        ("exp:20190401:slow", r"velocity term 'exp:20190401:slow': could not convert"),
        ("log:20190401:0", r"time constant must be a positive number of days"),
        ("exp:20190401:-3", r"time constant must be a positive number of days"),
        ("exp:20190401:inf", r"time constant must be a positive number of days"),
        ("exp:20190401:nan", r"time constant must be a positive number of days"),
    ],
)
def test_unreadable_dates_and_constants_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_terms([text])


@pytest.mark.parametrize(
    "texts", [["rate", "rate"], ["step:20190401", "step:2019-04-01"], ["exp:20190401:60", "exp:20190401:60.0"]]
)
def test_a_term_given_twice_is_refused(texts: list[str]) -> None:
    with pytest.raises(ConfigError, match="is given twice: keep one"):
        parse_terms(texts)


def test_polynomials_periods_and_polylines() -> None:
    times = as_epochs(["20190101", "20190701", "20200101", "20210101"])
    terms = parse_terms(["poly:3", "periodic:2", "polyline:20200101"])
    names, units, design = design_columns(terms, times, times[0])
    years = years_since(times, times[0])
    assert names == ["offset", "poly_3", "periodic_2_cos", "periodic_2_sin", "polyline_20200101"]
    assert units == ["m", "m/yr3", "m", "m", "m/yr"]
    assert_allclose(design[:, 1], years**3 / 6)
    assert_allclose(design[:, 2] ** 2 + design[:, 3] ** 2, 1.0)
    assert_allclose(design[:, 3], np.sin(np.pi * years), atol=1e-12)
    assert_allclose(design[:, 4], [0.0, 0.0, 0.0, 366 / 365.25])


def test_periods_of_a_year_and_half_a_year_have_names() -> None:
    times = as_epochs(["20190101", "20190401"])
    for name, period in (("annual", 1), ("semiannual", 0.5)):
        named, plain = (
            design_columns(parse_terms([text]), times, times[0])[2] for text in (name, f"periodic:{period}")
        )
        assert_allclose(named, plain, atol=1e-12)


def test_another_clock_counts_the_years() -> None:
    times = as_epochs(["20181231", "20190101"])
    design = design_columns(parse_terms(["rate"]), times, times[0], decimal_years_since)[2]
    assert_allclose(design[1, 1], 1 - 364 / 365.25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("poly:0", "the degree must be a whole number from 1 to 20"),
        ("poly:2.5", "the degree must be a whole number from 1 to 20"),
        ("poly:x", "could not convert"),
        ("periodic:-1", "the period must be a positive number of years"),
        ("periodic:inf", "the period must be a positive number of years"),
        ("polyline:2019", "is not a date"),
    ],
)
def test_wrong_degrees_and_periods_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_terms([text])


def test_an_onset_with_a_time_of_day_keeps_it_in_its_name() -> None:
    assert parse_terms(["step:20190401T173300"])[1].names == ("step_20190401T1733",)
