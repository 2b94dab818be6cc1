"""The demo: eight summers over two slides."""

from __future__ import annotations

from creepmeter.simulate.motion import MotionField, Slide
from creepmeter.simulate.options import SceneOptions
from creepmeter.simulate.scenes import SimulatedScenes, scene_stack

DEMO_TIMES = (
    "2016-08-05T10:10:00",
    "2017-08-20T10:10:00",
    "2018-07-16T10:10:00",
    "2019-08-10T10:10:00",
    "2020-07-25T10:10:00",
    "2021-08-29T10:10:00",
    "2022-08-01T10:10:00",
    "2023-08-14T10:10:00",
)
DEMO_MOTION = MotionField(
    (
        Slide(centre=(1650.0, -1750.0), semi_axes=(1150.0, 800.0), speed=3.0, direction_deg=118.0),
        Slide(centre=(3550.0, -3550.0), semi_axes=(1000.0, 750.0), speed=1.8, direction_deg=230.0),
    ),
    origin=DEMO_TIMES[0],
)
DEMO_OPTIONS = SceneOptions(
    jitter_px=0.3,
    noise_dn=20.0,
    change_dn=20.0,
    seasonal_light=1.0,
    illumination=0.02,
    cloud_fraction=0.06,
    nodata_wedge=0.15,
)


def demo_scenes(seed: int = 7) -> SimulatedScenes:
    """Return the scenes of the demo: 8 summers of 512 x 512 pixels of 10 m over two slides of 3.0 and 1.8 m/yr.

    Parameters
    ----------
    seed : int
        Seed of the random numbers.
    """
    return scene_stack(DEMO_TIMES, (512, 512), pixel_size_m=10.0, motion=DEMO_MOTION, seed=seed, options=DEMO_OPTIONS)
