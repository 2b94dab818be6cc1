"""A self-contained HTML page of sections: pictures, tables, text, in the look of the report."""

from __future__ import annotations

import base64
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from creepmeter.products.canvas import png_bytes
from creepmeter.products.whole import whole_file

Drawn: TypeAlias = Figure
PAGE_DPI = 160
_LIBRARIES = ("creepmeter", "numpy", "numba", "scipy", "xarray", "h5py", "matplotlib")


@dataclass(frozen=True)
class Picture:
    """A figure of a page.

    Parameters
    ----------
    name : str
        Anchor.
    alt, caption : str
        What it shows, and what a reader must know.
    data : Markup
        PNG as base64.
    """

    name: str
    alt: str
    caption: str
    data: Markup

    @classmethod
    def of(cls, name: str, alt: str, caption: str, figure: Figure) -> Picture:
        """Return a figure as a picture."""
        text = base64.b64encode(png_bytes(figure, dpi=PAGE_DPI)).decode("ascii")
        return cls(name, alt, caption, Markup(text))  # noqa: S704 - base64 holds no markup


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Parameters
    ----------
    rows : sequence of sequences of str
        Cells.
    head : sequence of str
        Headings; without them the first cell of a row is its heading.
    summary : str
        Line to click on where the table is folded away; empty for a table that is shown.
    """

    rows: Sequence[Sequence[str]]
    head: Sequence[str] = ()
    summary: str = ""


@dataclass(frozen=True)
class Section:
    """A section of a page; what is empty is left out.

    Parameters
    ----------
    title : str
        Heading.
    pictures : sequence of Picture
        Side by side.
    tables : sequence of Table
        Below them.
    text : str
        A paragraph.
    code : str
        Text as it stands.
    """

    title: str
    pictures: Sequence[Picture] = field(default=())
    tables: Sequence[Table] = field(default=())
    text: str = ""
    code: str = ""


@dataclass(frozen=True)
class Page:
    """A page.

    Parameters
    ----------
    title, lead : str
        Heading, and a line below it.
    notes : sequence of str
        Warnings, and what was left out.
    sections : sequence of Section
        In order.
    """

    title: str
    lead: str = ""
    notes: Sequence[str] = field(default=())
    sections: Sequence[Section] = field(default=())


def render_page(page: Page) -> str:
    """Return a page as HTML text."""
    environment = Environment(
        loader=PackageLoader("creepmeter.products"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=page, versions=versions())


def write_page(path: str | Path, page: Page) -> Path:
    """Write a page as one HTML file that needs nothing else, whole or not at all.

    Parameters
    ----------
    path : path
        The file to make or replace.
    page : Page
        What stands on it.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    StoreError
        The disk is full or not writable.
    """
    target = Path(path)
    text = render_page(page)
    with whole_file(target) as partial:
        partial.write_text(text, encoding="utf-8")
    return target


def versions(libraries: Sequence[str] = _LIBRARIES) -> list[tuple[str, str]]:
    """Return names and versions of the interpreter and of libraries that are installed."""
    found = [("python", platform.python_version())]
    for name in libraries:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:  # run from a source tree that is not installed
            continue
    return found
