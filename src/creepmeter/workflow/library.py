"""Prepared images, kept while memory lasts: an image is filtered once for all its pairs."""

from __future__ import annotations

from collections import OrderedDict

from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import PreparedImage, prepare_image
from creepmeter.workflow.inputs import Images


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
    """

    def __init__(self, images: Images, options: TrackOptions, memory_gb: float) -> None:
        self._images = images
        self._options = options
        self._budget = memory_gb * 1e9
        self._kept: OrderedDict[int, PreparedImage] = OrderedDict()

    def get(self, index: int) -> PreparedImage:
        """Return an image ready for matching."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        values, mask = self._images.read(index)
        prepared = prepare_image(values, mask, self._options, name=self._images.scenes[index].source)
        self._kept[index] = prepared
        while len(self._kept) > 2 and sum(image.nbytes for image in self._kept.values()) > self._budget:  # noqa: PLR2004
            self._kept.popitem(last=False)
        return prepared
