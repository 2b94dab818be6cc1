from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from creepmeter.errors import SchemaError
from creepmeter.model.grid import Grid, pixel_grid
from creepmeter.products import report
from creepmeter.products.report import ReportContext, render_report, write_report

Maker = Callable[..., xr.Dataset]
Bools = npt.NDArray[np.bool_]
TITLE = "Slides <script>alert('x')</script> & more"
SETTINGS = 'images: {files: "scenes/*.tif"}\ntrack: {chip_px: 32}  # a < b </pre><img src=http://example.org/x>\n'


class Page(HTMLParser):
    """Collects the elements, ids, addresses and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        named = {name: value or "" for name, value in attrs}
        self.ids += [named["id"]] if "id" in named else []
        self.addresses += [
            named[name] for name in ("src", "href", "srcset", "action", "data", "poster") if name in named
        ]
        assert not [name for name in named if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "DEFAULT_DPI", 40)


@pytest.fixture
def full(grid: Grid, make_motion: Maker, make_series: Maker, make_stack: Maker, moving: Bools) -> ReportContext:
    stack = make_stack(grid)
    before = make_stack(grid, shift=0.6)
    return ReportContext(
        motion=make_motion(grid),
        series=make_series(grid),
        stack=stack,
        stack_before=before,
        stable=~moving,
        background=np.random.default_rng(0).uniform(size=(80, 96)),
        background_grid=pixel_grid((80, 96), 40.0),
        title=TITLE,
        settings=SETTINGS,
        notes=("20180101 left out: <b>cloud</b>",),
    )


def test_report_has_all_parts_and_needs_nothing_else(tmp_path: Path, full: ReportContext) -> None:
    path = write_report(tmp_path / "out" / "report.html", full)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.ids == ["velocity", "sigma", "series", "stable", "network"]
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "b"} & set(page.tags)
    assert "@import" not in text
    assert "url(" not in text
    for address in page.addresses:
        assert base64.b64decode(address.split(",", 1)[1]).startswith(b"\x89PNG")


def test_report_text_is_inert_and_complete(full: ReportContext) -> None:
    page = Page(render_report(full))
    assert TITLE in page.text
    assert SETTINGS.strip() in page.text
    assert "20180101 left out: <b>cloud</b>" in page.text
    assert re.search(r"Dates\s*6, 2016-08-03 to 2021-08-09", page.text)
    assert "14 of 15, 352 to 1832 days" in page.text
    assert "32 px, one every 8 px" in page.text
    assert "48 x 40 cells of 80 m" in page.text
    assert re.search(r"NMAD of pairs on stable ground, east\s*0\.\d+ m before, 0\.\d+ m after correction", page.text)
    assert re.search(r"Speed of moving ground\s*median [\d.]+, highest [\d.]+ m/yr", page.text)
    assert page.text.count("no: left out") == 1
    assert "creepmeter run creepmeter.yaml" in page.text
    assert re.search(r"python 3\.\d+\.\d+, ", page.text)


def test_shift_of_each_pair_is_what_was_removed(full: ReportContext) -> None:
    assert full.stack is not None
    stack = full.stack.assign(shift=(("component", "pair"), np.full((2, 15), 0.125)))
    assert "+0.125, +0.125" in render_report(ReportContext(full.motion, stack=stack))
    assert full.stack_before is not None
    difference = (full.stack_before["displacement"] - full.stack["displacement"]).isel(pair=0).median(("y", "x")).values
    rows = re.findall(r'class="number">([+-][\d.]+, [+-][\d.]+)<', render_report(full))
    assert len(rows) == 15
    assert_allclose([float(part) for part in rows[0].split(", ")], difference, atol=0.05)  # of medians, not one cell


def test_motion_alone_makes_a_report(grid: Grid, make_motion: Maker) -> None:
    page = Page(render_report(ReportContext(make_motion(grid))))
    assert page.ids == ["velocity", "sigma"]
    assert "No displacement series is shown" in page.text
    assert "No stable ground was given or measured" in page.text
    assert "Notes" not in page.text


def test_nothing_measured_makes_a_report(full: ReportContext) -> None:
    motion = full.motion.copy(deep=True)
    motion["value"][:] = np.nan
    motion["sigma"][:] = np.nan
    assert full.stack is not None
    stack = full.stack.copy(deep=True)
    stack["displacement"][:] = np.nan
    stack["used"][:] = False
    page = Page(render_report(ReportContext(motion, full.series, stack, stable=full.stable)))
    assert "No cell of the map has a velocity" in page.text
    assert page.text.count("no: nothing measured") == 15
    assert page.ids == ["velocity", "sigma", "network"]
    assert "nan" not in page.text


def test_one_pair_of_one_component_makes_a_report(
    grid: Grid, make_motion: Maker, make_series: Maker, make_stack: Maker
) -> None:
    motion = make_motion(grid, component=("los",))
    series = make_series(grid).isel(time=[0, 1], component=[0]).assign_coords(component=["los"])
    stack = make_stack(grid).isel(pair=[0], component=[0]).assign_coords(component=["los"])
    page = Page(render_report(ReportContext(motion, series, stack)))
    assert page.ids == ["velocity", "sigma", "series", "network"]
    assert "1 of 1, 373 to 373 days" in page.text


def test_a_mask_of_another_shape_is_refused(grid: Grid, make_motion: Maker) -> None:
    with pytest.raises(SchemaError, match=r"mask of stable ground has shape \(3, 3\), the maps have \(40, 48\)"):
        render_report(ReportContext(make_motion(grid), stable=np.ones((3, 3), bool)))
