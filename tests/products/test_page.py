"""A page of sections: what is on it, and that nothing in it can break out."""

from __future__ import annotations

import re
from pathlib import Path

from creepmeter.products.canvas import new_figure
from creepmeter.products.page import Page, Picture, Section, Table, render_page, versions, write_page


def _figure() -> Picture:
    figure = new_figure(2.0, 1.5)
    figure.add_subplot().plot([0, 1], [0, 1])
    return Picture.of("velocity", "A line", "A line from 0 to 1.", figure)


def test_sections_stand_in_order_with_what_they_hold() -> None:
    page = Page(
        "Slide",
        "A lead.",
        ["Left out: geocode"],
        [
            Section("Maps", [_figure()]),
            Section("Numbers", tables=[Table([("Dates", "12")]), Table([("a", "b")], ("One", "Two"), "2 cells")]),
            Section("Settings", text="As given:", code="key = value"),
        ],
    )
    text = render_page(page)
    assert re.findall(r"<h2>(.*?)</h2>", text) == ["Maps", "Numbers", "Settings"]
    assert 'id="velocity"' in text
    assert 'alt="A line"' in text
    assert '<th scope="row">Dates</th><td>12</td>' in text
    assert "<summary>2 cells</summary>" in text
    assert '<th scope="col">One</th>' in text
    assert "<li>Left out: geocode</li>" in text
    assert "<pre>key = value</pre>" in text
    assert "http" not in text.replace("http-equiv", "")  # needs nothing else


def test_texts_are_escaped() -> None:
    text = render_page(Page("<script>", "<b>", ["<i>"], [Section("<u>", code="</pre><script>")]))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_an_empty_page_is_a_page() -> None:
    text = render_page(Page("Nothing"))
    assert "<h1>Nothing</h1>" in text
    assert "Notes" not in text


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    path = write_page(tmp_path / "new" / "report.html", Page("Slide"))
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [found.name for found in path.parent.iterdir()] == ["report.html"]


def test_versions_name_what_is_installed_only() -> None:
    assert [name for name, _ in versions(("numpy", "no-such-library"))] == ["python", "numpy"]
