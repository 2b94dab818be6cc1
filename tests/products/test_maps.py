from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from affine import Affine
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.offsetbox import AnchoredOffsetbox
from matplotlib.quiver import Quiver
from odc.geo.geobox import GeoBox
from shapely.geometry import MultiPolygon, box

from creepmeter.errors import ConfigError, GridError, SchemaError
from creepmeter.model.grid import Grid, pixel_grid
from creepmeter.products.arrows import thin_arrows
from creepmeter.products.canvas import colour_limits, colour_map, png_bytes, save_figure
from creepmeter.products.frame import Backdrop, Frame, grey_image, mask_outlines
from creepmeter.products.furniture import quiet_corner, round_below
from creepmeter.products.maps import map_figure, panel_figure, sigma_figure, velocity_figure
from creepmeter.products.options import MapStyle

SHAPE = (40, 48)  # of the fixtures
Maker = Callable[..., xr.Dataset]
Bools = npt.NDArray[np.bool_]


def texts_of(box: AnchoredOffsetbox) -> set[str]:
    return {child.get_text() for child in box.findobj() if hasattr(child, "get_text") and child.get_text()}


def furniture_of(figure: Figure) -> set[str]:
    boxes = figure.axes[0].findobj(AnchoredOffsetbox)
    return set().union(*(texts_of(one) for one in boxes)) if boxes else set()


def test_png_has_the_size_asked_for_and_is_the_same_twice(grid: Grid) -> None:
    values = np.arange(SHAPE[0] * SHAPE[1], dtype=float).reshape(SHAPE)
    figures = [map_figure(values, grid, style=MapStyle(width_in=3.0)) for _ in range(2)]
    pixels = imread(BytesIO(png_bytes(figures[0], dpi=100)))
    assert pixels.shape[1] == 300
    assert pixels.shape[0] == int(figures[0].get_size_inches()[1] * 100)
    assert pixels.std() > 0.1
    assert png_bytes(figures[0], dpi=60) == png_bytes(figures[1], dpi=60)


def test_colours_run_from_the_2nd_to_the_98th_percentile_and_missing_is_clear(grid: Grid) -> None:
    values = np.random.default_rng(0).normal(5, 1, SHAPE)
    values[0, 0] = 1e6
    values[3, 4] = np.nan
    figure = map_figure(values, grid, style=MapStyle(label="Depth", unit="m"))
    image = figure.axes[0].images[0]
    assert image.get_clim() == pytest.approx(np.nanpercentile(values, [2, 98]))
    missing = np.ma.getmaskarray(np.ma.asarray(image.get_array()))
    assert missing[3, 4]
    assert missing.sum() == 1
    assert image.cmap(np.ma.masked_invalid([np.nan]))[0, 3] == 0  # transparent
    assert figure.axes[1].get_ylabel() == "Depth (m)"


def test_signed_colours_part_at_zero(grid: Grid) -> None:
    values = np.random.default_rng(0).normal(1, 1, SHAPE)
    image = map_figure(values, grid, style=MapStyle(signed=True)).axes[0].images[0]
    low, high = image.get_clim()
    assert low == -high
    assert image.cmap.name == colour_map("vik").name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"vmin": 1.0, "vmax": 2.0}, (1.0, 2.0)),
        ({"vmax": 3.0, "signed": True}, (-3.0, 3.0)),
        ({"vmin": -4.0, "signed": True}, (-4.0, 4.0)),
    ],
)
def test_limits_of_the_user_win(given: dict[str, Any], expected: tuple[float, float]) -> None:
    assert colour_limits(np.linspace(-1, 1, 11), **given) == expected


@pytest.mark.parametrize("values", [np.full(5, np.nan), np.zeros(5), np.full(5, 7.0), np.empty(0)])
def test_limits_stay_apart_without_spread(values: npt.NDArray[np.float64]) -> None:
    low, high = colour_limits(values)
    assert low < high
    low, high = colour_limits(values, signed=True)
    assert low < high


def test_wrong_colours_are_named() -> None:
    with pytest.raises(ConfigError, match="vmin 2 is not below vmax 1"):
        colour_limits(np.zeros(3), vmin=2, vmax=1)
    with pytest.raises(ConfigError, match="unknown colour map 'rainbowish'"):
        colour_map("rainbowish")


def test_velocity_has_arrows_on_moving_ground_only(grid: Grid, make_motion: Maker, moving: Bools) -> None:
    figure = velocity_figure(make_motion(grid))
    (quiver,) = [artist for artist in figure.axes[0].collections if isinstance(artist, Quiver)]
    x, y, east, north = (np.asarray(values, dtype=np.float64) for values in (quiver.X, quiver.Y, quiver.U, quiver.V))
    rows, columns = (-y / 80 - 0.5).round().astype(int), (x / 80 - 0.5).round().astype(int)
    assert 20 < quiver.N < 250
    assert moving[rows, columns].mean() > 0.95
    west = columns < SHAPE[1] // 2
    assert np.all(east[west] > 0)  # the west slide goes south-east, and north is up
    assert np.all(north[west] < 0)
    assert {"500 m", "2 m/yr", "N"} <= furniture_of(figure)


