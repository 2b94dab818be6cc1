from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_array_equal

from creepmeter.errors import GridError
from creepmeter.stack.regions import find_regions

pytestmark = pytest.mark.kernel


def two(width: int) -> npt.NDArray[np.int16]:
    components = np.zeros((20, 40), np.int16)
    components[:, :20] = 1
    components[5:15, 25 : 25 + width] = 1
    return components


def test_small_and_thin_regions_are_left_out() -> None:
    assert find_regions(two(6), min_area=30).count == 2
    assert find_regions(two(4), min_area=30).count == 1  # a window of 5 x 5 does not fit
    assert find_regions(two(6), min_area=60).count == 2  # 0.3 % of the map are 2.4 pixels
    wide = np.pad(two(6), ((0, 80), (0, 200)))  # 0.3 % are 72 pixels, the second region has 60
    assert find_regions(wide, min_area=60).count == 1
    assert find_regions(wide, min_area=59).count == 2


def test_a_single_region_may_be_small_and_thin() -> None:
    components = np.zeros((20, 40), np.int16)
    components[3, 3:6] = 4
    regions = find_regions(components)
    assert regions.count == 1
    assert regions.boundary is None
    assert_array_equal(regions.labels, components // 4)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32, np.float64])
def test_any_type_of_component_gives_the_same(kind: type[np.generic]) -> None:
    components = two(6)
    expected = find_regions(components, min_area=1)
    given = components.astype(kind)
    if given.dtype.kind == "f":
        given[given == 0] = np.nan
    found = find_regions(given[::1], min_area=1)
    assert_array_equal(found.labels, expected.labels)
    assert found.boundary is not None
    assert expected.boundary is not None
    assert_array_equal(found.boundary, expected.boundary)


def test_a_map_without_components_has_no_region() -> None:
    regions = find_regions(np.zeros((4, 5), np.int16))
    assert regions.count == 0
    assert not regions.labels.any()


def test_a_mask_of_another_grid_is_refused() -> None:
    with pytest.raises(GridError, match="water mask has shape"):
        find_regions(two(6), np.ones((3, 3), bool))
