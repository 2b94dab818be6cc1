"""creepmeter save."""

from __future__ import annotations

import click

from creepmeter.cli.group import Entry, LazyGroup

TABLE = {
    "kmz": Entry("creepmeter.cli.save_kmz", "Save a map for Google Earth."),
    "hdfeos5": Entry("creepmeter.cli.save_hdfeos5", "Save a series with quality and geometry as HDF-EOS5."),
    "kmz-timeseries": Entry("creepmeter.cli.save_kmz_timeseries", "Save a series for Google Earth, with charts."),
    "geotiff": Entry("creepmeter.cli.save_geotiff", "Save maps as GeoTIFF."),
    "cog": Entry("creepmeter.cli.save_geotiff", "Save maps as cloud-optimised GeoTIFF.", name="cog"),
    "netcdf": Entry("creepmeter.cli.save_netcdf", "Save a product as NetCDF."),
    "zarr": Entry("creepmeter.cli.save_zarr", "Save a product as Zarr store."),
    "gmt": Entry("creepmeter.cli.save_gmt", "Save a map as grid of GMT."),
    "roipac": Entry(
        "creepmeter.cli.save_sources", "Save phase, coherence or heights as ROI_PAC has them.", name="roipac"
    ),
    "gbis": Entry("creepmeter.cli.save_sources", "Save displacement and line of sight for GBIS.", name="gbis"),
    "kite": Entry("creepmeter.cli.save_sources", "Save displacement and line of sight for Kite.", name="kite"),
    "qgis": Entry("creepmeter.cli.save_points", "Save a series as points with a column for each date.", name="qgis"),
    "explorer": Entry("creepmeter.cli.save_gmt", "Save a series for InSAR Explorer of QGIS.", name="explorer"),
    "csv": Entry("creepmeter.cli.save_points", "Save pixels as CSV.", name="table"),
    "itslive": Entry("creepmeter.cli.save_itslive", "Save pairs of image offsets in the layout of ITS_LIVE."),
}


@click.group(cls=LazyGroup, table=TABLE)
def command() -> None:
    """Save a product for other programs."""
