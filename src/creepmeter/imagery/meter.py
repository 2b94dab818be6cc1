"""How much of an area scenes show: their masks are read, several at a time, or the catalogue is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

from creepmeter.blocks import Progress
from creepmeter.errors import CreepmeterError, ServiceError
from creepmeter.imagery.area import AreaOfInterest
from creepmeter.imagery.found import FoundScene
from creepmeter.imagery.masks import mask_rule
from creepmeter.imagery.remote import Access
from creepmeter.imagery.scene_options import SelectOptions
from creepmeter.imagery.windows import Fractions, masked_fraction

_GIVE_UP_AFTER = 5  # scenes that cannot be read when none could: it is not the scenes then
_JOBS = 4


Measure = Callable[[FoundScene], Fractions]


def by_mask(area: AreaOfInterest, access: Access, options: SelectOptions) -> Measure:
    """Return a way to measure scenes: their masks, inside an area.

    Parameters
    ----------
    area : AreaOfInterest
        Where.
    access : Access
        How files are reached.
    options : SelectOptions
        What counts as not seen.
    """

    def measure(one: FoundScene) -> Fractions:
        rule = mask_rule(one.sensor, options.mask_classes or None, snow=options.mask_snow)
        return masked_fraction(one.item, area, access, rule.classes)

    return measure


class Meter:
    """Looks at scenes, and notes what was seen.

    Parameters
    ----------
    measure : callable or None
        Reads the mask of a scene; None believes the catalogue.
    """

    def __init__(self, measure: Measure | None) -> None:
        self.shares: dict[str, Fractions] = {}
        self.failed: dict[str, str] = {}
        self._measure = measure
        self._lock, self._stop = Lock(), Event()

    @property
    def what(self) -> str:
        """What a share is of."""
        return "of the whole scene cloud, says the catalogue" if self._measure is None else "of the area not seen"

    def over(self, tasks: Sequence[Callable[[], None]], progress: Progress) -> None:
        """Do tasks that look at scenes, side by side.

        Raises
        ------
        ServiceError
            No mask can be read.
        """
        progress.start("look at clouds", len(tasks))
        with ThreadPoolExecutor(1 if self._measure is None else _JOBS) as pool:
            try:
                for done in [pool.submit(task) for task in tasks]:
                    done.result()
                    progress.advance(1)
            finally:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                progress.finish()

    def unseen(self, one: FoundScene) -> tuple[float | None, str]:
        """Return the share of the area that is not seen; None, and why, where nobody knows."""
        if self._measure is None:
            return one.cloud, "the catalogue does not say how cloudy it is, and its mask was not read"
        if self._stop.is_set():
            return None, "not looked at"
        try:
            shares = self._measure(one)
        except CreepmeterError as problem:
            self._note(one, problem)
            return None, f"its mask cannot be read: {problem}"
        with self._lock:
            self.shares[one.name] = shares
        return shares.masked, ""

    def _note(self, one: FoundScene, problem: CreepmeterError) -> None:
        with self._lock:
            self.failed[one.name] = f"its mask cannot be read: {problem}"
            if self.shares or len(self.failed) < _GIVE_UP_AFTER:
                return
            self._stop.set()
        message = (
            f"no mask can be read ({len(self.failed)} scenes tried), the last: {problem}; --no-measure believes the "
            "catalogue instead"
        )
        raise ServiceError(message) from problem
