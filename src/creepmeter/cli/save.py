"""creepmeter save."""

from __future__ import annotations

import click

from creepmeter.cli.group import Entry, LazyGroup

TABLE = {
    "kmz": Entry("creepmeter.cli.save_kmz", "Save a map for Google Earth."),
    "hdfeos5": Entry("creepmeter.cli.save_hdfeos5", "Save a series with quality and geometry as HDF-EOS5."),
    "geotiff": Entry("creepmeter.cli.save_geotiff", "Save maps as GeoTIFF."),
    "cog": Entry("creepmeter.cli.save_geotiff", "Save maps as cloud-optimised GeoTIFF.", name="cog"),
    "netcdf": Entry("creepmeter.cli.save_netcdf", "Save a product as NetCDF."),
    "itslive": Entry("creepmeter.cli.save_itslive", "Save pairs of image offsets in the layout of ITS_LIVE."),
}


@click.group(cls=LazyGroup, table=TABLE)
def command() -> None:
    """Save a product for other programs."""
