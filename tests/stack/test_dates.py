from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from creepmeter.errors import InputError
from creepmeter.model.network import Network
from creepmeter.stack.dates import shifts_per_date

START = np.datetime64("2020-01-01", "ns")


def network_of(*pairs: tuple[int, int]) -> Network:
    return Network.from_pairs([(START + np.timedelta64(i, "D"), START + np.timedelta64(j, "D")) for i, j in pairs])


COMPLETE = network_of(*combinations(range(8), 2))


def relative(shift: np.ndarray) -> np.ndarray:
    return np.asarray(shift - shift[..., :1])


@given(st.integers(0, 1000), st.sampled_from(["l2", "huber"]))
def test_shifts_without_noise_come_back(seed: int, norm: str) -> None:
    truth = np.random.default_rng(seed).normal(size=(2, 8))
    found = shifts_per_date(truth @ COMPLETE.incidence().T, COMPLETE, norm=norm)  # type: ignore[arg-type]
    assert_allclose(found.shift, relative(truth), atol=1e-12)
    assert_allclose(found.residual, 0.0, atol=1e-12)


def test_equals_plain_least_squares_with_weights() -> None:
    rng = np.random.default_rng(1)
    shift, sigma = rng.normal(size=28), rng.uniform(0.5, 2.0, 28)
    found = shifts_per_date(shift, COMPLETE, sigma, norm="l2", gauge="mean")
    design = COMPLETE.incidence() / sigma[:, None]
    assert_allclose(found.shift[0], np.linalg.lstsq(design, shift / sigma, rcond=1e-10)[0], atol=1e-12)
    assert_allclose(found.shift.mean(), 0.0, atol=1e-14)


def test_a_wrong_pair_does_not_pull_the_dates() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=8)
    shift = COMPLETE.incidence() @ truth + rng.normal(0, 0.01, 28)
    shift[[3, 17]] += [5.0, -3.0]
    found = shifts_per_date(shift, COMPLETE)
    assert_allclose(found.shift[0], relative(truth), atol=0.03)
    assert_allclose(found.residual[0, [3, 17]], [5.0, -3.0], atol=0.05)


def test_sigma_covers_the_errors() -> None:
    rng = np.random.default_rng(3)
    truth = np.zeros(8)
    shift = COMPLETE.incidence() @ truth + rng.normal(0, 0.2, (400, 28))
    for stated in (0.2, None):
        found = shifts_per_date(shift, COMPLETE, stated, norm="l2")
        ratio = found.shift[:, 1:] / found.sigma[:, 1:]
        # with sigma from 21 degrees of freedom a little over 1
        assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1.0 if stated else 1.07, abs=0.12)
        difference, sigma = found.between(2, 5)
        assert np.std(difference / sigma) == pytest.approx(1.0 if stated else 1.07, abs=0.15)


def test_islands_and_missing_pairs() -> None:
    network = network_of((0, 1), (1, 2), (0, 2), (3, 4), (2, 3), (0, 5))
    found = shifts_per_date([[1.0, 2.0, 3.0, 4.0, np.nan, np.nan]], network)
    assert_allclose(found.shift, [[0.0, 1.0, 3.0, 0.0, 4.0, np.nan]], atol=1e-12)
    assert found.island.tolist() == [[0, 0, 0, 1, 1, -1]]
    assert np.isnan(found.residual[0, 4:]).all()
    assert_allclose(found.between(0, 2)[0], [3.0])
    for ref, sec in ((2, 3), (0, 5)):
        assert np.isnan(found.between(ref, sec)[0]).all()


def test_nothing_measured_gives_nothing() -> None:
    found = shifts_per_date(np.full((2, 28), np.nan), COMPLETE)
    assert np.isnan(found.shift).all()
    assert (found.island == -1).all()


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"shift has shape \(1, 3\), the network 28 pairs"):
        shifts_per_date([1.0, 2.0, 3.0], COMPLETE)
    with pytest.raises(InputError, match="sigma has shape"):
        shifts_per_date(np.zeros(28), COMPLETE, np.ones(3))
