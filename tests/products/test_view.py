from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from numpy.testing import assert_allclose

from creepmeter.errors import ConfigError, SchemaError, StoreError
from creepmeter.io import store
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import Grid, grid_coords
from creepmeter.model.schema import make_image_cube
from creepmeter.products.frame import Frame
from creepmeter.products.options import ViewOptions
from creepmeter.products.view import dimension_labels, view

Maker = Callable[..., xr.Dataset]
HALF_FLOAT32 = 1e-6


def maps_of(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images and axes.get_visible()]


def colours_of(axes: Axes) -> npt.NDArray[np.float64]:
    return np.asarray(np.ma.asarray(axes.images[0].get_array()).filled(np.nan), dtype=np.float64)


def titles_of(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in maps_of(figure)]


def test_motion_model_is_shown_as_velocity(grid: Grid, make_motion: Maker) -> None:
    figure = view(make_motion(grid))
    assert any(isinstance(artist, Quiver) for artist in figure.axes[0].collections)
    plain = view(make_motion(grid), options=ViewOptions(arrows=False))
    assert not any(isinstance(artist, Quiver) for artist in plain.axes[0].collections)


def test_store_is_shown_by_its_name(tmp_path: Path, grid: Grid, make_motion: Maker) -> None:
    store.write(make_motion(grid), tmp_path / "velocity.zarr")
    figure = view(tmp_path / "velocity.zarr", "residual_rms")
    assert titles_of(figure) == ["east", "north"]
    with pytest.raises(StoreError, match="does not exist"):
        view(tmp_path / "other.zarr")


def test_component_and_term_are_chosen(grid: Grid, make_motion: Maker) -> None:
    motion = make_motion(grid)
    figure = view(motion, options=ViewOptions(component="north"))
    (axes,) = maps_of(figure)
    assert_allclose(colours_of(axes), motion["value"].sel(term="rate", component="north"))
    assert sum(axes.images[0].get_clim()) == 0  # two-sided
    assert figure.axes[1].get_ylabel() == "Value (m/yr)"
    offset = view(motion, "sigma", options=ViewOptions(component="east", term="offset"))
    assert offset.axes[1].get_ylabel() == "Sigma (m)"


def test_stack_is_shown_as_panels_of_its_pairs(grid: Grid, make_stack: Maker) -> None:
    stack = make_stack(grid)
    figure = view(stack)
    assert titles_of(figure) == dimension_labels(stack, "pair")
    length = np.hypot(*stack["displacement"].isel(pair=0).values.astype(float))
    assert_allclose(colours_of(maps_of(figure)[0]), length, rtol=HALF_FLOAT32)


def test_panels_are_thinned_evenly(grid: Grid, make_stack: Maker) -> None:
    stack = make_stack(grid)
    shown = titles_of(view(stack, options=ViewOptions(max_panels=3)))
    assert shown == [dimension_labels(stack, "pair")[k] for k in (0, 7, 14)]


@pytest.mark.parametrize("wanted", ["20190807", "2019-08-07", "3", "-3"])
def test_one_date_is_chosen_by_name_or_number(grid: Grid, make_series: Maker, wanted: str) -> None:
    figure = view(make_series(grid), options=ViewOptions(index=(wanted,), component="east", dpi=100))
    assert titles_of(figure) == ["20190807 east"]


def test_several_dates_are_chosen(grid: Grid, make_series: Maker) -> None:
    options = ViewOptions(index=("20170811", "20210809"), vmin=-5, vmax=5, cmap="roma", title="Two dates")
    figure = view(make_series(grid), "sigma", options=options.model_copy(update={"component": "north"}))
    assert titles_of(figure) == ["20170811 north", "20210809 north"]
    assert maps_of(figure)[0].images[0].get_clim() == (-5, 5)
    assert figure.get_suptitle() == "Two dates"


def test_images_are_grey(grid: Grid) -> None:
    cube = make_image_cube(np.random.default_rng(0).uniform(size=(2, *grid.shape)), ["20200101", "20200201"], grid)
    assert maps_of(view(cube))[0].images[0].cmap.name == "gray"


def test_bands_of_a_geotiff_are_shown(tmp_path: Path, utm: Grid) -> None:
    bands = np.arange(2 * 40 * 48, dtype=np.float32).reshape(2, 40, 48)
    write_geotiff(tmp_path / "map.tif", bands, utm, names=["first", "second"])
    assert titles_of(view(tmp_path / "map.tif")) == ["first", "second"]
    (axes,) = maps_of(view(tmp_path / "map.tif", "second"))
    assert axes.get_xlabel() == "Easting (km)"
    assert_allclose(colours_of(axes), bands[1])


def test_what_is_not_there_is_named(grid: Grid, make_motion: Maker, make_series: Maker) -> None:
    with pytest.raises(SchemaError, match="no map 'speed' in this product: choose one of value, sigma, residual_rms"):
        view(make_motion(grid), "speed")
    with pytest.raises(ConfigError, match="no component 'up': choose one of east, north"):
        view(make_motion(grid), options=ViewOptions(component="up"))
    with pytest.raises(ConfigError, match="no term 'annual_cos': choose one of offset, rate"):
        view(make_motion(grid), options=ViewOptions(term="annual_cos"))
    with pytest.raises(ConfigError, match=r"no map '20300101' in this product: choose from 20160803, .* from 0 to 5"):
        view(make_series(grid), options=ViewOptions(index=("20300101",)))
    with pytest.raises(SchemaError, match="no variable has the dimensions y and x"):
        view(xr.Dataset({"depth": ("z", [1.0])}))


def squares_of(axes: Axes) -> list[npt.NDArray[np.float64]]:
    return [np.asarray(line.get_xydata(), np.float64) for line in axes.lines if np.shape(line.get_xydata()) == (5, 2)]


def test_the_reference_pixel_of_mintpys_files_is_marked(grid: Grid) -> None:
    rows, columns = grid.shape
    coords = grid_coords(grid)
    values = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    attributes = {"FILE_TYPE": "velocity", "REF_Y": "3", "REF_X": "5"}
    product = xr.Dataset({"velocity": (("y", "x"), values, {"units": "m/year"})}, coords, attributes)
    frame = Frame.of(grid)
    x, y = frame.centres((rows, columns))
    whole = view(product)
    assert_allclose(squares_of(maps_of(whole)[0])[0][:4].mean(axis=0), (x[5], y[3]), rtol=1e-9)
    part = view(product, options=ViewOptions(sub_y=(2, rows), sub_x=(4, columns)))
    assert_allclose(squares_of(maps_of(part)[0])[0][:4].mean(axis=0), (x[5], y[3]), rtol=1e-9)
    moved = view(product, options=ViewOptions(ref_yx=(1, 2)))
    assert_allclose(squares_of(maps_of(moved)[0])[0][:4].mean(axis=0), (x[2], y[1]), rtol=1e-9)
    assert squares_of(maps_of(view(product, options=ViewOptions(mark_reference=False)))[0]) == []
    for wrong in ({"REF_Y": "3"}, {"REF_Y": "3", "REF_X": str(columns)}, {"REF_Y": "three", "REF_X": "5"}):
        product.attrs = {"FILE_TYPE": "velocity", **wrong}
        assert squares_of(maps_of(view(product))[0]) == []