def test_arrows_do_not_run_into_each_other(grid: Grid, make_motion: Maker) -> None:
    figure = velocity_figure(make_motion(grid))
    (quiver,) = [artist for artist in figure.axes[0].collections if isinstance(artist, Quiver)]
    assert quiver.scale is not None
    length = np.hypot(np.asarray(quiver.U), np.asarray(quiver.V)) / quiver.scale
    spacing = np.diff(np.unique(np.asarray(quiver.X))).min()
    assert 0.9 * spacing < np.percentile(length, 95) < np.sqrt(2) * spacing  # of the next one, along a diagonal


def test_velocity_colours_start_at_zero_and_follow_moving_ground(grid: Grid, make_motion: Maker) -> None:
    figure = velocity_figure(make_motion(grid))
    low, high = figure.axes[0].images[0].get_clim()
    assert low == 0
    assert 2.3 < high < 3.3
    assert figure.axes[1].get_ylabel() == "Speed (m/yr)"


def test_arrows_can_be_left_out_and_limits_be_given(grid: Grid, make_motion: Maker) -> None:
    figure = velocity_figure(make_motion(grid), arrows=False, style=MapStyle(vmax=1.5, title="Slides"))
    assert not [artist for artist in figure.axes[0].collections if isinstance(artist, Quiver)]
    assert figure.axes[0].images[0].get_clim() == (0, 1.5)
    assert figure.axes[0].get_title() == "Slides"


def test_one_component_is_drawn_signed(grid: Grid, make_motion: Maker) -> None:
    figure = velocity_figure(make_motion(grid, component=("los",)))
    assert figure.axes[1].get_ylabel() == "Rate, los (m/yr)"
    assert sum(figure.axes[0].images[0].get_clim()) == 0


def test_a_map_without_any_measurement_is_drawn(grid: Grid, make_motion: Maker) -> None:
    motion = make_motion(grid)
    motion["value"][:] = np.nan
    motion["sigma"][:] = np.nan
    for figure in (velocity_figure(motion), sigma_figure(motion)):
        assert np.ma.getmaskarray(np.ma.asarray(figure.axes[0].images[0].get_array())).all()
        assert len(png_bytes(figure, dpi=50)) > 1000


def test_sigma_is_asked_for_where_there_is_none(grid: Grid, make_motion: Maker) -> None:
    with pytest.raises(SchemaError, match="has no sigma"):
        sigma_figure(make_motion(grid).drop_vars("sigma"))
    assert velocity_figure(make_motion(grid).drop_vars("sigma")).axes


def test_axes_are_in_map_units_with_a_reference_system(utm: Grid) -> None:
    figure = map_figure(np.ones(SHAPE), utm)
    axes = figure.axes[0]
    assert axes.get_xlabel() == "Easting (km)"
    assert axes.get_xlim() == pytest.approx((612.0, 612.0 + 0.08 * SHAPE[1]))
    assert axes.get_ylim()[1] == pytest.approx(4507.0)
    assert "N" not in furniture_of(figure)


def test_degrees_have_no_scale_bar_and_keep_the_shape_of_the_ground() -> None:
    grid = GeoBox((10, 10), Affine(0.01, 0, 10.0, 0, -0.01, 60.05), "EPSG:4326")
    figure = map_figure(np.ones((10, 10)), grid)
    assert figure.axes[0].get_aspect() == pytest.approx(2.0, rel=0.01)
    assert furniture_of(figure) == set()


def test_rotated_grid_is_refused() -> None:
    grid = GeoBox((10, 10), Affine.rotation(10), "EPSG:32611")
    with pytest.raises(GridError, match="rotated"):
        Frame.of(grid)


def test_background_lies_behind_and_shows_through_still_ground(grid: Grid, make_motion: Maker, moving: Bools) -> None:
    behind = pixel_grid((400, 480), 8.0)
    image = np.random.default_rng(0).uniform(0, 255, (400, 480))
    outlines = mask_outlines(moving, grid)
    figure = velocity_figure(make_motion(grid), backdrop=Backdrop(image, behind, outlines))
    grey, colours = figure.axes[0].images
    assert grey.get_extent() == colours.get_extent()
    alpha = np.asarray(colours.get_alpha(), dtype=np.float64)
    assert alpha[moving].mean() > 2 * alpha[~moving].mean()
    assert len(figure.axes[0].lines) == len(outlines) == 2


