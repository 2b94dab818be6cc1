"""Options of figures."""

from __future__ import annotations

import math

from pydantic import Field

from creepmeter.model.options import Options


class MapStyle(Options):
    """How a map is drawn. What is left out is chosen from the data."""

    title: str | None = Field(None, description="Title above the map; chosen from the data by default")
    label: str | None = Field(None, description="Name of the quantity on the colour bar")
    unit: str = Field("m", description="Unit of the quantity on the colour bar")
    signed: bool = Field(default=False, description="Colours that part at zero, with limits symmetric about zero")
    cmap: str | None = Field(
        None, description="Colour map: a name of cmcrameri or matplotlib; default batlow, or vik for signed quantities"
    )
    vmin: float | None = Field(None, description="Lower end of the colours, unit of the data; default: 2nd percentile")
    vmax: float | None = Field(None, description="Upper end of the colours, unit of the data; default: 98th percentile")
    alpha: float = Field(0.75, gt=0, le=1, description="Opacity of the colours over a background image, 0 to 1")
    width_in: float = Field(3.54, ge=1.5, le=20, description="Width of the figure, inches (3.54 = one journal column)")


class ViewOptions(Options):
    """What to show of a product, and how."""

    component: str | None = Field(
        None, description="east, north, up or los; default: both horizontal components together, or the only one"
    )
    term: str | None = Field(None, description="Term of a motion model; default: rate")
    index: tuple[str, ...] = Field(
        (), description="Dates (20200131), pairs (20200101_20200131), terms or numbers from 0 to show; default: all"
    )
    max_panels: int = Field(20, ge=1, le=100, description="Most maps in one figure; more are thinned out evenly")
    arrows: bool = Field(default=True, description="Draw arrows on a velocity map")
    title: str | None = Field(None, description="Title; chosen from the data by default")
    cmap: str | None = Field(None, description="Colour map: a name of cmcrameri or matplotlib")
    vmin: float | None = Field(None, description="Lower end of the colours, unit of the data")
    vmax: float | None = Field(None, description="Upper end of the colours, unit of the data")
    alpha: float = Field(0.75, gt=0, le=1, description="Opacity of the colours over a background image, 0 to 1")
    width_in: float | None = Field(
        None,
        ge=1.5,
        le=20,
        description="Width of the figure, inches; default 3.54 (one journal column), 7.2 for panels",
    )
    dpi: int = Field(300, ge=30, le=1200, description="Resolution of the file, dots per inch")
    unit: str | None = Field(
        None, description="Unit to draw in, such as cm, mm, cm/year or radian; default: the file's"
    )
    wrap: bool = Field(default=False, description="Draw values wrapped into wrap_range, as fringes")
    wrap_range: tuple[float, float] = Field(
        (-math.pi, math.pi), description="Where wrapped values lie, in the unit drawn"
    )
    sub_y: tuple[int, int] | None = Field(None, description="First row, and the row after the last, to draw")
    sub_x: tuple[int, int] | None = Field(None, description="First column, and the column after the last, to draw")
    sub_lat: tuple[float, float] | None = Field(None, description="Range of y coordinates (latitude) to draw")
    sub_lon: tuple[float, float] | None = Field(None, description="Range of x coordinates (longitude) to draw")
    ref_yx: tuple[int, int] | None = Field(None, description="Row and column whose value is subtracted from each map")
    ref_date: str | None = Field(None, description="Date whose map is subtracted from each date, YYYYMMDD")
    mark_reference: bool = Field(
        default=True, description="Draw a square around the reference pixel of files in MintPy's layout"
    )
