"""Known motion turned into scenes, pairs, stacks and files: for tests, the demo and benchmarks."""

from __future__ import annotations

from creepmeter.simulate.catalogue import SimulatedCatalogue, write_catalogue
from creepmeter.simulate.catalogue_heights import SimulatedHeights, write_heights
from creepmeter.simulate.catalogue_options import Pass, default_passes
from creepmeter.simulate.demo import demo_scenes
from creepmeter.simulate.files import WriteParts, WriteRaster, write_offset_maps, write_scenes, write_tiled_pair
from creepmeter.simulate.images import PairImages, pair_images, rigid_pair
from creepmeter.simulate.motion import MotionField, Slide
from creepmeter.simulate.networks import all_pairs, nearest_pairs, pair_stack, random_network, regular_times
from creepmeter.simulate.options import SceneOptions, StackOptions, TiledOptions
from creepmeter.simulate.radar import RadarScene, RadarStack, RadarTruth, simulate_radar
from creepmeter.simulate.radar_options import RadarOptions
from creepmeter.simulate.scenes import SimulatedScenes, scene_stack
from creepmeter.simulate.terrain import Ground, Surface, ground, surface
from creepmeter.simulate.tiles import TiledScene

__all__ = [
    "Ground",
    "MotionField",
    "PairImages",
    "Pass",
    "RadarOptions",
    "RadarScene",
    "RadarStack",
    "RadarTruth",
    "SceneOptions",
    "SimulatedCatalogue",
    "SimulatedHeights",
    "SimulatedScenes",
    "Slide",
    "StackOptions",
    "Surface",
    "TiledOptions",
    "TiledScene",
    "WriteParts",
    "WriteRaster",
    "all_pairs",
    "default_passes",
    "demo_scenes",
    "ground",
    "nearest_pairs",
    "pair_images",
    "pair_stack",
    "random_network",
    "regular_times",
    "rigid_pair",
    "scene_stack",
    "simulate_radar",
    "surface",
    "write_catalogue",
    "write_heights",
    "write_offset_maps",
    "write_scenes",
    "write_tiled_pair",
]
