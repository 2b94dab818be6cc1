"""Items come from others: whatever stands in them, a scene is read or refused by name, and nothing falls over."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creepmeter.errors import InputError
from creepmeter.imagery.access import AccessPolicy
from creepmeter.imagery.area import read_area
from creepmeter.imagery.options import SceneFetchOptions
from creepmeter.imagery.remote import Access
from creepmeter.imagery.scenes_fetch import fetch_scenes

GOOD: dict[str, Any] = {
    "type": "Feature",
    "id": "S2A_33TVM_20161120_0_L2A",
    "collection": "sentinel-2-l2a",
    "geometry": {"type": "Polygon", "coordinates": [[[15, 46], [15.1, 46], [15.1, 46.1], [15, 46]]]},
    "bbox": [15, 46, 15.1, 46.1],
    "properties": {
        "datetime": "2016-11-20T10:14:31Z",
        "s2:processing_baseline": "05.00",
        "s2:product_uri": "S2A_MSIL2A_20161120T101431_N0500_R022_T33TVM_20230801T000000.SAFE",
        "earthsearch:boa_offset_applied": True,
        "proj:epsg": 32633,
        "platform": "sentinel-2a",
        "eo:cloud_cover": 3,
    },
    "links": [{"rel": "self", "href": "items/i.json"}],
    "assets": {
        "nir": {
            "href": "B08.tif",
            "raster:bands": [{"scale": 0.0001, "offset": -0.1}],
            "proj:transform": [10, 0, 500_000, 0, -10, 5_100_000],
        },
        "scl": {"href": "SCL.tif"},
    },
}
JUNK: tuple[Any, ...] = (
    *(None, True, [], {}, "", 0, -1, math.inf, math.nan, -1e308, 10**400),
    *("x" * 2000, "\ud800", "\0", "../..", "file:///etc/passwd", "http://[::1", "C:\\B08.tif", "2016-13-45"),
    *([None], {"a": 1}, [[1]], [{}], [1, 2], {"href": None}),
)


def spots(part: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """Yield the way to everything in an item."""
    keys = list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
    for key in keys:
        yield (*above, key)
        yield from spots(part[key], (*above, key))


SPOTS = tuple(spots(GOOD))


def changed(changes: list[tuple[int, int]]) -> dict[str, Any]:
    """Return an item with junk in some places."""
    item = copy.deepcopy(GOOD)
    for spot, junk in changes:
        part: Any = item
        try:
            for key in SPOTS[spot][:-1]:
                part = part[key]
            part[SPOTS[spot][-1]] = copy.deepcopy(JUNK[junk])
        except (KeyError, IndexError, TypeError):
            continue  # what lay above has gone
    return item


@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(SPOTS) - 1), st.integers(0, len(JUNK) - 1)), max_size=3),
    sensor=st.sampled_from(["sentinel-2-l2a", "landsat-c2-l1"]),
)
def test_whatever_stands_in_an_item_it_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], sensor: str
) -> None:
    item = changed(changes)
    if item.get("collection") == "sentinel-2-l2a":
        item["collection"] = sensor
    folder = tmp_path_factory.mktemp("hostile")
    options, area = SceneFetchOptions(tries=1, wait_s=0, timeout_s=0.1), read_area("15,46,15.1,46.1")
    with (
        Access(AccessPolicy(folders=(folder,)), options) as access,
        pytest.raises(InputError, match=r"^no scene of the list can be used: .{20}") as caught,
    ):
        fetch_scenes([item], area, folder / "out", access, options=options, base=folder / "list.json")
    assert str(caught.value).encode()
    assert not list(Path(folder).glob("out/*.tif"))