def test_background_needs_its_own_grid(grid: Grid) -> None:
    with pytest.raises(GridError, match=r"background of shape \(3, 3\) needs its own grid"):
        grey_image(Backdrop(np.zeros((3, 3)), grid))
    with pytest.raises(GridError, match="found none"):
        grey_image(Backdrop(np.zeros((3, 3))))


def test_missing_heights_do_not_change_the_shade_of_the_others() -> None:
    y, x = np.meshgrid(np.arange(80), np.arange(80), indexing="ij")
    height = 8.0 * x + 20 * np.sin(2 * np.pi * x / 20) + 20 * np.cos(2 * np.pi * y / 20)
    grid = pixel_grid((80, 80), 10.0)
    whole = grey_image(Backdrop(height, grid, kind="height"))
    holed = height.copy()
    holed[:, :40] = np.nan
    part = grey_image(Backdrop(holed, grid, kind="height"))
    assert whole is not None
    assert part is not None
    assert np.isnan(part[:, :40]).all()
    np.testing.assert_allclose(part[:, 41:], whole[:, 41:], atol=1e-12)
    assert np.ptp(part[:, 41:]) > 0.5


def test_radar_coordinates_have_rows_and_columns_but_no_north_and_no_scale() -> None:
    figure = map_figure(np.arange(1200.0).reshape(30, 40), pixel_grid((30, 40)))
    figure.canvas.draw()
    axes = figure.axes[0]
    assert furniture_of(figure) == set()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Column", "Row")
    rows = [(label.get_position()[1], label.get_text()) for label in axes.get_yticklabels()]
    assert all(int(text) == -round(place) for place, text in rows)  # rows count down from the top
    assert "N" in furniture_of(map_figure(np.zeros((30, 40)), pixel_grid((30, 40), 10.0)))


def test_relief_is_lit_from_the_north_west() -> None:
    y, x = np.mgrid[:40, :40]
    ridge = -np.abs(x + y - 39.0) * 10  # north-west slope above the ridge, south-east slope below
    shade = grey_image(Backdrop(ridge, pixel_grid((40, 40), 10.0), kind="height"))
    assert shade is not None
    assert shade[10, 10] > shade[30, 30] + 0.3


def test_outline_of_a_mask_follows_the_edges_of_its_cells() -> None:
    mask = np.zeros((5, 6), bool)
    mask[1:4, 2:5] = True
    (line,) = mask_outlines(mask, pixel_grid((5, 6), 10.0))
    assert line.min(axis=0) == pytest.approx([20, -40])
    assert line.max(axis=0) == pytest.approx([50, -10])


def test_polygons_are_outlined(grid: Grid) -> None:
    shapes = [MultiPolygon([box(0, -500, 500, 0), box(900, -900, 1000, -800)]), box(0, 0, 1, 1).exterior]
    figure = map_figure(np.ones(SHAPE), grid, backdrop=Backdrop(outlines=shapes))
    assert len(figure.axes[0].lines) == 3


def test_panels_share_colours_and_hide_spares(grid: Grid) -> None:
    arrays = [np.full(SHAPE, float(k)) for k in range(5)]
    figure = panel_figure(arrays, [f"map {k}" for k in range(5)], grid, style=MapStyle(title="Five", width_in=7.0))
    shown = [axes for axes in figure.axes if axes.images and axes.get_visible()]
    assert [axes.get_title() for axes in shown] == [f"map {k}" for k in range(5)]
    assert len({axes.images[0].get_clim() for axes in shown}) == 1
    with pytest.raises(SchemaError, match="no map to draw"):
        panel_figure([], [], grid)


def test_arrows_are_thinned_and_chance_carries_none() -> None:
    assert len(thin_arrows(np.ones((220, 100), bool))[0]) == 22 * 10
    assert len(thin_arrows(np.ones((7, 5), bool))[0]) == 35
    chance = np.random.default_rng(0).uniform(size=(220, 220)) < 0.135
    assert len(thin_arrows(chance)[0]) == 0


def test_scale_bar_is_round_and_stands_where_nothing_is() -> None:
    assert [round_below(value) for value in (730.0, 2.0, 0.049, 1e5)] == [500.0, 2.0, 0.02, 1e5]
    busy = np.ones((20, 20), bool)
    busy[-5:, -8:] = False
    assert quiet_corner(busy) == "lower right"


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_figure_is_saved_whole(tmp_path: Path, grid: Grid, ending: str) -> None:
    path = save_figure(map_figure(np.ones(SHAPE), grid), tmp_path / f"new/map{ending}", dpi=60)
    assert path.stat().st_size > 1000
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_figure_of_another_format_is_refused(tmp_path: Path, grid: Grid) -> None:
    with pytest.raises(ConfigError, match=r"saved as \.png, \.pdf, \.svg, not '\.bmp'"):
        save_figure(map_figure(np.ones(SHAPE), grid), tmp_path / "map.bmp")
