from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from creepmeter.errors import DisconnectedNetworkError, NetworkError
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.model.schema import make_pair_stack

START = np.datetime64("2020-01-01", "ns")


def date(index: int) -> np.datetime64:
    return START + np.timedelta64(index, "D")


def network_of(*pairs: tuple[int, int]) -> Network:
    return Network.from_pairs([(date(i), date(j)) for i, j in pairs])


networks = st.sets(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda ends: ends[0] < ends[1]), min_size=1, max_size=30
).flatmap(lambda pairs: st.permutations(sorted(pairs)).map(lambda order: network_of(*order)))


@given(networks)
def test_loops_annihilate_the_incidence(network: Network) -> None:
    loops = network.loops()
    signs = np.zeros((len(loops), len(network.pairs)))
    for column, sign in enumerate((1, 1, -1)):
        signs[np.arange(len(loops)), loops[:, column]] = sign
    assert_array_equal(signs @ network.incidence(), 0.0)


@given(networks)
def test_incidence_turns_dates_into_differences(network: Network) -> None:
    days = (network.epochs - START) / np.timedelta64(1, "D")
    assert_array_equal(network.incidence() @ days, [pair.days for pair in network.pairs])
    assert_array_equal(network.incidence().sum(axis=1), 0.0)


@given(networks)
def test_islands_part_the_epochs_and_count_the_rank(network: Network) -> None:
    islands = network.islands()
    assert_array_equal(np.sort(np.concatenate(islands)), np.arange(len(network.epochs)))
    assert np.linalg.matrix_rank(network.incidence()) == len(network.epochs) - len(islands)
    assert network.is_connected() == (len(islands) == 1)


@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_a_complete_network_has_every_pair_and_every_triangle(size: int) -> None:
    network = network_of(*combinations(range(size), 2))
    assert len(network.pairs) == comb(size, 2)
    assert len(network.loops()) == comb(size, 3)
    assert network.loops().shape[1] == 3
    network.require_connected()


def test_the_order_of_pairs_is_kept() -> None:
    network = network_of((1, 2), (0, 1), (0, 2))
    assert [str(pair) for pair in network.pairs] == ["20200102_20200103", "20200101_20200102", "20200101_20200103"]
    assert_array_equal(network.ref_index, [1, 0, 0])
    assert_array_equal(network.sec_index, [2, 1, 2])
    assert_array_equal(network.loops(), [[1, 0, 2]])


def test_a_broken_network_is_named() -> None:
    network = network_of((0, 1), (2, 3), (3, 4))
    with pytest.raises(
        DisconnectedNetworkError, match=r"2 islands \(2 \+ 3 epochs, starting 2020-01-01, 2020-01-03\)"
    ) as caught:
        network.require_connected()
    assert caught.value.islands == (("2020-01-01", "2020-01-02"), ("2020-01-03", "2020-01-04", "2020-01-05"))


def test_an_isolated_epoch_is_an_island() -> None:
    network = Network((Pair(date(0), date(1)),), extra_epochs=(date(5), date(0)))
    assert len(network.epochs) == 3
    assert [island.tolist() for island in network.islands()] == [[0, 1], [2]]
    assert not network.is_connected()


def test_no_pair_and_a_pair_twice_are_refused() -> None:
    with pytest.raises(NetworkError, match="no pair"):
        Network(())
    with pytest.raises(NetworkError, match="20200101_20200102 is in the network twice"):
        network_of((0, 1), (0, 1))


@pytest.mark.parametrize("ends", [("20200102", "20200101"), ("20200101", "20200101")])
def test_a_pair_runs_forward(ends: tuple[str, str]) -> None:
    with pytest.raises(NetworkError, match="forward in time"):
        Pair.of(*ends)


def test_a_pair_with_a_missing_date_is_refused() -> None:
    with pytest.raises(NetworkError, match="forward in time"):
        Pair(date(0), np.datetime64("NaT", "ns"))


def test_the_network_of_a_stack_has_its_used_pairs() -> None:
    pairs = [(date(0), date(1)), (date(1), date(2)), (date(0), date(2))]
    stack = make_pair_stack(np.zeros((3, 1, 1)), pairs, used=[True, False, True])
    assert [str(pair) for pair in Network.of(stack).pairs] == ["20200101_20200102", "20200101_20200103"]
    assert len(Network.of(stack, only_used=False).pairs) == 3
