"""Which scenes a simulated catalogue holds, and how it describes them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from creepmeter.model.options import Options

Layout = Literal["sentinel-2-l2a", "sentinel-2-c1-l2a", "planetary-computer"]
OFFSET_SINCE = "04.00"  # processing baseline from which digital numbers of Sentinel-2 are 1000 higher


class Pass(Options):
    """One scene of a catalogue: what the satellite saw, and how the product of it was made and described."""

    time: str = Field(description="When the image was taken, UTC, ISO")
    baseline: str = Field("05.00", pattern=r"^\d{2}\.\d{2}$", description="Processing baseline")
    processed: str | None = Field(None, description="When the product was made, UTC, ISO; default two hours later")
    layout: Layout = Field("sentinel-2-l2a", description="Catalogue whose names and fields the item has")
    orbit: int = Field(22, ge=1, le=143, description="Relative orbit")
    tile: Literal["33TVM", "33TWM"] = Field(
        "33TVM", description="MGRS tile; 33TVM shows all of the ground, 33TWM its east only"
    )
    cloud: float = Field(0.0, ge=0, le=1, description="Share of the ground under cloud")
    said_cloud: float | None = Field(
        None, ge=0, le=100, description="Cloud that the item claims, per cent; default the truth"
    )
    snow: float = Field(0.0, ge=0, le=1, description="Share of the ground under snow, from the north")
    missing: float = Field(0.0, ge=0, le=1, description="Share of the west that the swath does not reach")
    boa_offset_applied: bool | None = Field(
        None,
        description=(
            "earthsearch:boa_offset_applied; true = the catalogue has taken the 1000 out of the pixels already. "
            "Planetary Computer and Collection 1 have no such field"
        ),
    )
    without: tuple[str, ...] = Field((), description="Properties or assets that the item lacks")

    @property
    def stored_offset(self) -> int:
        """What is added to the digital numbers in the file."""
        return 1000 if self.baseline >= OFFSET_SINCE and not self.boa_offset_applied else 0


def default_passes() -> tuple[Pass, ...]:
    """Return ten dates about 22 November 2016 to 2023 with every processing baseline, and what gets in the way.

    A clear scene a year; clouds nearer to the day in 2018 and 2020; one date processed again; one other orbit; one
    other tile that shows the ground in part.
    """
    return (
        Pass(time="2016-11-20T10:14:31Z", baseline="02.04", boa_offset_applied=False),
        Pass(time="2017-11-25T10:14:29Z", baseline="02.06", boa_offset_applied=False),
        Pass(time="2017-11-25T10:14:29Z", baseline="05.00", processed="2023-08-01T00:00:00Z", boa_offset_applied=True),
        Pass(time="2018-11-15T10:13:01Z", baseline="02.10", boa_offset_applied=False),
        Pass(time="2018-11-20T10:14:31Z", baseline="02.10", boa_offset_applied=False, cloud=0.7),
        Pass(time="2019-11-25T10:13:59Z", baseline="02.13"),
        Pass(time="2020-11-14T10:12:21Z", baseline="02.14", boa_offset_applied=False),
        Pass(time="2020-11-19T10:13:41Z", baseline="02.14", boa_offset_applied=False, cloud=0.95, said_cloud=1.5),
        Pass(time="2021-11-24T10:14:11Z", baseline="03.01"),
        Pass(time="2021-11-24T10:14:11Z", baseline="03.01", tile="33TWM"),
        Pass(time="2022-11-19T10:14:29Z", baseline="04.00", boa_offset_applied=True, snow=0.2),
        Pass(time="2023-11-22T10:04:01Z", baseline="05.09", orbit=122, boa_offset_applied=True),
        Pass(time="2023-11-24T10:13:19Z", baseline="05.09", boa_offset_applied=False),
    )
