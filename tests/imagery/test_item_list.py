from __future__ import annotations

import json
from pathlib import Path

import pytest

from creepmeter.errors import InputError
from creepmeter.imagery.area import read_area
from creepmeter.imagery.item_list import read_items, write_items

ITEM = {"type": "Feature", "id": "a", "assets": {"nir": {"href": "https://example.com/B08.tif"}}}


@pytest.mark.parametrize("box", ["14.9,45.9,15.1,46.1", "179.9,-17,-179.9,-16.8"])
def test_a_list_is_read_as_it_was_written_with_its_area(tmp_path: Path, box: str) -> None:
    area = read_area(box)
    write_items(tmp_path / "items.json", [ITEM], area)
    found = read_items(tmp_path / "items.json")
    assert found.items == (ITEM,)
    assert found.area is not None
    assert found.area.name == area.name
    assert found.area.shape.symmetric_difference(area.shape).area == pytest.approx(0, abs=1e-12)


def test_lists_of_other_programs_are_read(tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    for content in (ITEM, [ITEM], {"type": "FeatureCollection", "features": [ITEM]}):
        file.write_text(json.dumps(content), encoding="utf-8")
        assert read_items(file).items == (ITEM,)
        assert read_items(file).area is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "0 entries that are no STAC items, and 0 that are"),
        ('{"type": "FeatureCollection", "features": [{"id": 1}, 7]}', "2 entries that are no STAC items"),
        ('"text"', "1 entries that are no STAC items"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "items.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=what):
        read_items(tmp_path / "items.json")


def test_a_damaged_area_is_refused(tmp_path: Path) -> None:
    content = {"type": "FeatureCollection", "features": [ITEM], "creepmeter:area": {"geometry": {"type": "Blob"}}}
    (tmp_path / "items.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="the area in it cannot be read"):
        read_items(tmp_path / "items.json")
