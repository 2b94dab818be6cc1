"""Prepared images, kept while memory lasts: an image is filtered once for all its pairs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import PreparedImage, SeenImage, filter_seen, see_image
from creepmeter.tracking.tuning import mean_spectra, measure_spectra, tuned_filter
from creepmeter.workflow.inputs import Images

Floats: TypeAlias = npt.NDArray[np.float32]
TUNING_PAIRS = 5


class ImageLibrary:
    """Prepares images when they are asked for, and forgets the one not used for longest.

    Parameters
    ----------
    images : Images
        Where they come from.
    options : TrackOptions
        How they are filtered.
    memory_gb : float
        Memory for prepared images; two are kept in any case.
    pairs : sequence of (ref, sec)
        Places of the images of some pairs; they tune the one filter that all images share.
    """

    def __init__(
        self, images: Images, options: TrackOptions, memory_gb: float, pairs: Sequence[tuple[int, int]] = ()
    ) -> None:
        self._images = images
        self._options = options
        self._tuned = self._tune(pairs)
        self._budget = memory_gb * 1e9
        self._kept: OrderedDict[int, PreparedImage] = OrderedDict()

    def get(self, index: int) -> PreparedImage:
        """Return an image ready for matching."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        prepared = filter_seen(self._see(index), self._options, self._tuned)
        self._kept[index] = prepared
        while len(self._kept) > 2 and sum(image.nbytes for image in self._kept.values()) > self._budget:  # noqa: PLR2004
            self._kept.popitem(last=False)
        return prepared

    def _see(self, index: int) -> SeenImage:
        values, mask = self._images.read(index)
        return see_image(values, mask, self._options, name=self._images.scenes[index].source)

    def _tune(self, pairs: Sequence[tuple[int, int]]) -> Floats | None:
        """Return the filter tuned by a few pairs, spread evenly over those given."""
        if self._options.prefilter != "auto" or not pairs:
            return None
        chosen = np.unique(np.linspace(0, len(pairs) - 1, TUNING_PAIRS).astype(int))
        seen = ((self._see(pairs[k][0]), self._see(pairs[k][1])) for k in chosen)
        found = [measure_spectra(ref, sec, self._options.search_yx) for ref, sec in seen]
        return tuned_filter(mean_spectra([spectra for spectra in found if spectra is not None]))
