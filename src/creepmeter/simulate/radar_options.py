"""What can be simulated of radar interferograms, with units and bounds."""

from __future__ import annotations

from pydantic import Field

from creepmeter.model.options import Options


class RadarOptions(Options):
    """A stack of unwrapped interferograms: the ground, the network, and what disturbs the phase."""

    rows: int = Field(120, ge=16, le=20_000, description="Rows of the map, number")
    columns: int = Field(160, ge=16, le=20_000, description="Columns of the map, number")
    geocoded: bool = Field(True, description="On a geographic grid; else in radar coordinates with latitude, longitude")
    dates: int = Field(16, ge=2, le=2000, description="Acquisitions, number")
    start: str = Field("20180105", description="First acquisition, YYYYMMDD")
    days: float = Field(24.0, gt=0, description="Days from one acquisition to the next")
    connections: int = Field(3, ge=1, description="Later acquisitions that each one is paired with, number")
    looks: int = Field(25, ge=1, description="Independent looks of a pixel, number")
    wavelength_m: float = Field(0.05546576, gt=0, description="Radar wavelength, metres")
    velocity_m: float = Field(0.04, ge=0, description="Fastest motion of the ground, metres per year")
    seasonal_m: float = Field(0.004, ge=0, description="Largest amplitude of the yearly motion, metres")
    step_m: float = Field(0.0, ge=0, description="Largest sudden motion, half way through the series, metres")
    dem_error_m: float = Field(0.0, ge=0, description="Standard deviation of the error of the heights, metres")
    baseline_m: float = Field(60.0, ge=0, description="Standard deviation of the perpendicular baselines, metres")
    relief_m: float = Field(1200.0, ge=0, description="Height of the highest summit, metres")
    stratified: float = Field(0.0, ge=0, description="Standard deviation of delay per height, metres per kilometre")
    turbulence_m: float = Field(0.0, ge=0, description="Standard deviation of the turbulent delay of a date, metres")
    ramp_m: float = Field(0.0, ge=0, description="Standard deviation of the ramp of a date across the map, metres")
    noise: bool = Field(True, description="Phase noise of each pixel, drawn with its coherence")
    coherence: float = Field(0.85, gt=0, lt=1, description="Coherence of open ground in the shortest pairs")
    decay_days: float = Field(500.0, gt=0, description="Days in which coherence falls by a factor e")
    islands: int = Field(2, ge=0, le=50, description="Islands in the sea at the right edge, number; 0 = also no sea")
    cycle_chance: float = Field(
        0.0, ge=0, le=1, description="Chance that an island is one or more cycles off in a pair"
    )
    river: bool = Field(True, description="A river through the land, that parts it in two regions")
    nodata_corner: float = Field(0.0, ge=0, le=0.5, description="Share of the edges cut off by an empty corner")
    missing_stripes: float = Field(0.0, ge=0, le=1, description="Share of the pairs that lack a stripe at the top")
    constants: bool = Field(True, description="Each pair carries a constant of its own, up to 20 radians")
